import tracemalloc

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from gammvae.initialization import moves
from gammvae.initialization.graph import modularity, neighbor_graph, refine
from gammvae.initialization.moves import Moves


def refined_slowly(graph, labels, n_clusters, rng):
    """Computes the gains of all points in every sweep."""
    degrees, points = np.asarray(graph.weights.sum(1)).ravel(), np.arange(len(labels))
    total, chance = degrees.sum(), graph.resolution / degrees.sum()
    best = labels, modularity(graph, labels)
    for _ in range(100):
        inside = graph.weights @ np.eye(n_clusters)[labels]
        volumes = np.bincount(labels, degrees, n_clusters)
        gains = inside - chance * degrees[:, None] * volumes
        gains[points, labels] += chance * degrees**2
        targets = gains.argmax(1)
        moving = np.flatnonzero(targets != labels)
        if not moving.size:
            break
        moving = moving[rng.random(len(moving)) < 0.5]
        labels = labels.copy()
        labels[moving] = targets[moving]
        inside = graph.weights @ np.eye(n_clusters)[labels]
        volumes = np.bincount(labels, degrees, n_clusters)
        value = float(inside[points, labels].sum() - chance * (volumes**2).sum()) / total
        if len(np.unique(labels)) == n_clusters and value > best[1]:
            best = labels, value
    return best


@pytest.fixture
def z():
    return make_blobs(2000, 5, centers=12, cluster_std=3, random_state=0)[0]


@pytest.mark.parametrize("resolution", [1.0, 0.25, 3.0])
@pytest.mark.parametrize("n_clusters", [2, 8])
@pytest.mark.parametrize("weights", [1, 1000, 2**22])  # all points one by one, in parts, at once
def test_moves_are_those_by_the_gains_of_all_points(
    z, resolution, n_clusters, weights, monkeypatch
):
    monkeypatch.setattr(moves, "WEIGHTS", weights)
    graph = neighbor_graph(z, 8, resolution)
    labels = np.random.default_rng(0).integers(n_clusters, size=len(z))
    found = refine(graph, labels, n_clusters, np.random.default_rng(1))
    slow, value = refined_slowly(graph, labels, n_clusters, np.random.default_rng(1))
    assert (found.labels == slow).all()
    assert found.modularity == value


def test_few_points_are_looked_at_near_the_end(z, monkeypatch):
    looked = []
    original = Moves._targets

    def counted(self, points):
        looked.append(len(points))
        return original(self, points)

    monkeypatch.setattr(Moves, "_targets", counted)
    graph = neighbor_graph(z, 8)
    refine(graph, np.arange(len(z)) % 8, 8, np.random.default_rng(0))
    assert looked[0] == len(z)
    assert 0 < looked[-1] < len(z) / 20


def test_points_without_neighbors_are_assigned():
    graph = neighbor_graph(np.arange(6.0)[:, None], 2)
    weights = graph.weights.tolil()
    weights[0] = weights[:, 0] = 0
    found = refine(
        graph._replace(weights=weights.tocsr()), np.arange(6) % 2, 2, np.random.default_rng(0)
    )
    assert set(found.labels) == {0, 1}
    assert np.isfinite(found.modularity)


def test_memory_for_many_clusters_is_that_of_a_part_of_the_points(z, monkeypatch):
    monkeypatch.setattr(moves, "WEIGHTS", 2**16)
    graph = neighbor_graph(z, 5)
    found = Moves(*graph, np.arange(len(z)) % 1000, 1000)
    tracemalloc.start()
    found.gainful()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < len(z) * 1000 * 8 / 4
