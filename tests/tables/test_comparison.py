from itertools import product

import numpy as np
import pytest

from gammvae.tables.comparison import best, paired, pooled
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


def exact_p(differences):
    """Two-sided, by all signs of the ranks."""
    ranks = np.abs(differences).argsort().argsort() + 1
    observed = abs((ranks * np.sign(differences)).sum())
    signs = np.array(list(product([-1, 1], repeat=len(ranks))))
    return float((np.abs(signs @ ranks) >= observed - 1e-9).mean())


@pytest.mark.parametrize("n", [3, 5, 8])
def test_wilcoxon_against_all_permutations_of_signs(n):
    rng = np.random.default_rng(n)
    first, second = rng.normal(0.3, 1, n), rng.normal(0, 1, n)
    found = paired(cell(*first), cell(*second))
    assert found.n == n
    assert found.difference == pytest.approx((first - second).mean())
    assert found.p_value == pytest.approx(exact_p(first - second))


def test_effect_is_the_difference_of_favorable_and_unfavorable_ranks():
    assert paired(cell(2.0, 3.0, 4.0), cell(1.0, 1.0, 1.0)).effect == 1
    # ranks 1, 2, 3 with the smallest against: (5 - 1) / 6
    assert paired(cell(0.5, 3.0, 4.0), cell(1.0, 1.0, 1.0)).effect == pytest.approx(4 / 6)


def test_only_common_seeds_are_paired():
    found = paired(Cell({0: 1.0, 1: 2.0, 7: 9.0}), Cell({1: 1.0, 0: 0.5, 3: 0.0}))
    assert found.n == 2
    assert found.difference == pytest.approx(0.75)
    assert paired(Cell({0: 1.0}), Cell({1: 1.0})) is None
    assert paired(cell(1.0, 2.0), cell(1.0, 2.0)).p_value == 1


def test_pooling_pairs_seeds_within_their_dataset():
    first = pooled({"a": cell(1.0, 2.0), "b": Cell({1: 5.0, 4: 1.0})})
    second = pooled({"a": cell(0.0, 0.0), "b": Cell({1: 8.0})})
    found = paired(first, second)
    assert found.n == 3
    assert found.difference == 0
    assert paired(pooled({"a": cell(1.0)}), pooled({"b": cell(1.0)})) is None
