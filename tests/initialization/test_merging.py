import numpy as np
import pytest
import scipy.linalg
from sklearn.datasets import make_blobs

from gammvae.initialization.graph import neighbor_graph, weights_between
from gammvae.initialization.merging import Merging


def mergers_by_all_gains(weights, resolution, n_clusters):
    """Yields pairs to merge from all gains, with volumes that are summed anew every time."""
    weights, alive = weights.copy(order="F"), np.ones(len(weights), bool)
    for _ in range(len(weights) - n_clusters):
        volumes = weights.sum(1)
        chance = np.outer(volumes, volumes)
        if resolution is None:
            gains = weights / np.where(chance > 0, chance, 1)
        else:
            gains = weights - resolution * chance
        gains[~alive] = gains[:, ~alive] = -np.inf
        np.fill_diagonal(gains, -np.inf)
        kept, gone = np.unravel_index(gains.argmax(), gains.shape)
        yield int(kept), int(gone)
        weights[kept] += weights[gone]
        weights[:, kept] += weights[:, gone]
        weights[gone] = weights[:, gone] = 0
        alive[gone] = False


def mergers(weights, resolution, n_clusters):
    merging = Merging(weights.copy(order="F"), resolution)
    for _ in range(len(weights) - n_clusters):
        yield merging.best_pair()
        merging.join(*merging.best_pair())


@pytest.mark.parametrize("resolution", [1.0, 0.25, 3.0, None])
@pytest.mark.parametrize("n_groups", [300, 40])  # single points, many of which gain the same
def test_mergers_are_those_by_all_gains(resolution, n_groups):
    z, _ = make_blobs(300, 3, centers=6, random_state=0)
    groups = np.random.default_rng(0).permutation(300) % n_groups
    weights = weights_between(neighbor_graph(z, 6), groups, n_groups)
    expected = list(mergers_by_all_gains(weights, resolution, 4))
    assert list(mergers(weights, resolution, 4)) == expected


@pytest.mark.parametrize("resolution", [1.0, 0.25, 3.0, None])
@pytest.mark.parametrize("seed", range(4))
def test_rounding_errors_decide_as_in_sums_over_groups_in_order(resolution, seed):
    """All groups have the same weights to others, in another order, so that they gain the same."""
    row = np.random.default_rng(seed).random(41)
    weights = scipy.linalg.circulant(row + np.roll(row[::-1], 1))
    weights /= weights.sum()
    expected = list(mergers_by_all_gains(weights, resolution, 4))
    assert list(mergers(weights, resolution, 4)) == expected


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


@pytest.mark.parametrize("resolution", [None, 1.0])
def test_of_very_many_groups_that_are_alike_any_pair_that_gains_most_is_merged(resolution):
    weights = np.full((150, 150), 1 / 150**2)
    merging = Merging(weights.copy(order="F"), resolution)
    for _ in range(140):
        kept, gone = merging.best_pair()
        assert kept < gone
        assert merging.alive[[kept, gone]].all()
        largest = merging.gains[np.ix_(merging.alive, merging.alive)].max()
        assert merging.gains[kept, gone] == pytest.approx(largest, rel=1e-9)
        merging.join(kept, gone)
