import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score, adjusted_rand_score

from gammvae.data.samples import samples_on, subset
from gammvae.evaluation.metrics import clustering_accuracy
from gammvae.initialization import anchor, manifold, shapes
from gammvae.initialization.anchor import Anchor, Held
from gammvae.initialization.graph import Partition, modularity, neighbor_graph, normalized_cut
from gammvae.initialization.shapes import (
    REGULARIZATION,
    affords_covariances,
    graph_of_samples,
    refine_by_shapes,
    shaped,
)
from tests.conftest import compose_config
from tests.model.test_vae import build

COVARIANCE = np.array([[4.0, 1.8], [1.8, 1.0]])
MEANS = np.array([[0.0, 0.0], [1.0, -1.0]])
WEIGHTS = np.array([0.75, 0.25])
N = 2000


@pytest.fixture
def sausages():
    """Two long clusters side by side, of unequal size, and which one a sample was drawn from."""
    rng = np.random.default_rng(0)
    truth = (rng.random(N) < WEIGHTS[1]).astype(np.int64)
    return MEANS[truth] + rng.multivariate_normal(np.zeros(2), COVARIANCE, N), truth


@pytest.fixture
def rough(sausages):
    """The true clusters with a third of the samples given to the other one."""
    _, truth = sausages
    wrong = np.random.default_rng(1).random(N) < 1 / 3
    return np.where(wrong, 1 - truth, truth)


def test_refined_clusters_are_those_of_the_true_densities(sausages, rough):
    """As often right as Bayes' rule, up to two standard errors of the difference."""
    x, truth = sausages
    densities = [
        w * multivariate_normal(m, COVARIANCE).pdf(x) for w, m in zip(WEIGHTS, MEANS, strict=True)
    ]
    best = np.argmax(densities, axis=0)
    refined = refine_by_shapes(x, rough, 2)
    differ = np.mean(refined != best)
    assert accuracy_score(truth, rough) < 0.7
    assert accuracy_score(truth, best) - accuracy_score(truth, refined) < 2 * np.sqrt(differ / N)
    assert differ < 0.03


def test_refined_clusters_are_a_fixed_point_of_em(sausages, rough):
    """Fifty more steps of EM, by scipy's densities, move next to nothing."""
    x, _ = sausages
    z = (x - x.mean(0)) / x.std(0)
    resp = np.eye(2)[refine_by_shapes(x, rough, 2)]
    for _ in range(50):
        sizes = resp.sum(0)
        means = resp.T @ z / sizes[:, None]
        densities = []
        for weight, mean, share in zip(sizes / N, means, resp.T, strict=True):
            spread = (z - mean).T @ ((z - mean) * share[:, None]) / share.sum()
            regular = spread + REGULARIZATION * np.eye(2)
            densities.append(weight * multivariate_normal(mean, regular).pdf(z))
        resp = np.array(densities).T / np.sum(densities, axis=0)[:, None]
    # both stopped before the end: a few samples between the clusters
    assert np.mean(resp.argmax(1) != refine_by_shapes(x, rough, 2)) < 0.01


def test_units_of_the_features_do_not_matter(sausages, rough):
    x, _ = sausages
    there = refine_by_shapes(x * [1e-3, 1e4] + [5, -1e5], rough, 2)
    np.testing.assert_array_equal(there, refine_by_shapes(x, rough, 2))


def test_a_constant_feature_changes_nothing(sausages, rough):
    x, _ = sausages
    wider = np.column_stack([x, np.full(N, 7.0)]).astype(np.float32)
    expected = refine_by_shapes(x.astype(np.float32), rough, 2)
    np.testing.assert_array_equal(refine_by_shapes(wider, rough, 2), expected)


def test_a_feature_that_is_constant_in_a_cluster_is_no_error(sausages):
    x, truth = sausages
    told = np.column_stack([x, truth])
    np.testing.assert_array_equal(refine_by_shapes(told, truth, 2), truth)


def test_a_partition_whose_cluster_would_die_is_kept():
    """A third cluster made of every second sample of a blob: nothing is its own."""
    x = np.random.default_rng(0).normal(size=(300, 2)) + np.repeat([[0, 0], [50, 50]], 150, axis=0)
    labels = np.repeat([0, 1], 150)
    labels[150:] += np.arange(150) % 2
    x[151::2] = x[150::2]  # the same samples in both
    np.testing.assert_array_equal(refine_by_shapes(x, labels, 3), labels)


