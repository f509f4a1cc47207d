import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from gammvae.evaluation.predictability import predictability
from gammvae.search.objectives import PredictabilityOfSeeds, agreement_of_seeds


def partitions(rng, n_clusters=3, n=200):
    return [rng.integers(n_clusters, size=n) for _ in range(3)]


def test_agreement_is_the_mean_of_all_pairs_if_all_clusters_are_used():
    a, b, c = partitions(np.random.default_rng(0))
    b[:150], c[:100] = a[:150], a[:100]
    pairs = [adjusted_rand_score(*pair) for pair in ((a, b), (a, c), (b, c))]
    assert agreement_of_seeds([a, b, c], 3) == pytest.approx(np.mean(pairs))
    assert agreement_of_seeds([a, (a + 1) % 3], 3) == 1


def test_agreement_on_one_cluster_is_worth_nothing_and_on_half_of_them_half():
    assert agreement_of_seeds([np.zeros(90, int)] * 2, 5) == 0
    assert agreement_of_seeds([np.arange(90) % 3] * 2, 5) == pytest.approx(2 / 4)
    giant = np.minimum(np.arange(10_000), 1)  # and a cluster that hardly exists
    assert agreement_of_seeds([giant, giant], 3) == 0


def test_predictability_is_the_mean_over_the_seeds():
    rng = np.random.default_rng(0)
    x, found = torch.from_numpy(rng.normal(size=(200, 2)).astype(np.float32)), partitions(rng)
    found[0] = (x[:, 0].numpy() > 0) + 0
    expected = np.mean([predictability(x, one, 3) for one in found])
    assert PredictabilityOfSeeds(x)(found, 3) == pytest.approx(expected)
