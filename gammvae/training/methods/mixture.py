"""GamMM-VAE, the method of the paper, and VaDE, its Gaussian counterpart.

Pretrain an autoencoder, initialize a mixture on its embeddings, train everything on the ELBO.

Notation: ``N`` samples, ``K`` clusters.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.distributions import Independent

from gammvae.data.samples import subset
from gammvae.errors import InputError
from gammvae.evaluation.assignments import Assigner, Assignments, assign, evaluate
from gammvae.evaluation.metrics import clustering_accuracy, used_clusters
from gammvae.initialization.anchor import Anchor, Held, spread
from gammvae.initialization.manifold import first_resolution, manifold_start
from gammvae.initialization.prior import fit_mixture, posteriors, set_prior, starting_labels
from gammvae.training import stages
from gammvae.training.pretraining import pretrain
from gammvae.training.workspace import Workspace

log = logging.getLogger(__name__)

# Options of ``model`` that this method has.
OPTIONS = ()


class Starts(NamedTuple):
    """Partitions from which EM starts.

    Attributes:
        partitions: Partitions of the chosen samples, each ``(n,)``.
        graph: Number of neighbors and resolution of the graph in which partitions are updated.
        found: Figures of the search, for the metrics.
    """

    partitions: Iterable[NDArray[np.int64]]
    graph: tuple[int, float]
    found: dict[str, Any]


class MixtureTraining:
    """Trains a variational autoencoder with a mixture prior.

    Args:
        work: Workspace of the run.
    """

    def __init__(self, work: Workspace) -> None:
        self.work = work
        self.held: Held | None = None

    def stages(self) -> Sequence[Callable[[], None]]:
        """The three stages of the paper."""
        return self.pretrain, self.initialize, self.train

    def pretrain(self) -> None:
        """Trains encoder and decoder on the reconstruction alone."""
        pretrain(self.work)

    def initialize(self) -> None:
        """Fits the mixture to up to ``init.max_samples`` posteriors by coordinate ascent (EM)."""
        work, config = self.work, self.work.config
        if (work.directory / "train.pt").exists():
            return
        began = time.perf_counter()
        chosen = subset(len(work.x), config.init.max_samples, config.seed)
        index = torch.from_numpy(chosen).to(work.device)
        work.model.prior.latents.standardize(posteriors(work.model, work.x, index).base_dist.loc)
        q_z = posteriors(work.model, work.x, index)
        starts = self._starts(chosen, q_z)
        mixture, labels, history = fit_mixture(
            q_z,
            starts.partitions,
            config.n_clusters,
            max_iter=config.init.max_iter,
            tol=config.init.tol,
        )
        set_prior(work.model, mixture)
        held = Held(spread(work.model, work.x, chosen, labels), *starts.graph)
        sizes = np.bincount(mixture.labels, minlength=config.n_clusters)
        record = {
            **{"stage": "init", "epoch": 1},
            "kl": -(mixture.bound + q_z.entropy().mean().item()),
            "used_clusters": used_clusters(sizes),
            "bounds": [start.bound for start in history],
            "iterations": [start.n_iter for start in history],
            **starts.found,
            **work.scores(0),
            "seconds": time.perf_counter() - began,
        }
        log.info(
            "init: KL %.2f nats from the best of %d starts, %d of %d clusters used, %.1f s",
            *(record["kl"], len(history), record["used_clusters"], len(sizes), record["seconds"]),
        )
        work.directory.append_metrics(record)
        stages.save(work, "train", 0, None, held)

    def train(self) -> None:
        """Trains networks and mixture jointly on the ELBO, with ``q(c|x)`` held in early epochs."""
        config = self.work.config.train
        guided = stages.Guided(self._anchor, config.agreement)
        self.held = stages.train(self.work, "train", config, guided)

    def restore(self) -> None:
        """Loads the trained weights."""
        self.held = self.work.restore("train")

    def assigner(self) -> Assigner:
        """Assigns samples by ``q(c|x)``."""
        return partial(assign, self.work.model)

    def evaluate(self, keep: Callable[[Assignments], None]) -> dict[str, Any]:
        """Assigns by ``q(c|x)``; the figures include the ELBO.

        If ``q(c|x)`` was let go in the last part of training, they also say how many samples are in
        another cluster than in the partition that was held (``moved``), the ELBO at that time
        (``elbo_held``), and the ACC of that partition if there are classes (``acc_held``).
        """
        work, held = self.work, self.held
        done = moved = 0

        def compare(part: Assignments) -> None:
            nonlocal done, moved
            if held is not None:
                before = held.labels[done : done + len(part.labels)]
                moved += int((part.labels != before).sum())
            done += len(part.labels)
            keep(part)

        figures = evaluate(work.model, work.x, work.classes, work.config.seed, compare)
        if held is not None and held.elbo is not None:
            figures |= {"moved": moved, "elbo_held": held.elbo}
            if work.classes is not None:
                figures["acc_held"] = clustering_accuracy(work.classes, held.labels)
            log.info(
                "train: %d of %d samples are in another cluster than in the held partition; since "
                "q(c|x) was let go, the ELBO went from %.2f to %.2f",
                *(moved, len(work.x), held.elbo, figures["elbo"]),
            )
        return figures

    def _starts(self, chosen: NDArray[np.int64], q_z: Independent) -> Starts:
        work, config = self.work, self.work.config
        resolution = first_resolution(config.init, work.filled)
        graph = config.init.n_neighbors, resolution
        if work.given_labels is not None:
            return Starts([work.given_labels[chosen]], graph, {})
        if config.init.start == "manifold":
            start = manifold_start(work.model, work.x, chosen, config, resolution)
            found = start._asdict()
            del found["labels"]
            return Starts([start.labels], (start.n_neighbors, start.resolution), found)
        embedding = q_z.mean.cpu().double().numpy()
        several = config.n_clusters, config.init.n_init, config.seed
        return Starts(starting_labels(config.init.start, embedding, *several), graph, {})

    def _anchor(self, epochs: int, held: Held | None) -> Anchor:
        if held is None:
            path = self.work.directory / "train.pt"
            raise InputError(f"{path} is damaged: it holds no partition")
        return Anchor(self.work.config, self.work.model, self.work.x, epochs, held)


method = MixtureTraining
