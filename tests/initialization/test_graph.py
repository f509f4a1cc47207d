import itertools

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs, make_moons
from sklearn.metrics import adjusted_rand_score

from gammvae.initialization.graph import (
    Graph,
    consensus,
    core_groups,
    dissolve_small,
    graph_partitions,
    merge,
    modularity,
    neighbor_graph,
    normalized_cut,
    refine,
    weights_between,
)
from gammvae.initialization.starts import KMeansStarts


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(params=[1.0, 1.5])
def resolution(request):
    return request.param


def random_graph(n, rng, density=0.4, resolution=1.0):
    weights = np.triu(rng.random((n, n)) * (rng.random((n, n)) < density), 1)
    return Graph(scipy.sparse.csr_matrix(weights + weights.T), resolution)


def slow_modularity(graph, labels):
    """Newman's sum over all pairs of points."""
    weights = graph.weights.toarray()
    degrees, total = weights.sum(1), weights.sum()
    return (
        sum(
            weights[i, j] - graph.resolution * degrees[i] * degrees[j] / total
            for i in range(len(labels))
            for j in range(len(labels))
            if labels[i] == labels[j]
        )
        / total
    )


def test_the_graph_is_that_of_sorted_distances(rng):
    z = rng.normal(size=(60, 3))
    graph = neighbor_graph(z, 5).weights.toarray()
    distances = ((z[:, None] - z[None]) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    nearest = np.zeros((60, 60))
    np.put_along_axis(nearest, distances.argsort(1)[:, :5], 1, axis=1)
    assert (graph == (nearest + nearest.T) / 2).all()


def test_no_more_neighbors_than_points(rng):
    graph = neighbor_graph(rng.normal(size=(6, 2)), 20)
    assert (graph.weights.toarray() == 1 - np.eye(6)).all()


def test_modularity_against_the_sum_over_pairs(rng, resolution):
    graph, labels = random_graph(30, rng, resolution=resolution), rng.integers(4, size=30)
    assert modularity(graph, labels) == pytest.approx(slow_modularity(graph, labels), abs=1e-12)


def test_one_cluster_has_no_modularity(rng):
    assert modularity(random_graph(20, rng), np.zeros(20, int)) == pytest.approx(0, abs=1e-12)


def ratio_to_chance(graph, labels, i, j):
    weights = graph.weights.toarray()
    degrees = weights.sum(1)
    between = weights[np.ix_(labels == i, labels == j)].sum() * weights.sum()
    return between / (degrees[labels == i].sum() * degrees[labels == j].sum())


@pytest.mark.parametrize("relative", [False, True])
def test_merging_joins_the_best_pair_every_time(rng, relative, resolution):
    graph, groups = random_graph(24, rng, resolution=resolution), np.arange(24) % 8
    expected = groups
    while len(np.unique(expected)) > 3:
        pairs = itertools.combinations(np.unique(expected), 2)
        joined = {(i, j): np.where(expected == j, i, expected) for i, j in pairs}
        if relative:
            best = max(joined, key=lambda pair: ratio_to_chance(graph, expected, *pair))
        else:
            best = max(joined, key=lambda pair: slow_modularity(graph, joined[pair]))
        expected = joined[best]
    merged = merge(graph, groups, 3, relative=relative)
    assert set(merged) == {0, 1, 2}
    assert adjusted_rand_score(expected, merged) == 1


def test_refining_ends_where_no_single_move_helps(rng, resolution):
    graph, labels = random_graph(40, rng, resolution=resolution), rng.integers(3, size=40)
    found = refine(graph, labels, 3, rng)
    assert found.modularity == pytest.approx(slow_modularity(graph, found.labels), abs=1e-12)
    assert found.modularity > slow_modularity(graph, labels)
    for point, cluster in itertools.product(range(40), range(3)):
        moved = found.labels.copy()
        moved[point] = cluster
        assert slow_modularity(graph, moved) <= found.modularity + 1e-12


def test_the_best_of_all_partitions_of_a_small_graph_is_found(rng):
    graph = random_graph(9, rng, density=0.6)
    best = max(
        modularity(graph, np.array([0, *rest]))
        for rest in itertools.product(range(3), repeat=8)
        if {0, *rest} == {0, 1, 2}
    )
    starts = [refine(graph, rng.permutation(9) % 3, 3, rng) for _ in range(20)]
    assert consensus(graph, starts, 3, seed=0).modularity == pytest.approx(best, abs=1e-12)


def test_curved_clusters_that_kmeans_cuts():
    z, classes = make_moons(600, noise=0.06, random_state=0)
    graph = neighbor_graph(z, 10)
    starts = list(graph_partitions(graph, KMeansStarts(z, 2, 4, seed=0), 2))
    found = consensus(graph, starts, 2, seed=0)
    assert adjusted_rand_score(classes, found.labels) > 0.97
    assert adjusted_rand_score(classes, KMeans(2, random_state=0).fit_predict(z)) < 0.6


def test_consensus_is_no_worse_than_any_start_and_starts_are_reproducible():
    z, _ = make_blobs(500, n_features=4, centers=12, cluster_std=2.5, random_state=1)
    graph = neighbor_graph(z, 10)
    starts = list(graph_partitions(graph, KMeansStarts(z, 6, 5, seed=3), 6))
    found = consensus(graph, starts, 6, seed=3)
    assert found.modularity >= max(start.modularity for start in starts)
    assert set(found.labels) == set(range(6))
    again = list(graph_partitions(graph, KMeansStarts(z, 6, 5, seed=3), 6))
    assert all((a.labels == b.labels).all() for a, b in zip(starts, again, strict=True))
    assert any((starts[0].labels != other.labels).any() for other in starts[1:])


def test_a_low_resolution_finds_clusters_of_very_different_size():
    z, classes = make_blobs([1500, 100, 100], centers=6 * np.eye(3, 10), random_state=2)
    found = {}
    for resolution in (1.0, 0.5):
        graph = neighbor_graph(z, 10, resolution)
        starts = list(graph_partitions(graph, KMeansStarts(z, 3, 4, seed=0), 3))
        found[resolution] = adjusted_rand_score(classes, consensus(graph, starts, 3, 0).labels)
    assert found[1.0] < 0.5
    assert found[0.5] > 0.95


def test_as_many_clusters_as_points():
    z = np.arange(5.0)[:, None]
    (found,) = graph_partitions(neighbor_graph(z, 2), KMeansStarts(z, 5, 1, seed=0), 5)
    assert sorted(found.labels) == [0, 1, 2, 3, 4]


def test_more_clusters_than_core_groups_are_usual(monkeypatch):
    monkeypatch.setattr("gammvae.initialization.graph.MAX_CORE_GROUPS", 5)
    z, _ = make_blobs(300, 3, centers=8, random_state=0)
    graph = neighbor_graph(z, 5)
    starts = list(graph_partitions(graph, KMeansStarts(z, 8, 2, seed=0), 8))
    assert set(consensus(graph, starts[:1], 8, seed=0).labels) == set(range(8))


def test_small_groups_go_to_their_neighbors():
    # a path 0-1-2-3-4-5 and a pair 6-7 apart
    edges = np.array([(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (6, 7)])
    graph = scipy.sparse.coo_matrix((np.ones(6), edges.T), (8, 8)).tocsr()
    groups = np.array([0, 0, 0, 1, 2, 2, 3, 4])
    dissolved = dissolve_small(Graph(graph + graph.T), groups, 2)
    assert dissolved[:3].tolist() == [0, 0, 0]
    assert dissolved[4:6].tolist() == [1, 1]
    assert dissolved[3] in (0, 1)
    assert dissolved[6] == dissolved[7] == 0


def test_normalized_cut_against_its_definition():
    graph = neighbor_graph(np.random.default_rng(0).normal(size=(60, 3)), 5)
    labels = np.arange(60) % 4
    w = graph.weights.toarray()
    slow = sum(w[labels == c][:, labels != c].sum() / w[labels == c].sum() for c in range(4))
    assert normalized_cut(graph, labels) == pytest.approx(slow)
    # clusters that hang together only inside, in whatever numbers
    z = np.repeat([[0.0], [9.0]], [50, 10], axis=0)
    apart = neighbor_graph(z + 1e-3 * np.random.default_rng(1).normal(size=z.shape), 5)
    assert normalized_cut(apart, np.repeat([0, 1], [50, 10])) == 0
    assert normalized_cut(apart, np.repeat([0, 2], [50, 10])) == 0  # an empty one costs nothing


@pytest.mark.parametrize("points", [1, 7, 2**16])
def test_weights_between_groups_are_sums_over_their_edges(rng, points, monkeypatch):
    monkeypatch.setattr("gammvae.initialization.graph.POINTS", points)
    graph, groups = random_graph(30, rng), rng.integers(4, size=30)
    members = np.eye(5)[groups]  # the last group is empty
    expected = members.T @ graph.weights.toarray() @ members / graph.weights.sum()
    np.testing.assert_allclose(weights_between(graph, groups, 5), expected, atol=1e-15)


def test_core_groups_are_the_different_rows_of_labels(rng):
    labelings = [rng.integers(n, size=500) for n in (4, 3, 6)]
    rows = np.stack(labelings, axis=1)
    expected = np.unique(rows, axis=0, return_inverse=True)[1].ravel()
    assert (core_groups(labelings) == expected).all()
    assert (core_groups([np.array([5, 2, 5])]) == [1, 0, 1]).all()


def test_rows_of_weights_between_groups_are_summed_in_order(rng):
    """So that the last digits of modularity do not depend on how numpy divides a sum."""
    weights = weights_between(random_graph(300, rng), np.arange(300), 300)
    assert (weights.sum(1) == weights.cumsum(1)[:, -1]).all()
    assert (weights.sum(1) != np.ascontiguousarray(weights).sum(1)).any()


@pytest.fixture
def threads():
    """Sets torch's number of threads, and restores it."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def test_threads_find_the_same_partitions_in_the_same_order(rng, threads):
    z = rng.normal(size=(2000, 5))
    graph, found = neighbor_graph(z, 10), []
    for n_threads in (1, 3):
        threads(n_threads)
        found.append(list(graph_partitions(graph, KMeansStarts(z, 6, 7, seed=1), 6)))
    assert [one.modularity for one in found[0]] == [one.modularity for one in found[1]]
    for one, other in zip(*found, strict=True):
        assert (one.labels == other.labels).all()
