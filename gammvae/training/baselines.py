"""Runs of what the method is compared with, in the same directories, from the same autoencoders."""

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gammvae.config.schema import Config, ModelConfig
from gammvae.data.samples import in_order, rows_per_chunk, subset
from gammvae.errors import InputError
from gammvae.evaluation.assignments import Assignments, judge
from gammvae.runs.checkpoints import load_checkpoint
from gammvae.runs.directory import RunDirectory
from gammvae.training.clusterers import Clusterer
from gammvae.training.experiment import Experiment
from gammvae.training.selftraining import SelfTrainingExperiment

log = logging.getLogger(__name__)


def experiment_for(model: ModelConfig) -> type[Experiment]:
    """The kind of experiment that a model is run in."""
    if model.clusterer is None:
        return Experiment
    return SelfTrainingExperiment if model.clusterer in ("dec", "idec") else Baseline


class Baseline(Experiment):
    """An autoencoder, unless samples are clustered as they are, and a clusterer fitted once.

    Args:
        config: What to run.
        directory: Where its files are; not touched before the first stage.
    """

    def __init__(self, config: Config, directory: RunDirectory) -> None:
        super().__init__(config, directory)
        self.clusterer = Clusterer(config.model, config.n_clusters, config.seed)
        # All components stay the standard normal distribution: the prior of an ordinary VAE.
        self.model.prior.requires_grad_(False)
        self.fitted: Assignments | None = None  # of all samples, if it was fitted to all

    def pretrain(self) -> None:
        """Trains the autoencoder, if there is one."""
        if self.config.model.space == "samples":
            self.directory.write_metrics("")
        else:
            super().pretrain()

    def initialize(self) -> None:
        """Fits the clusterer."""
        began = time.perf_counter()
        self._fit()
        seconds = time.perf_counter() - began
        log.info("%s: fitted in %.1f s", self.config.model.name, seconds)
        self.directory.append_metrics({"stage": "init", "epoch": 1, "seconds": seconds})

    def train(self) -> None:
        """Nothing is left to train."""

    def reevaluate(self) -> dict[str, Any]:
        """Recomputes the figures of the finished run; writes nothing.

        Raises:
            InputError: See ``restore``.
        """
        self.restore()
        self._fit()
        return {**self._identity(), "metrics": self._evaluate(lambda _: None)}

    def restore(self) -> None:
        """Takes the weights of the finished run's autoencoder, if it has one.

        Raises:
            InputError: They are needed and missing, damaged, or of other data.
        """
        if self.config.model.space == "samples":
            return
        self.directory.check_weights()
        if load_checkpoint(self.directory, "pretrain", self.model, None, self.digest) is None:
            raise InputError(f"{self.directory.path} holds no weights: pretrain.pt is missing")

    def _fit(self) -> None:
        chosen = subset(len(self.x), self.config.init.max_samples, self.config.seed)
        size = rows_per_chunk(self.x.shape[1])
        parts = np.split(chosen, range(size, len(chosen), size))
        rows = (self.x[torch.from_numpy(part).to(self.device)] for part in parts)
        found = self.clusterer.fit(np.concatenate([self._points(batch) for batch in rows]))
        # UMAP maps new samples only roughly to where they would have come to lie.
        self.fitted = found if len(chosen) == len(self.x) else None

    @torch.no_grad()
    def _points(self, x: Tensor) -> NDArray[np.float32]:
        if self.config.model.space == "samples":
            return x.cpu().numpy()
        return self.model.encoder(x).mean.cpu().numpy()

    def _assignments(self) -> Iterator[Assignments]:
        if self.fitted is not None:
            yield self.fitted
            return
        for chunk in in_order(self.x, "assigning"):
            yield self.clusterer.assign(self._points(chunk))

    def _evaluate(self, keep: Callable[[Assignments], None]) -> dict[str, Any]:
        return judge(self._assignments(), len(self.x), self.classes, self.config.seed, keep)
