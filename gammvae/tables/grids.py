"""The grids of a table: figures by dataset or by metric, comparisons of two rows, footnotes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gammvae.tables.comparison import best, difference, paired
from gammvae.tables.formats import Entry, Grid, listed
from gammvae.tables.origins import Origins
from gammvae.tables.results import EFFORT, Cell, Cells, cell, origins

SHARES = ("acc", "nmi", "ari")  # shown in percent, as is usual in clustering papers
NAMES = {"acc": "ACC %", "nmi": "NMI %", "ari": "ARI %", "elbo": "ELBO"}
FEW, MISSING = "*", "+"
FEW_SEEDS = 3


def by_dataset(cells: Cells, rows: Sequence[str], datasets: Sequence[str], metric: str) -> Grid:
    """A table of one metric with a column for every dataset."""
    made = origins_of(cells, rows, datasets)
    columns = {dataset: column(cells, rows, dataset, metric, made) for dataset in datasets}
    lines = [[Entry(row), *(columns[dataset][row] for dataset in datasets)] for row in rows]
    title = NAMES.get(metric, metric)
    return Grid([title, *datasets], lines, footnotes(cells, rows, datasets, metric, made))


def by_metric(
    cells: Cells, rows: Sequence[str], datasets: Sequence[str], metrics: Sequence[str]
) -> Grid:
    """A table with a line for every dataset and row, and a column for every metric."""
    made, lines = origins_of(cells, rows, datasets), []
    for dataset in datasets:
        columns = [column(cells, rows, dataset, metric, made) for metric in metrics]
        lines += [
            [Entry(dataset), Entry(row), *(entries[row] for entries in columns)]
            for row in rows
            if (row, dataset) in cells
        ]
    header = ["dataset", "model", *(NAMES.get(metric, metric) for metric in metrics)]
    return Grid(header, lines, footnotes(cells, rows, datasets, metrics[0], made))


def origins_of(cells: Cells, rows: Sequence[str], datasets: Sequence[str]) -> Origins:
    """The origins of the cells that a table shows."""
    shown = ((row, dataset) for dataset in datasets for row in rows)
    return Origins(origins(cells[key]) for key in shown if key in cells)


def column(
    cells: Cells, rows: Sequence[str], dataset: str, metric: str, made: Origins
) -> dict[str, Entry]:
    """Entries for one dataset and metric, by row."""
    found = {row: cell(cells.get((row, dataset), []), metric) for row in rows}
    known = {row: value for row, value in found.items() if value is not None}
    strong = best(known, metric)
    return {
        row: figure(value, metric, marks(cells, row, dataset, value, made), row in strong)
        for row, value in found.items()
    }


def figure(value: Cell | None, metric: str, marks: str = "", bold: bool = False) -> Entry:
    """An entry with mean and standard deviation; ``-`` without a value.

    What is equal in all runs by its nature, such as the number of parameters, has no deviation.
    """
    if value is None:
        return Entry("-", marks=marks)
    varies = value.std > 0 or metric not in EFFORT
    std = number(value.std, metric, value.mean) if len(value.values) > 1 and varies else ""
    return Entry(number(value.mean, metric), std, marks, bold)


def number(value: float, metric: str, beside: float | None = None) -> str:
    """Formats a figure; with as many decimals as another one, if it stands ``beside`` that."""
    if metric in SHARES:
        return f"{100 * value:.2f}"
    if metric == "seconds" and (value if beside is None else beside) < 10:
        return f"{value:.1f}"
    return f"{value:,.0f}" if metric in EFFORT else f"{value:.2f}"


def marks(cells: Cells, row: str, dataset: str, value: Cell | None, made: Origins) -> str:
    """Footnote marks of an entry: few seeds, missing runs, another origin."""
    few = FEW if value is not None and len(value.values) < FEW_SEEDS else ""
    lacking = MISSING if missing(cells, row, dataset) else ""
    return few + lacking + made.mark(origins(cells.get((row, dataset), [])))


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


def footnotes(
    cells: Cells, rows: Sequence[str], datasets: Sequence[str], metric: str, made: Origins
) -> list[str]:
    """Footnotes that explain the marks in a table."""
    found = [cell(cells.get((row, dataset), []), metric) for row in rows for dataset in datasets]
    few = any(value is not None and len(value.values) < FEW_SEEDS for value in found)
    notes = [f"{FEW} fewer than {FEW_SEEDS} seeds"] if few else []
    return [*notes, *notes_of_missing(cells, rows, datasets), *made.notes()]


def notes_of_missing(cells: Cells, rows: Sequence[str], datasets: Sequence[str]) -> list[str]:
    """The footnote that explains the mark of missing runs, if there are any."""
    lacking = "; ".join(all_missing(cells, rows, datasets))
    return [f"{MISSING} without {lacking}"] if lacking else []


def all_missing(cells: Cells, rows: Sequence[str], datasets: Sequence[str]) -> list[str]:
    """Seeds that the rows of a table lack, each with its rows, dataset and reason."""
    lacking: dict[tuple[str, str, str], list[str]] = {}
    for dataset in datasets:
        for row in rows:
            seeds: dict[str, list[str]] = {}
            for seed, reason in missing(cells, row, dataset).items():
                seeds.setdefault(reason, []).append(str(seed))
            for reason, which in seeds.items():
                lacking.setdefault((dataset, ", ".join(which), reason), []).append(row)
    return [
        f"{'seeds' if ',' in seeds else 'seed'} {seeds} of {listed(of)} on {dataset} ({reason})"
        for (dataset, seeds, reason), of in lacking.items()
    ]


def comparisons(
    cells: Cells, first: str, second: str, datasets: Sequence[str], metric: str
) -> Grid:
    """A table that compares two rows on every dataset, and for ACC, NMI and ARI on all together."""
    header = f"{first} - {second}", "pairs", NAMES.get(metric, metric), "95 % interval", "higher"
    made, differences, lines = origins_of(cells, (first, second), datasets), [], []
    for name in datasets:
        one, other = (cell(cells.get((row, name), []), metric) for row in (first, second))
        values = paired(one, other) if one and other else np.empty(0)
        letters = {made.mark(origins(cells.get((row, name), []))) for row in (first, second)}
        entry = Entry(name, marks="".join(sorted(letters)))
        lines.append([entry, *compared(values, "seed", metric)])
        differences.append(values)
    means = np.array([values.mean() for values in differences if len(values)])
    notes = ["higher: in how many pairs the first is; p: by flipping the signs of the differences"]
    if len(means) > 1 and metric in SHARES:  # other metrics are not comparable between datasets
        lines.append([Entry("mean"), *compared(means, "dataset", metric)])
        notes.append("mean: of the datasets; each counts once, however many seeds it has")
    return Grid([*header, "p"], lines, [*notes, *(made.notes() if made.letters else ())])


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
