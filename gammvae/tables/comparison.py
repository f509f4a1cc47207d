"""Finds the best rows of a table, and tests whether one row is better than another."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import scipy.stats
from numpy.typing import NDArray

from gammvae.tables.results import EFFORT, Cell

# Metrics for which lower is better.
SMALLER_IS_BETTER = ("seconds",)


def best(cells: Mapping[str, Cell], metric: str) -> set[str]:
    """The rows with the best mean, and those within one standard error of it.

    The set is empty if there are fewer than two rows, or if the metric has no better and worse.

    Args:
        cells: Cells of one dataset, by row.
        metric: Name of their metric.
    """
    if len(cells) < 2 or (metric in EFFORT and metric not in SMALLER_IS_BETTER):
        return set()
    sign = -1 if metric in SMALLER_IS_BETTER else 1
    top = max(cells.values(), key=lambda cell: sign * cell.mean)
    limit = sign * top.mean - top.standard_error
    return {row for row, cell in cells.items() if sign * cell.mean >= limit}


class Difference(NamedTuple):
    """How much higher one row is than another, from paired differences.

    Attributes:
        n: Number of pairs.
        mean: Mean of first minus second.
        low: Lower end of the 95 % interval of the mean by Student's t; ``nan`` for a single pair.
        high: Upper end.
        positive: Number of pairs in which the first is higher.
        p_value: Two-sided p-value of flipping the signs of the differences at random, exact for up
            to 16 pairs.
    """

    n: int
    mean: float
    low: float
    high: float
    positive: int
    p_value: float


def paired(first: Cell, second: Cell) -> NDArray[np.float64]:
    """First minus second for every seed that both cells have."""
    common = sorted(first.values.keys() & second.values.keys())
    return np.array([first.values[seed] - second.values[seed] for seed in common])


def difference(values: NDArray[np.float64]) -> Difference:
    """Mean, interval and test of independent paired differences ``(n,)``, at least one.

    Seeds of one dataset are independent of each other. Over several datasets, pass the mean of each
    dataset's differences, because the pairs of a dataset have that dataset in common.

    References:
        The design of experiments (Fisher, 1935), section 21, for the test
    """
    n, mean, positive = len(values), float(values.mean()), int((values > 0).sum())
    if n == 1:
        return Difference(n, mean, math.nan, math.nan, positive, 1.0)
    half = float(scipy.stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / math.sqrt(n))
    test = scipy.stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=2**16, random_state=0
    )
    return Difference(n, mean, mean - half, mean + half, positive, float(test.pvalue))
