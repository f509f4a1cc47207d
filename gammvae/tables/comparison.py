"""Which rows of a table are best, and whether one is better than another beyond chance."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata, wilcoxon

from gammvae.tables.results import Cell

# Of these, less is better.
SMALLER_IS_BETTER = ("seconds",)


def best(cells: Mapping[str, Cell], metric: str) -> set[str]:
    """The rows with the best mean, and those within one standard error of the best one's mean.

    None if there are not two to choose from.

    Args:
        cells: By row, of one dataset.
        metric: What they hold.
    """
    if len(cells) < 2:
        return set()
    sign = -1 if metric in SMALLER_IS_BETTER else 1
    top = max(cells.values(), key=lambda cell: sign * cell.mean)
    limit = sign * top.mean - top.standard_error
    return {row for row, cell in cells.items() if sign * cell.mean >= limit}


class Paired(NamedTuple):
    """One row against another over the seeds that both have.

    Attributes:
        n: Pairs.
        difference: Mean of first minus second.
        p_value: Of Wilcoxon's signed-rank test, two-sided; exact for small ``n``.
        effect: Matched-pairs rank-biserial correlation in [-1, 1]: 1 if the first is always higher.
    """

    n: int
    difference: float
    p_value: float
    effect: float


def paired(first: Cell, second: Cell) -> Paired | None:
    """Wilcoxon's signed-rank test of two cells; ``None`` if they have no seed in common.

    References:
        Individual comparisons by ranking methods (Wilcoxon, 1945)
        The simple difference formula (Kerby, 2014), for the effect size

    Args:
        first: A metric by seed.
        second: The same metric by seed.
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
    """Cells of one row as one, by dataset and seed.

    Args:
        cells: By dataset.
    """
    return Cell(
        {(name, seed): value for name, cell in cells.items() for seed, value in cell.values.items()}
    )
