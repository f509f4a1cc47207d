import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

from gammvae.initialization import manifold
from gammvae.initialization.graph import (
    Partition,
    modularity,
    neighbor_graph,
    normalized_cut,
    refine,
)
from gammvae.initialization.manifold import (
    Search,
    first_resolution,
    manifold_points,
    numbers_of_neighbors,
    stable_partition,
)
from gammvae.initialization.starts import KMeansStarts
from tests.conftest import compose_config
from tests.model.test_vae import build


def test_points_are_the_principal_components_of_the_middle_layers():
    model, x = build("implicit"), torch.rand(300, 6)
    points = manifold_points(model, x, np.arange(300), seed=0)
    layers = []
    with torch.no_grad():
        layers = [model.encoder.body(x), model.decoder.body(model.encoder(x).mean)]
    directions = np.hstack([layer / layer.norm(dim=1, keepdim=True) for layer in layers])
    expected = PCA(svd_solver="full").fit_transform(directions)
    assert points.shape == expected.shape == (300, 16)
    # components are the same up to sign, and so are the distances
    np.testing.assert_allclose(np.abs(points), np.abs(expected), atol=1e-4)


def test_points_of_some_samples_are_theirs():
    model, x = build("implicit"), torch.rand(300, 6)
    index = np.array([5, 17, 200, 201, 299])
    points = manifold_points(model, x, index, seed=0)
    alone = manifold_points(model, x[torch.from_numpy(index)], np.arange(5), seed=0)
    np.testing.assert_array_equal(points, alone)


def started(points, config, n_clusters):
    return Search(points, config, n_clusters, seed=0)(first_resolution(config, 1.0))


@pytest.fixture
def rings():
    """Three rings around each other, which no mean tells apart, and which ring a point is on."""
    rng = np.random.default_rng(0)
    angle, ring = rng.uniform(0, 2 * np.pi, 900), np.arange(900) % 3
    radius = 1 + 2 * ring + rng.normal(size=900) * 0.1
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), ring


def test_figures_of_the_start_need_no_classes(rings):
    points, _ = rings
    config = compose_config("init.n_init=4", "init.n_neighbors=8", "init.stability=0").init
    start = started(points, config, 3)
    assert set(start.labels) == {0, 1, 2}
    assert start.n_neighbors == 8
    graph = neighbor_graph(points, 8)
    assert start.modularity == pytest.approx(modularity(graph, start.labels))
    assert start.cut == pytest.approx(normalized_cut(graph, start.labels))
    assert -0.5 <= start.stability <= 1
    again = started(points, config, 3)
    assert (start.labels == again.labels).all()


# Stability and normalized cut of made-up partitions, by neighbors and resolution.
ANSWERS = {
    (5, 1.0): (0.3, 1.0),
    (10, 1.0): (0.8, 1.2),
    (20, 1.0): (0.96, 1.5),
    (5, 0.5): (0.85, 0.9),
    (10, 0.5): (1.0, 1.0),
    (5, 0.25): (0.6, 0.6),
    (10, 0.25): (1.0, 0.1),
}


@pytest.mark.parametrize(
    ("settings", "changed", "chosen"),
    [
        ((2, 1), {}, (20, 1.0)),
        ((1, 1), {}, (10, 1.0)),  # none is stable, this one the most, and not doubtful
        ((0, 1), {}, (5, 0.5)),  # it is doubtful
        ((0, 0), {}, (5, 1.0)),
        ((0, 1), {(5, 0.5): (0.2, 0.9)}, (5, 1.0)),  # the other even more so
        ((1, 1), {(10, 1.0): (0.6, 1.2)}, (10, 0.5)),  # all are, so that the search begins anew
        ((2, 1), {(5, 0.5): (1.0, 0.3)}, (5, 0.5)),  # the cut falls to less than a third
        ((1, 1), {(5, 0.5): (0.5, 0.3)}, (10, 0.5)),
        ((2, 2), {(5, 0.5): (1.0, 0.3)}, (5, 0.5)),
        ((1, 2), {(5, 0.5): (1.0, 0.3), (5, 0.25): (0.7, 0.05)}, (10, 0.25)),  # and again
        ((1, 2), {(5, 0.5): (1.0, 0.0), (5, 0.25): (1.0, 0.0)}, (5, 0.5)),  # it cannot fall further
    ],
)
def test_which_graph_and_resolution_are_taken(monkeypatch, settings, changed, chosen):
    answers = ANSWERS | changed
    monkeypatch.setattr(Search, "graph", lambda _, *graph: graph)
    monkeypatch.setattr(
        manifold,
        "stable_partition",
        lambda graph, *_: (Partition(np.array(graph), 0.5), answers[graph][0]),
    )
    monkeypatch.setattr(manifold, "normalized_cut", lambda graph, _: answers[graph][1])
    doublings, halvings = settings
    overrides = ("n_neighbors=5", f"doublings={doublings}", f"halvings={halvings}")
    config = compose_config(*(f"init.{override}" for override in overrides)).init
    start = started(np.zeros((1000, 2)), config, 3)
    assert (start.n_neighbors, start.resolution) == chosen


