"""Finds the best rows of a table, and tests whether one row is better than another."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata, wilcoxon

from gammvae.tables.results import Cell

# Metrics for which lower is better.
SMALLER_IS_BETTER = ("seconds",)


def best(cells: Mapping[str, Cell], metric: str) -> set[str]:
    """The rows with the best mean, and those within one standard error of it.

    The set is empty if there are fewer than two rows.

    Args:
        cells: Cells of one dataset, by row.
        metric: Name of their metric.
    """
    if len(cells) < 2:
        return set()
    sign = -1 if metric in SMALLER_IS_BETTER else 1
    top = max(cells.values(), key=lambda cell: sign * cell.mean)
    limit = sign * top.mean - top.standard_error
    return {row for row, cell in cells.items() if sign * cell.mean >= limit}


class Paired(NamedTuple):
    """Paired comparison of two rows over their common seeds.

    Attributes:
        n: Number of pairs.
        difference: Mean of first minus second.
        p_value: Two-sided p-value of Wilcoxon's signed-rank test; exact for small ``n``.
        effect: Matched-pairs rank-biserial correlation in [-1, 1]; 1 if the first is always higher.
    """

    n: int
    difference: float
    p_value: float
    effect: float


def paired(first: Cell, second: Cell) -> Paired | None:
    """Wilcoxon's signed-rank test of two cells; ``None`` if they have no common seeds.

    References:
        Individual comparisons by ranking methods (Wilcoxon, 1945)
        The simple difference formula (Kerby, 2014), for the effect size

    Args:
        first: Cell with a metric of the first row.
        second: Cell with the same metric of the second row.
    """
    common = sorted(first.values.keys() & second.values.keys())
    if not common:
        return None
    differences = np.array([first.values[seed] - second.values[seed] for seed in common])
    moved = differences[differences != 0]
    if not moved.size:
        return Paired(len(common), 0.0, 1.0, 0.0)
    ranks = rankdata(np.abs(moved))
    effect = float((ranks * np.sign(moved)).sum() / ranks.sum())
    p_value = float(wilcoxon(moved).pvalue)
    return Paired(len(common), float(differences.mean()), p_value, effect)


def pooled(cells: Mapping[str, Cell]) -> Cell:
    """Merges the cells of one row into one, whose keys are pairs of dataset and seed.

    Args:
        cells: Cells of the row, by dataset.
    """
    return Cell(
        {(name, seed): value for name, cell in cells.items() for seed, value in cell.values.items()}
    )
