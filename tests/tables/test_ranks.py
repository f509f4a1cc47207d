"""Ranks and their tests, against the worked example of Demšar (2006) and by brute force."""

from itertools import permutations, product

import numpy as np
import pytest
import scipy.stats

from gammvae.tables.ranks import ALPHA, critical_difference, friedman, groups, ranks

# Ranks of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 datasets: Demšar's table 6.
EXAMPLE = np.array(
    [
        *([4, 3, 2, 1], [1, 2, 3, 4], [4, 1, 2, 3], [4, 1, 3, 2], [4, 2, 3, 1]),
        *([1, 2.5, 4, 2.5], [3, 2, 4, 1], [2.5, 2.5, 4, 1], [4, 3, 2, 1], [2.5, 2.5, 2.5, 2.5]),
        *([4, 2.5, 1, 2.5], [3, 2, 4, 1], [4, 1, 2, 3], [3, 1, 4, 2]),
    ]
)
# By what its ties divide the statistic, which Demšar does not do: 1 - sum(t^3 - t) / (N (K^3 - K)).
TIES = 1 - (3 * 6 + 60) / (14 * 60)


def random_ranks(n, k, seed=0, ties=True):
    figures = np.random.default_rng(seed).normal(size=(n, k))
    return ranks(figures.round(0) if ties else figures)


def chi_square(ranked):
    """Friedman's statistic, as Demšar writes it."""
    n, k = ranked.shape
    return 12 * n / (k * (k + 1)) * ((ranked.mean(0) ** 2).sum() - k * (k + 1) ** 2 / 4)


def test_the_highest_is_first_and_equal_ones_share_their_ranks():
    found = ranks(np.array([[0.5, 0.9, 0.5, 0.1], [0.3, 0.3, 0.3, 0.3]]))
    assert found.tolist() == [[2.5, 1, 2.5, 4], [2.5, 2.5, 2.5, 2.5]]


def test_the_worked_example_of_demsar():
    assert ranks(-EXAMPLE).tolist() == EXAMPLE.tolist()
    assert EXAMPLE.mean(0).round(3).tolist() == [3.143, 2.0, 2.893, 1.964]
    found = friedman(EXAMPLE)
    uncorrected = found.chi_square * TIES
    assert uncorrected == pytest.approx(9.28, abs=0.005)
    assert 13 * uncorrected / (14 * 3 - uncorrected) == pytest.approx(3.69, abs=0.005)
    assert critical_difference(14, 4) == pytest.approx(1.25, abs=0.005)


def test_without_ties_it_is_the_formula_of_the_paper():
    ranked = random_ranks(6, 5, ties=False)
    found, paper = friedman(ranked), chi_square(ranked)
    assert found.chi_square == pytest.approx(paper)
    assert found.p_value == pytest.approx(scipy.stats.chi2.sf(paper, 4))
    assert found.f == pytest.approx(5 * paper / (6 * 4 - paper))


@pytest.mark.parametrize("seed", range(3))
def test_f_is_that_of_an_analysis_of_variance_of_the_ranks(seed):
    ranked = random_ranks(7, 4, seed)
    n, k = ranked.shape
    rows = ranked.mean(0) - ranked.mean()
    rest = ranked - ranked.mean(0)  # every dataset has the same mean rank
    expected = n * (rows**2).sum() / (k - 1) / ((rest**2).sum() / ((k - 1) * (n - 1)))
    found = friedman(ranked)
    assert found.f == pytest.approx(expected)
    assert found.f_p_value == pytest.approx(scipy.stats.f.sf(expected, k - 1, (k - 1) * (n - 1)))


def test_few_permutations_are_all_tried():
    ranked = np.array([[1, 2, 3], [1, 3, 2], [1.5, 1.5, 3]])
    every = [[*permutations(row)] for row in ranked]
    sums = np.array([chi_square(np.array(rows)) for rows in product(*every)])
    expected = (sums >= chi_square(ranked) - 1e-9).mean()
    assert friedman(ranked).permutation_p_value == pytest.approx(expected)
    # two datasets that agree on three rows do so by chance in one of six cases
    alike = friedman(np.array([[1.0, 2, 3], [1, 2, 3]]))
    assert alike.permutation_p_value == pytest.approx(1 / 6)
    assert (alike.f, alike.f_p_value) == (np.inf, 0)


def test_many_permutations_are_drawn_but_always_the_same():
    found = friedman(EXAMPLE)
    assert found == friedman(EXAMPLE)
    rng = np.random.default_rng(1)
    drawn = np.array([chi_square(rng.permuted(EXAMPLE, axis=1)) for _ in range(4000)])
    p = (drawn >= chi_square(EXAMPLE) - 1e-9).mean()
    assert found.permutation_p_value == pytest.approx(p, abs=4 * (p * (1 - p) / 4000) ** 0.5)


def test_the_order_of_rows_and_datasets_does_not_matter():
    ranked = random_ranks(6, 4)
    rng = np.random.default_rng(2)
    for _ in range(3):
        moved = ranked[rng.permutation(6)][:, rng.permutation(4)]
        assert friedman(moved)[:4] == pytest.approx(friedman(ranked)[:4])


def test_rows_that_are_equal_everywhere_do_not_differ():
    assert friedman(np.full((3, 4), 2.5)) == (0, 1, 0, 1, 1)


@pytest.mark.parametrize("k", [3, 5])
def test_the_critical_difference_is_exceeded_as_often_as_it_says(k):
    n, draws = 30, 4000
    rng = np.random.default_rng(k)
    means = rng.permuted(np.tile(np.arange(1.0, k + 1), (draws, n, 1)), axis=2).mean(1)
    share = (np.ptp(means, axis=1) >= critical_difference(n, k)).mean()
    error = (ALPHA * (1 - ALPHA) / draws) ** 0.5
    # average ranks are multiples of 1/30, so that the level is only near its limit
    assert share == pytest.approx(ALPHA, abs=4 * error + 0.005)


def pairs_in(found):
    return {(i, j) for low, high in found for i in range(low, high) for j in range(i + 1, high + 1)}


@pytest.mark.parametrize("seed", range(5))
def test_groups_have_all_pairs_that_are_near_and_no_group_is_part_of_another(seed):
    rng = np.random.default_rng(seed)
    average, difference = np.sort(rng.uniform(1, 8, 8)), rng.uniform(0.5, 4)
    found = groups(average, difference)
    near = {(i, j) for j in range(8) for i in range(j) if average[j] - average[i] < difference}
    assert pairs_in(found) == near
    for low, high in found:
        assert not any(a <= low and high <= b for a, b in found if (a, b) != (low, high))


def test_rows_at_the_critical_difference_are_told_apart():
    assert groups([1.0, 2.0, 3.0], 1.0) == []
    assert groups([1.0, 1.0, 2.5], 1.0) == [(0, 1)]
