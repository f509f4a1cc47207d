"""Holds ``q(c|x)`` at a partition for the first epochs, while the latent space forms around it.

Notation: ``N`` samples.
"""

import logging
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gammvae.config.schema import Config
from gammvae.data.samples import Samples, subset
from gammvae.evaluation.assignments import assign, bound
from gammvae.initialization.graph import neighbor_graph, refine
from gammvae.initialization.manifold import manifold_points
from gammvae.initialization.shapes import affords_covariances, shaped
from gammvae.model.vae import MixtureVAE

log = logging.getLogger(__name__)


class Held(NamedTuple):
    """A partition at which ``q(c|x)`` is held.

    Attributes:
        labels: Clusters of all samples, ``(N,)``.
        n_neighbors: Of the graph that updates the partition.
        resolution: Of the modularity in that graph.
        elbo: The ELBO when ``q(c|x)`` was let go, in nats per sample; ``None`` before, or if it is
            held to the end.
    """

    labels: NDArray[np.int64]
    n_neighbors: int
    resolution: float
    elbo: float | None = None


class Anchor:
    """Gives the labels at which an epoch holds ``q(c|x)``; the ELBO is then the one given ``c``.

    At the start of every round except the first, the labels are updated. They move to a local
    maximum of modularity in a neighbor graph of the network's current features. If there are enough
    samples to estimate covariances, they are then refined by the shapes of the clusters.

    Args:
        config: Configuration of the run, with ``train.anchored`` and ``train.rounds``.
        model: The model in training.
        x: All samples.
        epochs: Number of epochs of the stage.
        held: Labels to start with, and the settings of the graph.
    """

    ended = False

    def __init__(
        self,
        config: Config,
        model: MixtureVAE,
        x: Samples,
        epochs: int,
        held: Held,
    ) -> None:
        self.config, self.model, self.x = config, model, x
        self.epochs = held_epochs(config.train.anchored, epochs)
        rounds = config.train.rounds
        self.renewals = {round(self.epochs * i / rounds) for i in range(1, rounds)} - {0}
        self.held = held

    def __call__(self, epoch: int) -> Tensor | None:
        """The labels ``(N,)`` for an epoch, counted from 0, or ``None`` after the held epochs."""
        if epoch >= self.epochs:
            if self.epochs and self.held.elbo is None:
                elbo = bound(self.model, self.x, self.config.seed)["elbo"]
                self.held = self.held._replace(elbo=elbo)
            return None
        if epoch in self.renewals:
            self._renew(epoch)
        return torch.from_numpy(self.held.labels).to(self.x.device)

    def look(self, epoch: int) -> None:
        """Nothing ends the stage before its last epoch."""

    def _renew(self, epoch: int) -> None:
        init, seed = self.config.init, self.config.seed
        chosen = subset(len(self.x), init.max_samples, seed)
        points = manifold_points(self.model, self.x, chosen, seed)
        before = self.held.labels[chosen]
        graph = neighbor_graph(points, self.held.n_neighbors, self.held.resolution, self.x.device)
        rng = np.random.default_rng(seed + epoch)
        renewed = refine(graph, before, self.config.n_clusters, rng).labels
        size = len(chosen), self.x.shape[1], self.config.n_clusters
        if affords_covariances(*size, init.covariances):
            renewed = shaped(self.x, chosen, graph, renewed)
        moved = int((renewed != before).sum())
        log.info("train epoch %d: %d of %d samples change cluster", epoch, moved, len(chosen))
        self.held = self.held._replace(labels=spread(self.model, self.x, chosen, renewed))


def held_epochs(share: float, epochs: int) -> int:
    """Number of held epochs: the given share of all, but some of each kind if there can be.

    Args:
        share: ``train.anchored``, in [0, 1].
        epochs: Number of epochs of the stage.
    """
    if share in (0, 1) or epochs < 2:
        return round(share * epochs)
    return min(max(round(share * epochs), 1), epochs - 1)


def spread(
    model: MixtureVAE, x: Samples, chosen: NDArray[np.int64], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Extends labels of the ``chosen`` samples to all, ``(N,)``; the model predicts the others.

    Args:
        model: Model whose mixture components are numbered like the labels.
        x: All samples.
        chosen: Indices of the labeled samples, in ascending order.
        labels: Clusters of the chosen samples.
    """
    if len(chosen) == len(x):
        return labels
    everything = np.concatenate([part.labels for part in assign(model, x)])
    everything[chosen] = labels
    return everything
