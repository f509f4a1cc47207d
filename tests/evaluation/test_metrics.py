from itertools import permutations

import numpy as np
import pytest

from gammvae.evaluation.metrics import clustering_accuracy, clustering_metrics, used_clusters


def test_relabeled_classes_are_a_perfect_clustering():
    classes = np.array(["a", "b", "c", "a", "b", "c", "c"])
    clusters = np.array([7, 0, 3, 7, 0, 3, 3])
    assert clustering_metrics(classes, clusters) == pytest.approx({"acc": 1, "nmi": 1, "ari": 1})


@pytest.mark.parametrize(("n_classes", "n_clusters"), [(3, 3), (3, 5), (5, 3), (4, 1)])
def test_accuracy_against_all_matchings(n_classes, n_clusters):
    rng = np.random.default_rng(0)
    classes, clusters = rng.integers(n_classes, size=60), rng.integers(n_clusters, size=60)
    size = max(n_classes, n_clusters)
    best = max((np.array(match)[clusters] == classes).mean() for match in permutations(range(size)))
    assert clustering_accuracy(classes, clusters) == pytest.approx(best)


def test_splitting_a_class_costs_the_smaller_part():
    classes = np.array([0, 0, 0, 0, 1, 1])
    clusters = np.array([0, 0, 0, 2, 1, 1])
    assert clustering_accuracy(classes, clusters) == pytest.approx(5 / 6)


def test_a_cluster_below_a_hundredth_of_its_share_is_not_used():
    assert used_clusters(np.array([500, 499, 0])) == 2
    assert used_clusters(np.array([9_996, 10_000, 4])) == 2
    assert used_clusters(np.array([10_000, 10_000, 68])) == 3
