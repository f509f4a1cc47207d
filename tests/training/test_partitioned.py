import numpy as np
import pytest

from gammvae.runs.directory import RunDirectory
from gammvae.training.experiment import Experiment
from gammvae.training.partitioned import PartitionClusterer, neighbors_per_point
from tests.conftest import TINY, compose_config


@pytest.fixture
def strips():
    """Points of two long strips beside each other, and their strip."""
    rng = np.random.default_rng(0)
    points = np.column_stack([rng.uniform(0, 20, 400), rng.uniform(0, 1, 400)])
    strip = np.arange(400) % 2
    points[:, 1] += 2 * strip
    return points.astype(np.float32), strip


def clusterer(labels, voters, *overrides):
    config = compose_config("model=ward", "n_clusters=2", *overrides)
    return PartitionClusterer(config, lambda _: labels, voters)


def test_neighbors_vote_and_keep_every_points_own_cluster(strips):
    points, strip = strips
    one = clusterer(strip, 5)
    assert (one.fit(points).labels == strip).all()
    assert (one.assign(points).labels == strip).all()
    ends = np.array([[-9, 0.5], [-9, 2.5], [29, 0.5], [29, 2.5]], np.float32)
    assert one.assign(ends).labels.tolist() == [0, 1, 0, 1]
    # also if the partition has nothing to do with distances
    anyhow = np.random.default_rng(1).integers(2, size=400)
    one = clusterer(anyhow, 5)
    one.fit(points)
    assert (one.assign(points).labels == anyhow).all()


def test_the_nearest_mean_decides_without_voters(strips):
    points, _ = strips
    half = (points[:, 0] > 4).astype(np.int64)  # unequal parts, with means at 2 and 12
    one = clusterer(half, None)
    assert (one.fit(points).labels == half).all()
    means = np.stack([points[half == k].mean(0) for k in (0, 1)])
    expected = ((points[:, None] - means) ** 2).sum(-1).argmin(1)
    assert (one.assign(points).labels == expected).all()
    assert (expected != half).any()


@pytest.mark.parametrize("space", ["samples", "code"])
def test_samples_are_embedded_by_their_distances_to_the_means(strips, space):
    points, strip = strips
    one = clusterer(strip, 5, f"model.space={space}")
    means = np.stack([points[strip == k].mean(0) for k in (0, 1)])
    distances = np.sqrt(((points[:, None] - means) ** 2).sum(-1))
    expected = distances if space == "samples" else points
    for found in (one.fit(points), one.assign(points)):
        np.testing.assert_allclose(found.embedding, expected, rtol=1e-3)
        assert (found.responsibilities == np.eye(2)[strip]).all()


def test_an_empty_cluster_attracts_nothing(strips):
    points, strip = strips
    one = clusterer(2 * strip, None, "n_clusters=4")
    found = one.fit(points)
    assert found.responsibilities.shape == (400, 4)
    assert np.isfinite(found.embedding).all()
    assert set(one.assign(points).labels) == {0, 2}


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ((), 20),
        (("init.n_neighbors=7",), 7),
        (("n_clusters=90",), 4),  # a quarter of the 20 samples of a cluster
        (("init.max_samples=400",), 10),
        (("n_clusters=2", "init.max_samples=2"), 2),
    ],
)
def test_small_clusters_have_few_neighbors(tmp_path, overrides, expected):
    config = compose_config(*TINY, "model=ward", "device=cpu", *overrides)
    assert neighbors_per_point(Experiment(config, RunDirectory(tmp_path)).work) == expected
