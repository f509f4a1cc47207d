import numpy as np
import pytest
from sklearn.datasets import make_blobs

from gammvae.initialization.number import (
    NEARLY,
    NEARLY_AS_STABLE,
    STABLE,
    Candidate,
    agreement_of_parts,
    curve,
    recovery,
    verdict,
)


def candidates(*pairs):
    """Candidates from 2 on, with these pairs of recovery and weakest recovery."""
    return [Candidate(k, *pair, 0.5, 0.5, None) for k, pair in enumerate(pairs, 2)]


@pytest.mark.parametrize("true", [2, 3, 7])
def test_separate_clusters_are_counted(true):
    points = make_blobs([60] * true, 5, cluster_std=0.3, center_box=(-9, 9), random_state=true)[0]
    found = list(curve(points.astype(np.float32), range(2, 11), 1.0, seed=0))
    choice = verdict(found)
    assert choice.n_clusters == true
    assert choice.supported
    assert found[true - 2].recovery == pytest.approx(1, abs=0.01)
    assert [one.n_clusters for one in found] == list(range(2, 11))


def test_a_single_cloud_supports_no_number():
    points = np.random.default_rng(0).normal(size=(400, 6)).astype(np.float32)
    assert not verdict(list(curve(points, range(2, 9), 1.0, seed=0))).supported


def test_curve_depends_on_nothing_but_its_arguments():
    points = np.random.default_rng(0).normal(size=(120, 3)).astype(np.float32)
    first, again, other = (list(curve(points, range(2, 5), 1.0, seed)) for seed in (0, 0, 1))
    assert first == again != other


def test_recovery_is_the_jaccard_index_of_the_most_similar_cluster():
    rng = np.random.default_rng(0)
    labels, parts = rng.integers(4, size=50), [np.sort(rng.choice(50, 40, False)) for _ in "ab"]
    found = [rng.integers(4, size=40) for _ in parts]
    expected = []
    for k in range(4):
        values = []
        for part, clusters in zip(parts, found, strict=True):
            mine = set(part[labels[part] == k])
            others = [set(part[clusters == other]) for other in range(4)]
            values.append(max(len(mine & one) / len(mine | one) for one in others))
        expected.append(np.mean(values))
    assert recovery(labels, parts, found, 4) == pytest.approx(expected)


def test_recovery_ignores_the_names_of_clusters():
    labels, part = np.repeat(np.arange(3), 10), np.arange(0, 30, 2)
    assert recovery(labels, [part], [2 - labels[part]], 3) == pytest.approx([1, 1, 1])


def test_agreement_compares_common_points_only():
    parts, labels = [np.arange(20), np.arange(10, 30)], np.arange(30) % 3
    assert agreement_of_parts(parts, [labels[:20], labels[10:]]) == 1


def test_the_largest_number_of_stable_clusters_is_chosen():
    curves = candidates((0.99, 0.88), (0.97, 0.6), (0.98, STABLE), (0.99, STABLE - 1e-6))
    assert verdict(curves) == (4, True, [2])


def test_a_number_that_is_clearly_less_stable_than_another_is_not():
    enough = 1 - NEARLY_AS_STABLE
    curves = candidates((1, 1), (0.97, enough + 1e-9), (0.98, enough - 1e-9), (0.9, 0.9))
    assert verdict(curves) == (3, True, [2])


def test_without_stable_clusters_the_smallest_that_is_nearly_best_is_chosen():
    best, weak = 0.8, STABLE - 0.1
    nearly = best - NEARLY + 1e-9
    curves = candidates((0.5, weak), (nearly, 0), (0.7, weak), (best, weak), (nearly, weak))
    assert verdict(curves) == (3, False, [])


def test_numbers_beside_a_better_one_are_no_runners_up():
    curves = candidates(*((0.9 + k / 1000, 0.9) for k in range(6)), (0.5, 0.9))
    assert verdict(curves) == (8, True, [7])


def test_at_most_three_runners_up_are_named_best_first():
    curves = candidates(*((0.9 + k / 1000 if k % 2 else 0.89, 0.88) for k in range(11)), (0.8, 0.9))
    assert verdict(curves) == (13, True, [11, 9, 7])
