import numpy as np
import pytest
from sklearn.datasets import make_blobs

from gammvae.initialization.graph import merge, neighbor_graph, weights_between
from gammvae.initialization.merging import Merging


def merged_slowly(graph, groups, n_clusters, relative):
    """Computes all gains before every merger, from volumes that are summed anew."""
    weights = weights_between(graph, groups, groups.max() + 1)
    cluster, alive = np.arange(len(weights)), np.ones(len(weights), bool)
    for _ in range(len(weights) - n_clusters):
        volumes = weights.sum(1)
        chance = np.outer(volumes, volumes)
        if relative:
            gains = weights / np.where(chance > 0, chance, 1)
        else:
            gains = weights - graph.resolution * chance
        gains[~alive] = gains[:, ~alive] = -np.inf
        np.fill_diagonal(gains, -np.inf)
        kept, gone = sorted(np.unravel_index(gains.argmax(), gains.shape))
        weights[kept] += weights[gone]
        weights[:, kept] += weights[:, gone]
        weights[gone] = weights[:, gone] = 0
        alive[gone] = False
        cluster[cluster == gone] = kept
    return np.unique(cluster, return_inverse=True)[1][groups]


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("resolution", [1.0, 0.25, 3.0])
@pytest.mark.parametrize("n_groups", [300, 40])  # single points, many of which gain the same
def test_mergers_are_those_by_all_gains(relative, resolution, n_groups):
    z, _ = make_blobs(300, 3, centers=6, random_state=0)
    graph = neighbor_graph(z, 6, resolution)
    groups = np.random.default_rng(0).permutation(300) % n_groups
    merged = merge(graph, groups, 4, relative=relative)
    assert (merged == merged_slowly(graph, groups, 4, relative)).all()


@pytest.mark.parametrize("resolution", [None, 1.0])
def test_gains_that_are_kept_are_those_of_the_merged_groups(resolution):
    z, _ = make_blobs(200, 3, centers=6, random_state=0)
    graph = neighbor_graph(z, 6)
    merging = Merging(weights_between(graph, np.arange(200) % 30, 30), resolution)
    for _ in range(20):
        merging.join(*merging.best_pair())
        weights, alive = merging.weights, merging.alive
        anew = Merging(weights[np.ix_(alive, alive)].T, resolution)
        np.testing.assert_allclose(merging.gains[np.ix_(alive, alive)], anew.gains, atol=1e-14)
        assert (merging.best == merging.gains.max(1)).all()
        assert (merging.gains[~alive] == -np.inf).all()


def test_of_equal_mergers_the_first_is_taken():
    pairs = np.kron(np.eye(3), [[0, 1], [1, 0]]) / 6  # 0 and 1, 2 and 3, 4 and 5 are connected
    merging = Merging(pairs, 1.0)
    order = []
    for _ in range(3):
        order.append(merging.best_pair())
        merging.join(*order[-1])
    assert order == [(0, 1), (2, 3), (4, 5)]
