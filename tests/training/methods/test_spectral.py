import numpy as np
import pytest
import torch
from sklearn.cluster import SpectralClustering
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from gammvae.training.methods.spectral import spectral_partition
from tests.conftest import compose_config
from tests.initialization.test_manifold import rings  # noqa: F401 - a fixture

CPU = torch.device("cpu")


def partition(points, *overrides, n_neighbors=10):
    config = compose_config("model=spectral", "seed=3", *overrides)
    return spectral_partition(points, config, n_neighbors, CPU)


def test_the_partition_is_scikit_learns():
    points = load_digits().data[:600] / 16
    spectral = SpectralClustering(
        10,
        eigen_solver="arpack",
        affinity="nearest_neighbors",
        n_neighbors=11,  # with the point itself
        random_state=3,
    )
    expected = spectral.fit_predict(points)
    assert adjusted_rand_score(expected, partition(points)) > 0.99


def test_rings_are_told_apart(rings):  # noqa: F811
    points, ring = rings
    assert adjusted_rand_score(ring, partition(points, "n_clusters=3")) == 1


@pytest.mark.parametrize("n_points", [3, 300])
def test_one_cluster_has_all_points(n_points):
    points = np.random.default_rng(0).normal(size=(n_points, 4))
    assert not partition(points, "n_clusters=1", n_neighbors=2).any()
