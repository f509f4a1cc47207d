"""Ranks rows over datasets, and tests whether they differ, after Demšar (2006).

Notation: ``N`` datasets, ``K`` rows.

References:
    Statistical comparisons of classifiers over multiple data sets (Demšar, Journal of Machine
    Learning Research 7, 2006), section 3.2
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.stats
from numpy.typing import NDArray

ALPHA = 0.05  # level of the critical difference
# Most permutations of Friedman's test; if there are no more, all of them are tried.
PERMUTATIONS = 2**14


def ranks(figures: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks within each dataset: 1 for the highest figure, the mean rank for equal ones.

    Args:
        figures: Figures ``(N, K)`` of which higher is better.

    Returns:
        Ranks ``(N, K)``.
    """
    return scipy.stats.rankdata(-figures, axis=1)


class Friedman(NamedTuple):
    """Friedman's test that all rows have the same average rank.

    Attributes:
        chi_square: Friedman's statistic, corrected for ties, which Demšar leaves out.
        p_value: Its p-value by the chi-square distribution with ``K - 1`` degrees of freedom.
        f: Iman and Davenport's form of it; infinite if all datasets rank the rows alike.
        f_p_value: Its p-value by the F distribution with ``K - 1`` and ``(K - 1) (N - 1)`` degrees
            of freedom.
        permutation_p_value: p-value of permuting the ranks within each dataset at random; valid for
            few datasets as well, while the two distributions are only limits for many.
    """

    chi_square: float
    p_value: float
    f: float
    f_p_value: float
    permutation_p_value: float


def friedman(ranked: NDArray[np.float64]) -> Friedman:
    """Friedman's test of ranks ``(N, K)`` within at least two datasets of at least three rows."""
    n, k = ranked.shape
    if not np.ptp(ranked, axis=1).any():  # all rows are equal
        return Friedman(0.0, 1.0, 0.0, 1.0, 1.0)
    chi_square, p_value = scipy.stats.friedmanchisquare(*ranked.T)
    most = n * (k - 1)
    f = math.inf if most - chi_square < 1e-9 else (n - 1) * chi_square / (most - chi_square)
    test = scipy.stats.permutation_test(
        tuple(ranked),
        lambda *data, axis: np.square(sum(data)).sum(axis),  # grows with the chi-square
        permutation_type="pairings",
        vectorized=True,
        alternative="greater",
        n_resamples=PERMUTATIONS,
        random_state=0,
    )
    f_p_value = scipy.stats.f.sf(f, k - 1, (k - 1) * (n - 1))
    return Friedman(float(chi_square), float(p_value), f, float(f_p_value), float(test.pvalue))


def critical_difference(n_datasets: int, n_rows: int) -> float:
    """Nemenyi's critical difference: average ranks at least as far apart differ significantly.

    Of all pairs of rows that do not differ, one or more are that far apart with a probability of
    ``ALPHA``.

    Args:
        n_datasets: ``N``.
        n_rows: ``K``.
    """
    q = scipy.stats.studentized_range.ppf(1 - ALPHA, n_rows, math.inf) / math.sqrt(2)
    return float(q * math.sqrt(n_rows * (n_rows + 1) / (6 * n_datasets)))


def groups(average: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """First and last row of every largest group of rows that do not differ significantly.

    Args:
        average: Average ranks ``(K,)``, ascending.
        difference: The critical difference.
    """
    found: list[tuple[int, int]] = []
    for first, low in enumerate(average):
        last = max(i for i, high in enumerate(average) if high - low < difference or i == first)
        if last > first and not (found and found[-1][1] == last):
            found.append((first, last))
    return found
