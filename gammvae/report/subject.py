"""The subject of a report: one finished run with its model and data."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from gammvae.config.schema import Config
from gammvae.data.samples import Samples
from gammvae.data.training_data import Facts
from gammvae.errors import InputError
from gammvae.evaluation.metrics import Matching, match
from gammvae.model.vae import MixtureVAE
from gammvae.runs.contents import METRICS
from gammvae.runs.directory import RunDirectory
from gammvae.runs.records import Choice, Generation, Record, Result


class Subject(NamedTuple):
    """One finished run.

    Attributes:
        path: Path of its directory.
        config: Its configuration.
        result: Its result.
        records: Lines of ``metrics.jsonl``.
        arrays: ``labels`` ``(N,)``, ``responsibilities`` ``(N, K)``, ``embedding`` ``(N, D)``.
        model: The trained model.
        x: All samples ``(N, F)``, preprocessed.
        classes: Classes ``(N,)`` or ``None``.
        facts: Facts about the data.
        generation: Realism of its generated samples, or ``None`` if not measured.
        choice: How the data have chosen the number of clusters, or ``None`` if it was given.
    """

    path: Path
    config: Config
    result: Result
    records: list[Record]
    arrays: dict[str, NDArray]
    model: MixtureVAE
    x: Samples
    classes: NDArray | None
    facts: Facts
    generation: Generation | None
    choice: Choice | None = None

    @property
    def generates(self) -> bool:
        """Whether the model has a mixture of its own, to draw and decode samples from."""
        return self.config.model.has_mixture

    def rows(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """The samples at some indices ``(n,)``, on the host, ``(n, F)``."""
        return self.x[torch.from_numpy(index).to(self.x.device)].cpu().numpy()

    def matching(self) -> Matching | None:
        """The match of clusters to classes, or ``None`` without classes."""
        if self.classes is None:
            return None
        return match(self.classes, self.arrays["labels"], self.config.n_clusters)


def subject_of(
    directory: RunDirectory,
    config: Config,
    result: Result,
    model: MixtureVAE,
    x: Samples,
    classes: NDArray | None,
    facts: Facts,
) -> Subject:
    """Reads the files of a finished run, and returns it as a subject.

    Args:
        directory: Directory of the finished run.
        config: Its configuration.
        result: Its result.
        model: The trained model.
        x: All samples ``(N, F)``, preprocessed.
        classes: Classes ``(N,)`` or ``None``.
        facts: Facts about the data.

    Raises:
        InputError: A file of the run is missing or damaged.
    """
    directory.check_digest(METRICS)
    if not (records := directory.read_metrics()):
        raise InputError(f"{directory / METRICS} is damaged: it holds no line")
    return Subject(
        path=directory.path,
        config=config,
        result=result,
        records=records,
        arrays=directory.read_assignments(len(x), config.n_clusters),
        model=model,
        x=x,
        classes=classes,
        facts=facts,
        generation=directory.read_generation(),
        choice=directory.read_choice(),
    )


def members(subject: Subject, cluster: int, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the most typical and most doubtful samples of a cluster, at most ``n`` each.

    Typical samples are nearest to the cluster's mean embedding, with every feature scaled by its
    standard deviation in the cluster. Doubtful samples have the smallest responsibility; ties are
    broken by the largest distance.
    """
    index = np.flatnonzero(subject.arrays["labels"] == cluster)
    if not len(index):
        return index, index
    inside = subject.arrays["embedding"][index].astype(np.float64)
    deviation = inside.std(0)
    distance = (((inside - inside.mean(0)) / np.where(deviation > 0, deviation, 1)) ** 2).sum(1)
    certainty = subject.arrays["responsibilities"][index, cluster]
    typical = index[np.argsort(distance, kind="stable")[:n]]
    return typical, index[np.lexsort((-distance, certainty))[:n]]
