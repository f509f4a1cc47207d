"""Makes a table from the directories of runs: means over seeds, best rows, missing runs."""

import csv
import importlib.resources
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gammvae.errors import InputError
from gammvae.system.writing import refuse_replacing, write_text
from gammvae.tables.comparison import best, difference, paired
from gammvae.tables.formats import Entry, Grid, to_latex, to_markdown, to_terminal
from gammvae.tables.results import METRICS, Cell, Cells, cell, collect, grouped

SHARES = ("acc", "nmi", "ari")  # shown in percent, as is usual in clustering papers
NAMES = {"acc": "ACC %", "nmi": "NMI %", "ari": "ARI %", "elbo": "ELBO", "seconds": "seconds"}
FEW, MISSING = "*", "+"
FEW_SEEDS = 3


class Choice(NamedTuple):
    """Selection of what a table shows.

    Attributes:
        metrics: Metrics to show: one gives a column per dataset, several give a column per metric.
        datasets: Datasets to show, in this order; ``None`` for all.
        rows: Rows to show, in this order; ``None`` for all.
        compared: Two rows to compare, or ``None``.
    """

    metrics: list[str]
    datasets: list[str] | None = None
    rows: list[str] | None = None
    compared: list[str] | None = None


def publish(folders: Sequence[Path], choice: Choice, outputs: Sequence[Path]) -> str:
    """Writes a table of all runs below some folders, and returns it for the terminal.

    Args:
        folders: Folders that contain runs.
        choice: Selection of what the table shows.
        outputs: Files to write, in the formats given by their extensions.

    Raises:
        InputError: There are no runs, runs cannot be averaged, or a name is unknown.
    """
    known(choice.metrics, METRICS, "metric")
    for path in outputs:
        known([path.suffix], (".csv", ".md", ".tex"), f"format of {path}")
    runs = collect(folders)
    for path in outputs:
        for one in runs:
            refuse_replacing("--output", path, one.inputs)
    cells = grouped(runs)
    run = sorted({dataset for _, dataset in cells})
    # A dataset that was requested but not run gets a column, too.
    datasets = run if choice.datasets is None else choice.datasets
    known(datasets, [*run, *(name for name in shipped_datasets() if name not in run)], "dataset")
    present = sorted({row for row, dataset in cells if dataset in datasets})
    rows = known(choice.rows, present, "model")
    if len(choice.metrics) == 1:
        grids = [by_dataset(cells, rows, datasets, choice.metrics[0])]
    else:
        grids = [by_metric(cells, rows, datasets, choice.metrics)]
    if choice.compared:
        first, second = known(choice.compared, present, "model")
        grids += [comparisons(cells, first, second, datasets, name) for name in choice.metrics]
    for path in outputs:
        if path.suffix == ".csv":
            text = to_csv(cells, rows, datasets, choice.metrics)
        else:
            text = "\n".join(map({".md": to_markdown, ".tex": to_latex}[path.suffix], grids))
        write_text(path, text)
    return "\n\n".join(map(to_terminal, grids))


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
            raise InputError(f"unknown {kind} {name!r}: it must be one of {', '.join(present)}")
    return list(present if names is None else names)


def by_dataset(cells: Cells, rows: Sequence[str], datasets: Sequence[str], metric: str) -> Grid:
    """A table of one metric with a column for every dataset."""
    columns = {dataset: column(cells, rows, dataset, metric) for dataset in datasets}
    lines = [[Entry(row), *(columns[dataset][row] for dataset in datasets)] for row in rows]
    title = NAMES.get(metric, metric)
    return Grid([title, *datasets], lines, footnotes(cells, rows, datasets, metric))


def by_metric(
    cells: Cells, rows: Sequence[str], datasets: Sequence[str], metrics: Sequence[str]
) -> Grid:
    """A table with a line for every dataset and row, and a column for every metric."""
    lines = []
    for dataset in datasets:
        columns = [column(cells, rows, dataset, metric) for metric in metrics]
        lines += [
            [Entry(dataset), Entry(row), *(entries[row] for entries in columns)]
            for row in rows
            if (row, dataset) in cells
        ]
    header = ["dataset", "model", *(NAMES.get(metric, metric) for metric in metrics)]
    return Grid(header, lines, footnotes(cells, rows, datasets, metrics[0]))


def column(cells: Cells, rows: Sequence[str], dataset: str, metric: str) -> dict[str, Entry]:
    """Entries for one dataset and metric, by row."""
    found = {row: cell(cells.get((row, dataset), []), metric) for row in rows}
    known = {row: value for row, value in found.items() if value is not None}
    strong = best(known, metric)
    return {
        row: Entry("-", marks=marks(cells, row, dataset, None))
        if value is None
        else Entry(
            number(value.mean, metric),
            number(value.std, metric) if len(value.values) > 1 else "",
            marks(cells, row, dataset, value),
            row in strong,
        )
        for row, value in found.items()
    }


