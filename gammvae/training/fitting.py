"""Methods that train an autoencoder, or none, and then fit a clusterer once.

On a code they show what an autoencoder alone is worth.

Letters: ``N`` samples, ``B`` of them, ``K`` clusters, ``F`` features, ``C`` features of the points.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gammvae.data.rows import rows_per_chunk
from gammvae.data.samples import in_order, subset
from gammvae.data.warned import warned_once
from gammvae.evaluation.assignments import Assignments, judge
from gammvae.training import stages
from gammvae.training.spaces import Space
from gammvae.training.workspace import Workspace

log = logging.getLogger(__name__)

# Starts of which a clusterer keeps the best, by inertia or likelihood.
STARTS = 10


class Clusterer(Protocol):
    """What is fitted."""

    def fit(self, points: NDArray) -> None:
        """Finds clusters in points ``(N, C)``."""

    def assign(self, points: NDArray) -> Assignments:
        """Clusters of points ``(B, C)``, which may be others than it was fitted to."""


class FittedOnce:
    """An autoencoder, unless samples are clustered as they are, and a clusterer of its code.

    Args:
        work: What the run is made with.
        clusterer: Not fitted yet.
    """

    def __init__(self, work: Workspace, clusterer: Clusterer) -> None:
        self.work, self.clusterer, self.space = work, clusterer, Space(work.config)
        self.on_samples = work.config.model.space == "samples"
        # All components stay the standard normal distribution: the prior of an ordinary VAE.
        work.model.prior.requires_grad_(False)
        self.is_fitted = False
        self.of_all: Assignments | None = None  # if it was fitted to all samples

    def stages(self) -> Sequence[Callable[[], None]]:
        """Training of the autoencoder, if there is one, and the fit."""
        return (self.start if self.on_samples else self.pretrain), self.cluster

    def start(self) -> None:
        """Begins without an autoencoder."""
        self.work.directory.write_metrics("")

    def pretrain(self) -> None:
        """Trains the autoencoder."""
        stages.pretrain(self.work)

    def cluster(self) -> None:
        """Fits the clusterer."""
        began = time.perf_counter()
        self._fit()
        seconds = time.perf_counter() - began
        log.info("%s: fitted in %.1f s", self.work.config.model.name, seconds)
        self.work.directory.append_metrics({"stage": "init", "epoch": 1, "seconds": seconds})

    def restore(self) -> None:
        """Takes the weights of the autoencoder, if there is one."""
        if not self.on_samples:
            self.work.restore("pretrain")

    def evaluate(self, keep: Callable[[Assignments], None]) -> dict[str, Any]:
        """Assigns by the clusterer, fitted anew to what was restored; there is no ELBO."""
        work = self.work
        if not self.is_fitted:
            self._fit()
        return judge(self._assignments(), len(work.x), work.classes, work.config.seed, keep)

    def _fit(self) -> None:
        x, config = self.work.x, self.work.config
        chosen = subset(len(x), config.init.max_samples, config.seed)
        size = rows_per_chunk(x.shape[1])
        parts = np.split(chosen, range(size, len(chosen), size))
        rows = (x[torch.from_numpy(part).to(x.device)] for part in parts)
        points = self.space.fit(np.concatenate([self._points(batch) for batch in rows]))
        with warned_once(config.model.name):
            self.clusterer.fit(points)
        # UMAP maps new samples only roughly to where they would have come to lie.
        self.of_all = self.clusterer.assign(points) if len(chosen) == len(x) else None
        self.is_fitted = True

    @torch.no_grad()
    def _points(self, x: Tensor) -> NDArray[np.float32]:
        return (x if self.on_samples else self.work.model.encoder(x).mean).cpu().numpy()

    def _assignments(self) -> Iterator[Assignments]:
        if self.of_all is not None:
            yield self.of_all
            return
        for chunk in in_order(self.work.x, "assigning"):
            yield self.clusterer.assign(self.space(self._points(chunk)))
