from itertools import product

import numpy as np
import pytest
import scipy.stats

from gammvae.tables.comparison import best, difference, paired
from gammvae.tables.results import Cell


def cell(*values):
    return Cell(dict(enumerate(values)))


def test_the_best_and_what_is_within_one_standard_error():
    cells = {"a": cell(0.8, 0.9), "b": cell(0.79, 0.83), "c": cell(0.7, 0.9), "d": cell(0.5)}
    # a: mean .85, standard error .05
    assert best(cells, "acc") == {"a", "b", "c"}
    assert best({**cells, "a": cell(0.85, 0.85)}, "acc") == {"a"}
    assert best({"a": cell(3.0), "b": cell(2.0)}, "seconds") == {"b"}
    assert best({"a": cell(3.0)}, "acc") == set()
    assert best({"a": cell(3.0), "b": cell(2.0)}, "parameters") == set()


def exact_p(differences):
    """Two-sided, by all signs."""
    signs = np.array(list(product([-1, 1], repeat=len(differences))))
    return float((np.abs(signs @ differences) >= abs(differences.sum()) - 1e-9).mean())


@pytest.mark.parametrize("n", [1, 3, 5, 8])
def test_the_test_flips_all_signs(n):
    values = np.random.default_rng(n).normal(0.3, 1, n)
    found = difference(values)
    assert (found.n, found.positive) == (n, (values > 0).sum())
    assert found.mean == pytest.approx(values.mean())
    assert found.p_value == pytest.approx(exact_p(values))


def test_the_interval_is_students():
    values = np.array([1.0, 2.0, 4.0, 5.0])
    found = difference(values)
    half = 3.182446 * values.std(ddof=1) / 2  # the tabulated quantile for 3 degrees of freedom
    assert (found.low, found.high) == (pytest.approx(3 - half, 1e-5), pytest.approx(3 + half, 1e-5))
    assert np.isnan(difference(values[:1]).low)


def test_many_pairs_are_tested_by_chance_but_always_alike():
    values = np.random.default_rng(0).normal(0.4, 1, 40)
    found = difference(values)
    assert found == difference(values)
    # a standard error of the estimate is below .001
    assert found.p_value == pytest.approx(scipy.stats.ttest_1samp(values, 0).pvalue, abs=0.01)


def test_only_common_seeds_are_paired():
    found = paired(Cell({0: 1.0, 1: 2.0, 7: 9.0}), Cell({1: 1.0, 0: 0.5, 3: 0.0}))
    assert found.tolist() == [0.5, 1.0]
    assert paired(Cell({0: 1.0}), Cell({1: 1.0})).size == 0
    assert difference(paired(cell(1.0, 2.0), cell(1.0, 2.0))).p_value == 1
