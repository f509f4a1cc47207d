"""How long missing runs take, from finished ones."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from gammvae.config.schema import Config
from gammvae.tables.results import Run


class Estimate(NamedTuple):
    """The time that missing runs take one after the other.

    Attributes:
        seconds: Sum over the runs whose time is known.
        same_row: Number of runs judged by finished runs of the same row and dataset.
        same_dataset: Number of runs judged by other rows of the same dataset and kind.
        unknown: Number of runs without such a finished run.
    """

    seconds: float
    same_row: int
    same_dataset: int
    unknown: int

    def __str__(self) -> str:
        """The estimate in words, and what it is based on; empty if no run is missing."""
        sources = {
            "row and dataset": self.same_row,
            "dataset and length of pretraining": self.same_dataset,
        }
        based = [
            f"{number} by runs of the same {what}" for what, number in sources.items() if number
        ]
        known, texts = self.same_row + self.same_dataset, []
        if known:
            texts.append(f"about {duration(self.seconds)} for {runs(known)} ({', '.join(based)})")
        if self.unknown:
            them = "it" if self.unknown == 1 else "them"
            texts.append(f"unknown for {runs(self.unknown)}, as none like {them} is finished")
        return ", ".join(texts)


class Kind(NamedTuple):
    """What runs have in common that take similarly long: the length of pretraining.

    Attributes:
        on_samples: Whether samples are clustered as they are, without a network.
        epochs: ``pretrain.epochs``.
        updates: ``pretrain.updates``.
        of_layers: ``pretrain.layers.epochs`` and ``updates``.
    """

    on_samples: bool
    epochs: int | None
    updates: int | None
    of_layers: tuple[int | None, int | None] = (None, None)


def kind_of(config: Config) -> Kind:
    """The kind of runs with this configuration."""
    if config.model.on_samples:
        return Kind(True, None, None)
    pretrain, layers = config.pretrain, config.pretrain.layers
    return Kind(False, pretrain.epochs, pretrain.updates, (layers.epochs, layers.updates))


class Times:
    """The seconds of finished runs.

    Args:
        finished: Finished runs in their folders.
        kinds: Kinds of finished and missing runs, by the folder of their seeds.
        device: Kind of device that the missing runs will use, such as ``cpu``; the times of others
            are not used.
    """

    def __init__(self, finished: Iterable[Run], kinds: Mapping[Path, Kind], device: str) -> None:
        self.kinds = kinds
        self.by_row: dict[Path, list[float]] = {}
        self.by_kind: dict[tuple[str, Kind], list[float]] = {}
        self.by_dataset: dict[str, list[float]] = {}
        different = {run.path: run for run in finished}  # tables may have runs in common
        for run in different.values():
            if run.origin is not None and run.origin.device == f"on {device}":
                seconds = run.figures["seconds"]
                self.by_row.setdefault(run.path.parent, []).append(seconds)
                self.by_dataset.setdefault(run.dataset, []).append(seconds)
                of_kind = run.dataset, kinds[run.path.parent]
                self.by_kind.setdefault(of_kind, []).append(seconds)

    def estimate(self, missing: Iterable[tuple[str, Path]], unknown: int) -> Estimate:
        """The time of some missing runs.

        Args:
            missing: Dataset and folder of each run on the datasets of ``by_dataset``.
            unknown: Number of those on other datasets.
        """
        missing = list(missing)
        of_row = [
            mean(self.by_row[path.parent]) for _, path in missing if path.parent in self.by_row
        ]
        others = [
            self.by_kind.get((name, self.kinds[path.parent]))
            for name, path in missing
            if path.parent not in self.by_row
        ]
        alike = [mean(seconds) for seconds in others if seconds is not None]
        unlike = len(others) - len(alike)
        return Estimate(sum(of_row + alike), len(of_row), len(alike), unknown + unlike)


def duration(seconds: float) -> str:
    """A time in the two units that suit it, such as ``2 h 10 min``."""
    minutes = round(seconds / 60)
    if seconds < 60:
        return f"{max(round(seconds), 1)} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def runs(number: int) -> str:
    """A number of runs in words."""
    return f"{number} run" if number == 1 else f"{number} runs"