def test_shapes_of_some_samples_refine_all(sausages, rough, monkeypatch):
    x = sausages[0]
    expected = refine_by_shapes(x, rough, 2)
    monkeypatch.setattr(shapes, "SAMPLES", N // 3)
    found = refine_by_shapes(x, rough, 2)
    assert found.shape == (N,)
    assert adjusted_rand_score(found, expected) > 0.9 > adjusted_rand_score(rough, expected)


def test_a_partition_with_a_cluster_that_no_sample_represents_is_kept(monkeypatch):
    x, labels = np.random.default_rng(0).normal(size=(300, 2)), np.repeat([0, 1], [299, 1])
    monkeypatch.setattr(shapes, "SAMPLES", 30)
    assert 299 not in subset(300, 30, seed=0)
    np.testing.assert_array_equal(refine_by_shapes(x, labels, 2), labels)


def test_covariances_are_estimated_from_no_more_samples_than_are_used(monkeypatch):
    assert affords_covariances(1000, 4, 2, 1.0)
    monkeypatch.setattr(shapes, "SAMPLES", 19)
    assert not affords_covariances(1000, 4, 2, 1.0)


@pytest.mark.parametrize("n_features", [1, 4, 13])
def test_samples_per_entry_count_one_triangle_of_the_covariance(n_features):
    entries = len(np.tril_indices(n_features)[0])
    assert affords_covariances(3 * 2 * entries, n_features, 3, 2.0)
    assert not affords_covariances(3 * 2 * entries - 1, n_features, 3, 2.0)
    assert not affords_covariances(10**9, n_features, 3, None)


def rows(x):
    return samples_on(torch.device("cpu"), x.astype(np.float32))


def test_refined_is_what_was_chosen(sausages, rough):
    """The graph has nothing against a better partition than the one given."""
    x = sausages[0].astype(np.float32)
    chosen = np.flatnonzero(np.arange(N) % 4 > 0)
    found = shaped(rows(x), chosen, neighbor_graph(x[chosen], 20), rough[chosen])
    np.testing.assert_array_equal(found, refine_by_shapes(x[chosen], rough[chosen], 2))
    assert adjusted_rand_score(found, rough[chosen]) < 0.9


@pytest.mark.parametrize(("moved", "taken"), [(0.01, True), (0.1, False)])
def test_what_the_graph_tells_apart_stays_apart(monkeypatch, moved, taken):
    """Two blobs far from each other, and shapes that would give a part of one to the other."""
    x = np.random.default_rng(0).normal(size=(600, 2)) + np.repeat([[0, 0], [99, 0]], 300, axis=0)
    blobs, graph = np.repeat([0, 1], 300), neighbor_graph(x, 20)
    other = np.where(np.arange(600) < 600 * moved, 1, blobs)
    monkeypatch.setattr(shapes, "refine_by_shapes", lambda *_: other)
    assert (modularity(graph, other) >= 0.95 * modularity(graph, blobs)) == taken
    found = shaped(rows(x), np.arange(600), graph, blobs)
    np.testing.assert_array_equal(found, other if taken else blobs)


@pytest.mark.parametrize(("limit", "taken"), [(10**6, False), (0, True)])
def test_in_a_small_table_a_graph_of_the_samples_decides(monkeypatch, limit, taken):
    """The shapes contradict the samples, but agree with the features from which the graph is."""
    x = np.random.default_rng(0).normal(size=(600, 2)) + np.repeat([[0, 0], [99, 0]], 300, axis=0)
    blobs = np.repeat([0, 1], 300)
    other = np.where(np.arange(600) < 60, 1, blobs)
    graph = neighbor_graph(np.random.default_rng(1).normal(size=(600, 2)) + 99 * other[:, None], 20)
    monkeypatch.setattr(shapes, "SMALL_TABLE", limit)
    monkeypatch.setattr(shapes, "refine_by_shapes", lambda *_: other)
    found = shaped(rows(x), np.arange(600), graph, blobs)
    np.testing.assert_array_equal(found, other if taken else blobs)


@pytest.mark.parametrize("n_neighbors", [3, 20])
def test_the_graph_of_samples_is_like_the_other_and_does_not_depend_on_units(n_neighbors):
    rng = np.random.default_rng(0)
    x, points = rng.normal(size=(200, 3)), rng.normal(size=(200, 5))
    found = graph_of_samples(x, neighbor_graph(points, n_neighbors, 0.5))
    expected = neighbor_graph(x / x.std(0), n_neighbors, 0.5)
    assert found.resolution == 0.5
    assert (found.weights != expected.weights).nnz == 0
    again = graph_of_samples(x * [1, 1000, 0.01] + 7, found)
    assert (again.weights != expected.weights).nnz == 0


@pytest.mark.parametrize("given", ["null", "1000", "0.25"])
def test_the_start_is_refined_where_samples_suffice(monkeypatch, given):
    """Two of the three iris species overlap. The start's figures are those of its partition."""
    x, species = load_iris(return_X_y=True)
    x = ((x - x.mean(0)) / x.std(0)).astype(np.float32)
    config = compose_config("dataset=hhar", "n_clusters=3", f"init.covariances={given}")
    monkeypatch.setattr(manifold, "manifold_points", lambda *_: x)
    start = manifold.manifold_start(build("implicit"), rows(x), np.arange(150), config, 1.0)
    assert (clustering_accuracy(species, start.labels) > 0.95) == (given == "0.25")
    graph = neighbor_graph(x, start.n_neighbors, start.resolution)
    assert start.modularity == pytest.approx(modularity(graph, start.labels))
    assert start.cut == pytest.approx(normalized_cut(graph, start.labels))
    plain = manifold.Search(x, config.init, 3, config.seed)(1.0)
    assert start[3:] == plain[3:]
    assert (start.labels == plain.labels).all() == (given != "0.25")


def test_images_are_not_refined_and_features_are():
    assert compose_config("dataset=usps").init.covariances is None
    assert compose_config("dataset=hhar").init.covariances == 0.25
    assert compose_config("dataset=hhar", "experiment=plain").init.covariances is None


@pytest.mark.parametrize("given", ["null", "0.25"])
def test_a_renewed_partition_is_refined_as_the_first_was(sausages, rough, monkeypatch, given):
    x = sausages[0].astype(np.float32)
    graph = neighbor_graph(x, 20)
    monkeypatch.setattr(anchor, "neighbor_graph", lambda *_: graph)
    monkeypatch.setattr(anchor, "refine", lambda *_: Partition(rough, 0.0))
    monkeypatch.setattr(anchor, "manifold_points", lambda *_: None)
    config = compose_config(
        *("dataset=hhar", "n_clusters=2", "train.rounds=2", "train.anchored=1"),
        f"init.covariances={given}",
    )
    held = Anchor(config, build("implicit"), rows(x), 2, Held(np.arange(N) % 2, 7, 1.0))
    assert torch.equal(held(0), torch.arange(N) % 2)
    expected = rough if given == "null" else refine_by_shapes(x, rough, 2)
    np.testing.assert_array_equal(held(1).numpy(), expected)
