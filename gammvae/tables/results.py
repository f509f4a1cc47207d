"""Gathers finished runs from their directories into the cells of a table.

A row of the table is a model with its settings. A cell has the figures of all seeds of one row on
one dataset.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gammvae.config.identity import lasting
from gammvae.config.stored import with_present_names
from gammvae.errors import InputError
from gammvae.runs.contents import CONFIG, RESULT
from gammvae.runs.directory import RunDirectory
from gammvae.runs.parsing import parse
from gammvae.runs.readers import read_yaml
from gammvae.runs.records import SETTINGS_YAML, Result, Settings
from gammvae.search.names import JSON
from gammvae.search.stored import runs_of_search
from gammvae.system.paths import user_path
from gammvae.system.printing import plain
from gammvae.tables.origins import Origin, origin_of

# What a run took and has. Neither more nor less is better, except for the seconds.
EFFORT = (
    *("seconds", "epochs", "epochs_pretrain", "epochs_train", "steps", "parameters"),
    "n_clusters",
)
SUMMED = ("seconds", "epochs", "steps")  # over the stages
OF_CLASSES = ("acc", "nmi", "ari")
METRICS = (*OF_CLASSES, "elbo", "silhouette", "used_clusters", *EFFORT)


class Run(NamedTuple):
    """A run, finished or not.

    Attributes:
        path: Run directory.
        dataset: Name of the dataset, followed by the file name for the user's own data.
        row: Model, followed by the other settings in the directory's name.
        seed: Seed of the run.
        figures: Figures by name; empty if the run is not finished.
        reason: Why the run is not finished; empty if it is.
        made: Facts that must be equal in all runs of a cell: versions, data, settings.
        inputs: The user's own files that the run reads.
        origin: What the run was computed with; ``None`` if it is not finished.
    """

    path: Path
    dataset: str
    row: str
    seed: int
    figures: dict[str, float]
    reason: str
    made: dict[str, str]
    inputs: Sequence[Path] = ()
    origin: Origin | None = None


class Cell(NamedTuple):
    """A metric of one row on one dataset, by seed."""

    values: Mapping[Any, float]

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return float(np.mean(list(self.values.values())))

    @property
    def std(self) -> float:
        """Sample standard deviation over the seeds; 0 for a single seed."""
        values = list(self.values.values())
        return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0

    @property
    def standard_error(self) -> float:
        """Standard error of the mean; 0 for a single seed."""
        return self.std / len(self.values) ** 0.5


Cells = dict[tuple[str, str], list[Run]]


def collect(roots: Iterable[Path]) -> list[Run]:
    """All runs below some folders, sorted by their paths.

    A folder that has none, but searches, stands for the runs of all of their trials.

    Raises:
        InputError: A folder does not exist, holds no run, or a run's files are damaged.
    """
    runs: list[Run] = []
    for root in roots:
        if not root.is_dir():
            raise InputError(f"{root} is no folder")
        found = [path.parent for path in sorted(root.rglob(CONFIG))]
        if not found:
            searched = [run for path in root.rglob(JSON) for run in runs_of_search(path)]
            found = sorted(set(searched))
        if not found:
            raise InputError(f"{root} holds no runs: there is no {CONFIG} below it")
        runs += map(read_run, found)
    return runs


def read_run(path: Path) -> Run:
    """Reads a run directory.

    Raises:
        InputError: A file in it is damaged.
    """
    directory = RunDirectory(path)
    tree = read_yaml(path / CONFIG)
    config = parse(SETTINGS_YAML, tree, path / CONFIG)
    dataset, seed = config["dataset"]["name"], config["seed"]
    if (file := config["dataset"].get("path")) is not None:  # a file or folder of the user's
        dataset = f"{dataset} {Path(file).name}"
    settings = lasting(with_present_names(tree))
    made = {key: str(value) for key, value in settings.items() if key != "seed"}
    known: dict[str, float] = {}
    reason, origin = "", None
    if (path / RESULT).exists():
        result = directory.read_result()
        check_same(config, result, path / CONFIG)
        known, origin = figures(result), origin_of(result)
        released = {name: one for name, one in result["versions"].items() if name != "commit"}
        made |= {f"versions.{name}": str(one) for name, one in released.items()}
        made |= {name: str(result[name]) for name in ("dataset_digest", "precision")}
    else:
        status = directory.read_status()
        reason = f"failed: {status['reason']}" if status else "not finished"
    row = row_name(path, config["model"]["name"], seed)
    dataset, row, reason = (plain(" ".join(text.split())) for text in (dataset, row, reason))
    named = (config["dataset"].get("path"), config["dataset"].get("labels"))
    inputs = [user_path(name) for name in named if name is not None]
    return Run(path, dataset, row, seed, known, reason, made, inputs, origin)


def check_same(config: Settings, result: Result, path: Path) -> None:
    """Refuses a configuration that does not match the result beside it.

    Raises:
        InputError: Dataset, model or seed differ.
    """
    for key, there, here in (
        ("dataset", config["dataset"]["name"], result["dataset"]),
        ("model", config["model"]["name"], result["model"]),
        ("seed", config["seed"], result["seed"]),
    ):
        if there != here:
            raise InputError(f"{path} has {key}={there}, but {RESULT} beside it has {key}={here}")


def row_name(path: Path, model: str, seed: int) -> str:
    """The model, followed by the name of its seeds' folder if that adds information."""
    folder = row_folder(path, seed)
    return model if folder in (model, f"seed={seed}") else f"{model} {folder}"


