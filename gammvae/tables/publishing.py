"""Makes a table of all runs below some folders, as ``gammvae table`` shows it."""

import importlib.resources
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gammvae.errors import InputError, nearest
from gammvae.tables.diagram import DIAGRAMS, draw
from gammvae.tables.grids import NAMES
from gammvae.tables.ranking import rankings
from gammvae.tables.results import METRICS, Cells, collect, grouped
from gammvae.tables.row_names import with_telling_names
from gammvae.tables.sheet import FORMATS, Sheet

# What is shown unless the user chooses: of runs without classes the ELBO, and without a bound the
# silhouette.
USUAL = ("acc", "elbo", "silhouette")


class Choice(NamedTuple):
    """Selection of what a table shows.

    Attributes:
        metrics: Metrics to show: one gives a column per dataset, several give a column per metric.
            ``None`` stands for the first of ``USUAL`` that a run has.
        datasets: Datasets to show, in this order; ``None`` for all.
        rows: Rows to show, in this order; ``None`` for all.
        compared: Two rows to compare, or ``None``.
        ranked: Whether to rank the rows over the datasets.
    """

    metrics: list[str] | None
    datasets: list[str] | None = None
    rows: list[str] | None = None
    compared: list[str] | None = None
    ranked: bool = False


def publish(
    folders: Sequence[Path],
    choice: Choice,
    outputs: Sequence[Path],
    diagrams: Sequence[Path] = (),
) -> str:
    """Writes a table of all runs below some folders, and returns it for the terminal.

    Args:
        folders: Folders that contain runs.
        choice: Selection of what the table shows.
        outputs: Files to write, in the formats given by their extensions.
        diagrams: Pictures of the ranks to write, likewise.

    Raises:
        InputError: There are no runs, runs cannot be averaged or ranked, or a name is unknown.
    """
    known(choice.metrics, METRICS, "metric")
    for path in outputs:
        known([path.suffix], FORMATS, f"format of {path}")
    for path in diagrams:
        known([path.suffix], DIAGRAMS, f"format of {path}")
    if diagrams and not choice.ranked:
        raise InputError(f"--diagram {diagrams[0]} draws ranks: --rank must be given as well")
    cells = grouped(with_telling_names(collect(folders)))
    run = sorted({dataset for _, dataset in cells})
    # A dataset that was requested but not run gets a column, too.
    datasets = run if choice.datasets is None else choice.datasets
    known(datasets, [*run, *(name for name in shipped_datasets() if name not in run)], "dataset")
    present = sorted({row for row, dataset in cells if dataset in datasets})
    rows = known(choice.rows, present, "model")
    if choice.compared:
        first, second = known(choice.compared, present, "model")
        if first == second:
            raise InputError(f"--compare has {first!r} twice: it must name two models")
    chosen = usual_metric(cells, rows, datasets) if choice.metrics is None else None
    metrics = [chosen] if chosen else choice.metrics or []
    columns = "datasets" if len(metrics) == 1 else "metrics"
    shown = cells, rows, datasets, metrics
    ranked = rankings(*shown) if choice.ranked else []
    sheet = Sheet(*shown, choice.compared, columns, rankings=ranked)
    sheet.keep_inputs("--diagram", diagrams)
    sheet.write(outputs)
    for path in diagrams:
        draw(path, ranked)
    if chosen in (None, USUAL[0]):
        return sheet.to_terminal()
    why = f"no run has known classes, so {NAMES.get(chosen, chosen)} is shown: --metric chooses"
    return f"{sheet.to_terminal()}\n{why}"


def usual_metric(cells: Cells, rows: Sequence[str], datasets: Sequence[str]) -> str:
    """The first of ``USUAL`` that a run of the table has; the very first if none has one."""
    shown = [
        run
        for (row, name), runs in cells.items()
        if row in rows and name in datasets
        for run in runs
    ]
    found = (metric for metric in USUAL if any(metric in run.figures for run in shown))
    return next(found, USUAL[0])


def shipped_datasets() -> list[str]:
    """Names of all datasets that come with gammvae."""
    folder = importlib.resources.files("gammvae.conf") / "dataset"
    return sorted(path.name.removesuffix(".yaml") for path in folder.iterdir())


def known(names: Sequence[str] | None, present: Sequence[str], kind: str) -> list[str]:
    """The given names, or all present ones if none are given.

    Raises:
        InputError: A name is not present.
    """
    for name in names or ():
        if name not in present:
            near = nearest(name, present)
            raise InputError(
                f"unknown {kind} {name!r}: {near}it must be one of {', '.join(present)}"
            )
    return list(present if names is None else names)