def number(value: float, metric: str) -> str:
    """Formats a figure."""
    if metric in SHARES:
        return f"{100 * value:.2f}"
    return f"{value:.0f}" if metric == "seconds" else f"{value:.2f}"


def marks(cells: Cells, row: str, dataset: str, value: Cell | None) -> str:
    """Footnote marks of an entry: few seeds, missing runs."""
    few = FEW if value is not None and len(value.values) < FEW_SEEDS else ""
    return few + (MISSING if missing(cells, row, dataset) else "")


def missing(cells: Cells, row: str, dataset: str) -> dict[int, str]:
    """Seeds that a row lacks on a dataset, with reasons: unfinished, or run for other rows only."""
    runs = cells.get((row, dataset), [])
    if not runs:
        return {}
    has = {run.seed for run in runs if run.figures}
    begun = {run.seed: run.reason for run in runs if not run.figures}
    others = {
        run.seed
        for (_, name), members in cells.items()
        if name == dataset
        for run in members
        if run.figures
    }
    lacking = {seed: begun.get(seed, "not run") for seed in sorted(others | begun.keys())}
    return {seed: reason for seed, reason in lacking.items() if seed not in has}


def footnotes(cells: Cells, rows: Sequence[str], datasets: Sequence[str], metric: str) -> list[str]:
    """Footnotes that explain the marks in a table."""
    few, lacking = False, []
    for dataset in datasets:
        for row in rows:
            value = cell(cells.get((row, dataset), []), metric)
            few |= value is not None and len(value.values) < FEW_SEEDS
            seeds: dict[str, list[str]] = {}
            for seed, reason in missing(cells, row, dataset).items():
                seeds.setdefault(reason, []).append(str(seed))
            lacking += [
                f"{row} on {dataset}, {'seeds' if len(which) > 1 else 'seed'} "
                f"{', '.join(which)}: {reason}"
                for reason, which in seeds.items()
            ]
    notes = [f"{FEW} fewer than {FEW_SEEDS} seeds"] if few else []
    return notes + [f"{MISSING} {line}" for line in lacking]


def comparisons(
    cells: Cells, first: str, second: str, datasets: Sequence[str], metric: str
) -> Grid:
    """A table that compares two rows on every dataset, and for ACC, NMI and ARI on all together."""
    names = NAMES.get(metric, metric), "95 % interval", "higher", "p"
    differences = {}
    for name in datasets:
        one, other = (cell(cells.get((row, name), []), metric) for row in (first, second))
        differences[name] = paired(one, other) if one and other else np.empty(0)
    lines = [
        [Entry(name), *compared(values, "seed", metric)] for name, values in differences.items()
    ]
    means = np.array([values.mean() for values in differences.values() if len(values)])
    notes = ["higher: in how many pairs the first is; p: by flipping the signs of the differences"]
    if len(means) > 1 and metric in SHARES:  # other metrics are not comparable between datasets
        lines.append([Entry("mean"), *compared(means, "dataset", metric)])
        notes.append("mean: of the datasets; each counts once, however many seeds it has")
    return Grid([f"{first} - {second}", "pairs", *names], lines, notes)


def compared(values: NDArray[np.float64], unit: str, metric: str) -> list[Entry]:
    """Entries for one comparison, from the differences of its pairs of seeds or datasets."""
    if not len(values):
        return [Entry(f"0 {unit}s"), *[Entry("-")] * 4]
    found = difference(values)
    mean, low, high = (signed(value, metric) for value in (found.mean, found.low, found.high))
    return [
        *(Entry(f"{found.n} {unit}{'s' if found.n > 1 else ''}"), Entry(mean)),
        Entry(f"{low} to {high}" if found.n > 1 else "-"),
        *(Entry(f"{found.positive} of {found.n}"), Entry(f"{found.p_value:.4f}")),
    ]


def signed(value: float, metric: str) -> str:
    """Formats a difference, with its sign."""
    return ("-" if value < 0 else "+") + number(abs(value), metric)


def to_csv(
    cells: Cells, rows: Sequence[str], datasets: Sequence[str], metrics: Sequence[str]
) -> str:
    """CSV with one line per dataset, row and metric, in full precision."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(("dataset", "model", "metric", "n", "mean", "std", "min", "max", "seeds"))
    for dataset in datasets:
        for row in rows:
            for metric in metrics:
                value = cell(cells.get((row, dataset), []), metric)
                if value is not None:
                    numbers = value.values.values()
                    seeds = " ".join(map(str, sorted(value.values)))
                    ends = min(numbers), max(numbers)
                    spread = (value.mean, value.std, *ends)
                    writer.writerow((dataset, row, metric, len(numbers), *spread, seeds))
    return file.getvalue()