def row_folder(path: Path, seed: int) -> str:
    """Name of the folder of a run, without that of its seed."""
    return path.parent.name if path.name == f"seed={seed}" else path.name


def figures(result: Mapping[str, Any], names: Iterable[str] = METRICS) -> dict[str, float]:
    """The named figures of a finished run, in this order and without those that have no value.

    Args:
        result: Content of ``result.json``.
        names: Metrics, and ``EFFORT`` for what the run took: ``seconds``, ``epochs`` and ``steps``
            of all stages; ``epochs_pretrain`` and ``epochs_train``; ``parameters`` that were
            trained; ``n_clusters``, which the data may have chosen. Runs of earlier versions have
            fewer.
    """
    known = {name: result.get(name) for name in ("parameters", "n_clusters")} | result["metrics"]
    known |= {name: sum(result[name].values()) for name in SUMMED if name in result}
    known |= {f"epochs_{stage}": number for stage, number in result.get("epochs", {}).items()}
    return {name: known[name] for name in names if known.get(name) is not None}


def grouped(runs: Iterable[Run], facts: Sequence[str] | None = None) -> Cells:
    """Groups runs by row and dataset.

    Args:
        runs: Runs, finished or not.
        facts: Names of the facts in ``Run.made`` that must be equal in a cell; ``None`` for all.

    Raises:
        InputError: Runs of a cell differ in one of these facts, or have the same seed, so that
            their mean would be meaningless.
    """
    cells: Cells = {}
    for run in runs:
        cells.setdefault((run.row, run.dataset), []).append(run)
    for members in cells.values():
        check_averageable([run for run in members if run.figures], facts)
    return cells


def check_averageable(runs: Sequence[Run], facts: Sequence[str] | None) -> None:
    """Refuses runs that cannot be averaged in one cell."""
    seeds: dict[int, Path] = {}
    for run in runs:
        if run.seed in seeds:
            raise InputError(
                f"{run.row} on {run.dataset} has two runs of seed {run.seed}: "
                f"{seeds[run.seed]} and {run.path}"
            )
        seeds[run.seed] = run.path
        first = runs[0]
        for key in first.made.keys() | run.made.keys() if facts is None else facts:
            here, there = (one.made.get(key, "not given") for one in (run, first))
            if here != there:
                raise InputError(
                    f"{run.row} on {run.dataset} cannot be averaged: {key} is {there} in "
                    f"{first.path} and {here} in {run.path}"
                )


def cell(runs: Sequence[Run], metric: str) -> Cell | None:
    """A metric of all runs that have it; ``None`` if none has."""
    values = {run.seed: run.figures[metric] for run in runs if metric in run.figures}
    return Cell(values) if values else None


def origins(runs: Iterable[Run]) -> list[Origin]:
    """The origins of those runs that are finished."""
    return [run.origin for run in runs if run.origin is not None]
