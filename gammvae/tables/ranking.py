"""The rows of a table ranked over its datasets, as a grid with the tests of the ranks."""

from collections.abc import Sequence
from shlex import quote
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gammvae.errors import InputError
from gammvae.tables.formats import Entry, Grid, listed
from gammvae.tables.grids import MISSING, SHARES, missing, notes_of_missing
from gammvae.tables.ranks import Friedman, critical_difference, friedman, groups, ranks
from gammvae.tables.results import Cells, cell

FEWEST_ROWS, FEWEST_DATASETS = 3, 2


class Ranking(NamedTuple):
    """Rows ranked over datasets by one metric.

    Attributes:
        metric: The metric.
        datasets: The ``N`` datasets.
        rows: The ``K`` rows that have the metric on all datasets, the best first.
        ranks: Their ranks ``(N, K)`` within each dataset, by the mean over seeds.
        test: Friedman's test of these ranks.
        difference: Nemenyi's critical difference of average ranks.
        lacking: Datasets that the other rows lack.
        incomplete: Ranked row and dataset of every mean that lacks seeds.
        notes: Which seeds these are.
    """

    metric: str
    datasets: list[str]
    rows: list[str]
    ranks: NDArray[np.float64]
    test: Friedman
    difference: float
    lacking: dict[str, list[str]]
    incomplete: set[tuple[str, str]]
    notes: list[str]

    @property
    def average(self) -> list[float]:
        """Average ranks ``(K,)``, ascending."""
        return [float(rank) for rank in self.ranks.mean(0)]

    @property
    def groups(self) -> list[tuple[int, int]]:
        """See ``ranks.groups``."""
        return groups(self.average, self.difference)

    def grid(self) -> Grid:
        """A line for every row: average rank, and rank on every dataset; notes with the tests."""
        header = [f"rank by {self.metric.upper()}", "average", *self.datasets]
        lines = [
            [Entry(row), Entry(f"{mean:.2f}"), *self._ranks(row, column)]
            for row, mean, column in zip(self.rows, self.average, self.ranks.T, strict=True)
        ]
        return Grid(header, lines, self._notes())

    def _ranks(self, row: str, column: NDArray[np.float64]) -> list[Entry]:
        ranked = zip(self.datasets, column, strict=True)
        return [
            Entry(f"{rank:g}", marks=MISSING if (row, name) in self.incomplete else "")
            for name, rank in ranked
        ]

    def _notes(self) -> list[str]:
        test = self.test
        alike = [f"{self.rows[first]} to {self.rows[last]}" for first, last in self.groups]
        told = f"not told apart: {'; '.join(alike)}" if alike else "all rows are told apart"
        notes = [
            "rank: 1 for the highest mean over the seeds, the mean rank for equal ones; each "
            "dataset counts once",
            "Friedman's test that all rows are alike: "
            f"chi-square {test.chi_square:.2f}, {probability(test.p_value)}; "
            f"Iman and Davenport's F {test.f:.2f}, {probability(test.f_p_value)}; by permuting the "
            f"ranks within the datasets, {probability(test.permutation_p_value)}",
            f"Nemenyi's critical difference of average ranks at the 5 % level: "
            f"{self.difference:.2f}; {told}",
        ]
        notes += self.notes
        return notes + ([f"not ranked: {lacks(self.lacking)}"] if self.lacking else [])


def rankings(
    cells: Cells, rows: Sequence[str], datasets: Sequence[str], metrics: Sequence[str]
) -> list[Ranking]:
    """A ranking for ACC, NMI and ARI each, as far as they are shown.

    Other metrics are not ranked: a higher one is not better, or not comparable between methods.

    Raises:
        InputError: None of the three is shown, or there are too few rows or datasets.
    """
    ranked = [metric for metric in metrics if metric in SHARES]
    if not ranked:
        raise InputError(
            f"--rank has no rule for {', '.join(metrics)}: --metric must have one of "
            f"{', '.join(SHARES)}"
        )
    if len(datasets) < FEWEST_DATASETS:
        raise InputError(
            f"--rank has {', '.join(datasets)} alone: it needs at least {FEWEST_DATASETS} datasets"
        )
    return [ranking(cells, rows, datasets, metric) for metric in ranked]


def ranking(cells: Cells, rows: Sequence[str], datasets: Sequence[str], metric: str) -> Ranking:
    """The ranking by one metric; see ``rankings``."""
    found = {
        row: [cell(cells.get((row, dataset), []), metric) for dataset in datasets] for row in rows
    }
    lacking = {
        row: [name for name, value in zip(datasets, values, strict=True) if value is None]
        for row, values in found.items()
        if None in values
    }
    complete = [row for row in rows if row not in lacking]
    if len(complete) < FEWEST_ROWS:
        raise InputError(too_few(complete, lacking, metric))
    means = [[value.mean for value in found[row] if value is not None] for row in complete]
    ranked = ranks(np.array(means).T)
    order = np.argsort(ranked.mean(0), kind="stable")
    return Ranking(
        metric,
        list(datasets),
        [complete[i] for i in order],
        ranked[:, order],
        friedman(ranked),
        critical_difference(len(datasets), len(complete)),
        lacking,
        {(row, name) for row in complete for name in datasets if missing(cells, row, name)},
        notes_of_missing(cells, complete, datasets),
    )


def too_few(complete: Sequence[str], lacking: dict[str, list[str]], metric: str) -> str:
    """Why rows cannot be ranked, and what can be done."""
    ready = f"{len(complete)} ({listed(complete)})" if complete else "none"
    others = f"; {lacks(lacking)}" if lacking else ""
    advice = "--datasets can choose fewer"
    if len(complete) == 2:
        advice = f"--compare {' '.join(map(quote, complete))} compares two rows"
    return (
        f"--rank has {ready} with {metric} on all datasets: it needs at least {FEWEST_ROWS} "
        f"rows{others}; {advice}"
    )


def probability(p_value: float) -> str:
    """A p-value as text."""
    return "p < 0.0001" if p_value < 0.0001 else f"p {p_value:.4f}"


def lacks(lacking: dict[str, list[str]]) -> str:
    """Rows and the datasets that they lack, as text."""
    return "; ".join(f"{listed([row])} lacks {listed(names)}" for row, names in lacking.items())
