"""Baselines that fit a clusterer once, to samples or to the embeddings of an autoencoder.

On embeddings they show what an autoencoder alone achieves.

Notation: ``N`` samples, ``B`` samples of a batch, ``K`` clusters, ``F`` features of the data, ``C``
features of the points, ``D`` features of an embedding.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from gammvae.data.rows import rows_per_chunk
from gammvae.data.samples import Samples, in_order, subset
from gammvae.data.warned import warned_once
from gammvae.errors import InputError
from gammvae.evaluation.assignments import Assignments, judge
from gammvae.training.pretraining import pretrain
from gammvae.training.spaces import Space
from gammvae.training.workspace import Workspace

log = logging.getLogger(__name__)

# Number of random starts; a clusterer keeps the best by inertia or likelihood.
STARTS = 10


class Clusterer(Protocol):
    """A clustering algorithm."""

    def fit(self, points: NDArray) -> Assignments:
        """Finds clusters in points ``(N, C)``, and returns their assignments."""

    def assign(self, points: NDArray) -> Assignments:
        """Assigns points ``(B, C)``, which may differ from those it was fitted to."""


def certain(labels: NDArray, n_clusters: int, embedding: NDArray) -> Assignments:
    """Hard assignments: the responsibilities of clusters ``(B,)`` are 0 and 1.

    Args:
        labels: Clusters ``(B,)`` in ``0 .. K - 1``.
        n_clusters: ``K``.
        embedding: Points ``(B, D)`` that the report draws, and of which the silhouette is taken.
    """
    responsibilities = np.eye(n_clusters, dtype=np.float32)[labels]
    return Assignments(labels.astype(np.int64), responsibilities, embedding.astype(np.float32))


class ClustererOnSamples(NamedTuple):
    """A fitted clusterer, with the way from samples to its points.

    Attributes:
        encoder: Network whose means are the points, or ``None`` if these are the samples.
        space: Fitted map of the points.
        clusterer: Fitted clusterer.
    """

    encoder: nn.Module | None
    space: Space
    clusterer: Clusterer

    def __call__(self, x: Samples) -> Iterator[Assignments]:
        """Assigns samples ``(N, F)``, a chunk at a time."""
        for chunk in in_order(x, "assigning"):
            yield self.clusterer.assign(self.space(self.points(chunk)))

    @torch.no_grad()
    def points(self, x: Tensor) -> NDArray[np.float32]:
        """The points ``(B, C)`` of samples ``(B, F)``, before they are mapped."""
        return (x if self.encoder is None else self.encoder(x).mean).cpu().numpy()


class FittedOnce:
    """Clusters samples directly, or trains an autoencoder and clusters its embeddings.

    Args:
        work: Workspace of the run.
        clusterer: Clusterer to fit.

    Raises:
        InputError: There are fewer samples to fit it to than clusters.
    """

    def __init__(self, work: Workspace, clusterer: Clusterer) -> None:
        self.work, self.clusterer, self.space = work, clusterer, Space(work.config)
        self.on_samples = work.config.model.on_samples
        most, n_clusters = work.config.init.max_samples, work.config.n_clusters
        if most < n_clusters:
            raise InputError(
                f"init.max_samples={most} must be at least n_clusters={n_clusters}: "
                f"{work.config.model.name} is fitted to no more samples"
            )
        # All components remain standard normal distributions: the prior of an ordinary VAE.
        work.model.prior.requires_grad_(False)
        self.is_fitted = False
        self.of_all: Assignments | None = None  # set if the clusterer is fitted to all samples

    def stages(self) -> Sequence[Callable[[], None]]:
        """The stages: training of the autoencoder, if there is one, and the fit."""
        return (self.start if self.on_samples else self.pretrain), self.cluster

    def start(self) -> None:
        """Begins a run without an autoencoder."""
        self.work.directory.write_metrics("")

    def pretrain(self) -> None:
        """Trains the autoencoder."""
        pretrain(self.work)

    def cluster(self) -> None:
        """Fits the clusterer."""
        began = time.perf_counter()
        self._fit()
        seconds = time.perf_counter() - began
        log.info("%s: fitted in %.1f s", self.work.config.model.name, seconds)
        self.work.directory.append_metrics({"stage": "init", "epoch": 1, "seconds": seconds})

    def restore(self) -> None:
        """Loads the weights of the autoencoder, if there is one."""
        if not self.on_samples:
            self.work.restore("pretrain")

    def assigner(self) -> ClustererOnSamples:
        """Assigns samples by the clusterer."""
        encoder = None if self.on_samples else self.work.model.encoder
        return ClustererOnSamples(encoder, self.space, self.clusterer)

    def evaluate(self, keep: Callable[[Assignments], None]) -> dict[str, Any]:
        """Assigns by the clusterer, which is fitted again after a restore; there is no ELBO."""
        work = self.work
        if not self.is_fitted:
            self._fit()
        return judge(self._assignments(), len(work.x), work.classes, work.config.seed, keep)

    def _fit(self) -> None:
        x, config = self.work.x, self.work.config
        chosen = subset(len(x), self.space.max_samples, config.seed)
        size = rows_per_chunk(x.shape[1])
        parts = np.split(chosen, range(size, len(chosen), size))
        rows = (x[torch.from_numpy(part).to(x.device)] for part in parts)
        to_points = self.assigner().points
        points = self.space.fit(np.concatenate([to_points(batch) for batch in rows]))
        with warned_once(config.model.name):
            found = self.clusterer.fit(points)
        # UMAP maps new samples only approximately, so assignments of the fitted points are kept.
        self.of_all = found if len(chosen) == len(x) else None
        self.is_fitted = True

    def _assignments(self) -> Iterator[Assignments]:
        if self.of_all is not None:
            yield self.of_all
        else:
            yield from self.assigner()(self.work.x)