@pytest.mark.parametrize(
    ("points", "expected"),
    # a quarter of the points that a cluster has on average, but 3 at least
    [(1000, [5, 10, 20]), (120, [5, 10]), (48, [4]), (9, [3])],
)
def test_neighbors_stay_within_a_cluster(points, expected):
    config = compose_config("init.n_neighbors=5", "init.doublings=2").init
    assert numbers_of_neighbors(config, points, 3) == expected


@pytest.mark.parametrize(("edges", "expected"), [(10_000, [5, 10]), (9_999, [5]), (1, [5])])
def test_doublings_stay_within_the_memory(edges, expected, monkeypatch):
    monkeypatch.setattr(manifold, "MOST_EDGES", edges)
    config = compose_config("init.n_neighbors=5", "init.doublings=2").init
    assert numbers_of_neighbors(config, 1000, 3) == expected


@pytest.mark.parametrize(
    ("given", "filled", "expected"),
    [("null", 1.0, 1.0), ("null", 0.2, 1.0), ("null", 0.02, 0.25), ("0.7", 0.02, 0.7)],
)
def test_topics_of_documents_may_differ_in_size(given, filled, expected):
    config = compose_config(f"init.resolution={given}").init
    assert first_resolution(config, filled) == expected


def test_clusters_of_very_different_size():
    z, classes = make_blobs([1500, 100, 100], centers=6 * np.eye(3, 10), random_state=0)
    start = started(z, compose_config("init.n_init=6").init, 3)
    assert start.resolution < 1
    assert adjusted_rand_score(classes, start.labels) > 0.99


def test_clusters_that_all_starts_would_cut_alike():
    """At resolution 1 the largest is cut in two, whatever the start: that stands out in the cut."""
    rng, sizes = np.random.default_rng(0), [2500, 800, 400, 200, 100]
    centers = 3.5 * rng.normal(size=(5, 10))
    z = np.concatenate([c + rng.normal(size=(n, 10)) for c, n in zip(centers, sizes, strict=True)])
    z /= z.std(0)
    classes = np.repeat(range(5), sizes)
    start = started(z, compose_config("init.n_init=6").init, 5)
    assert start.resolution == 0.5
    assert adjusted_rand_score(classes, start.labels) > 0.99


def test_many_small_clusters():
    z, classes = make_blobs(400, 10, centers=40, cluster_std=2, random_state=0)
    start = started(z, compose_config("init.n_init=6").init, 40)
    assert start.n_neighbors == 3
    assert adjusted_rand_score(classes, start.labels) > 0.9


def test_renewing_follows_the_graph(rings):
    points, ring = rings
    damaged = np.where(np.random.default_rng(1).random(900) < 0.2, (ring + 1) % 3, ring)
    graph = neighbor_graph(points, 8)
    renewed = refine(graph, damaged, 3, np.random.default_rng(0)).labels
    assert adjusted_rand_score(ring, damaged) < 0.6
    assert adjusted_rand_score(ring, renewed) > 0.95


def test_neighbors_and_groups_are_found_once(rings, monkeypatch):
    """Although the search comes back to the fewest neighbors at every resolution."""
    points, _ = rings
    searched, seeds = [], []
    find, group = manifold.neighbors, KMeansStarts._groups

    def counted_neighbors(points, n_neighbors, device):
        searched.append(n_neighbors)
        return find(points, n_neighbors, device)

    def counted_groups(self, seed):
        seeds.append(seed)
        return group(self, seed)

    monkeypatch.setattr(manifold, "neighbors", counted_neighbors)
    monkeypatch.setattr(KMeansStarts, "_groups", counted_groups)
    config = compose_config("init.n_init=4", "init.n_neighbors=8").init
    search = Search(points, config, 3, seed=0)
    found = [search.at(n, resolution) for resolution in (1.0, 0.5) for n in (8, 16)]
    assert searched == [8, 16]
    assert len(seeds) == 4
    for start in found:
        graph = neighbor_graph(points, start.n_neighbors, start.resolution)
        starts = KMeansStarts(points, 3, n_init=4, seed=0)
        alone, stability = stable_partition(graph, starts, 3, seed=0)
        assert (start.labels == alone.labels).all()
        assert (start.modularity, start.stability) == (alone.modularity, stability)
