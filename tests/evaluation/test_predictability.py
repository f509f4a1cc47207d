import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.metrics import balanced_accuracy_score

from gammvae.evaluation import predictability as module
from gammvae.evaluation.predictability import predictability


def blobs(n=300, distance=10.0, seed=0):
    """Three clusters of six features, as samples, and the labels."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    x = np.eye(3, 6)[y] * distance + rng.normal(size=(n, 6))
    return torch.from_numpy(x.astype(np.float32)), y


def by_hand(x, labels):
    """The clusters that the ten nearest others vote for, one sample after the other."""
    distances = cdist(x, x)
    found = []
    for i, row in enumerate(distances):
        row[i] = np.inf
        nearest = np.argsort(row)[: module.NEIGHBORS]
        found.append(np.bincount(labels[nearest], weights=1 / row[nearest]).argmax())
    return np.array(found)


def test_equals_the_adjusted_balanced_accuracy_of_votes_that_are_counted_by_hand():
    x, y = blobs(distance=2.0)
    expected = balanced_accuracy_score(y, by_hand(x.double().numpy(), y), adjusted=True)
    assert 0.1 < expected < 0.9
    assert predictability(x, y, 3) == pytest.approx(expected)


def test_separated_clusters_are_predicted_and_names_of_clusters_do_not_matter():
    x, y = blobs()
    assert predictability(x, y, 3) == 1
    x, y = blobs(distance=2.0)
    assert predictability(x, np.array([2, 0, 1])[y], 3) == pytest.approx(predictability(x, y, 3))


def test_random_labels_are_not_predicted_whatever_their_shares():
    x, _ = blobs(3000)
    rng = np.random.default_rng(0)
    for shares in ([1 / 3, 1 / 3, 1 / 3], [0.8, 0.1, 0.1]):
        labels = rng.choice(3, size=3000, p=shares)
        sizes = np.bincount(labels)
        error = 1.5 * np.sqrt((0.25 / sizes).mean() / 3)  # of a mean of three recalls, adjusted
        assert abs(predictability(x, labels, 3)) < 4 * error


def test_clusters_that_are_not_used_are_not_predicted():
    x, y = blobs()
    assert predictability(x, np.zeros(300, np.int64), 3) == 0
    assert predictability(x, np.zeros(300, np.int64), 1) == 0
    merged = np.minimum(y, 1)  # two far clusters of three that were asked for
    assert predictability(x, merged, 3) == pytest.approx((2 / 3 - 1 / 3) / (1 - 1 / 3))


def test_a_cut_through_a_dense_cluster_is_predicted_worse():
    x, y = blobs()
    assert predictability(x, np.where(y == 0, 2 * (x[:, 5].numpy() > 0), 1), 3) < 0.95


def test_many_samples_are_drawn_by_the_seed(monkeypatch):
    monkeypatch.setattr(module, "COMPARED", 100)
    x, y = blobs(distance=2.0)
    values = [predictability(x, y, 3, seed) for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


def test_few_samples_have_a_value():
    x, y = blobs(3)
    assert predictability(x, y, 3) == pytest.approx(-1 / 2)  # the others are of other clusters
    assert predictability(x[:1], y[:1], 3) == 0
