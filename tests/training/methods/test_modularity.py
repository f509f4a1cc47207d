import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.datasets import load_digits, load_iris
from sklearn.metrics import adjusted_rand_score

from gammvae.evaluation.metrics import clustering_accuracy
from gammvae.initialization.manifold import Search
from gammvae.runs.directory import RunDirectory
from gammvae.training.experiment import Experiment
from gammvae.training.methods.modularity import modularity_partition
from tests.conftest import TINY, compose_config
from tests.initialization.test_manifold import rings  # noqa: F401 - a fixture

CPU = torch.device("cpu")


def partition(points, *overrides):
    config = compose_config("model=modularity", "seed=3", "init.n_init=4", *overrides)
    return modularity_partition(points.astype(np.float32), config, 1.0, CPU)


def test_the_partition_is_that_of_the_search_among_the_samples():
    points = load_digits().data[:900, 16:48] / 16
    config = compose_config("init.n_init=4")
    expected = Search(points, config.init, 10, seed=3)(1.0).labels
    # principal components of few features are a rotation of them
    assert adjusted_rand_score(expected, partition(points)) > 0.95


def test_rings_are_told_apart(rings):  # noqa: F811
    points, ring = rings
    assert (
        adjusted_rand_score(ring, partition(points, "n_clusters=3", "init.covariances=null")) == 1
    )


def test_shapes_refine_the_partition_as_they_do_a_start():
    """Two of the three species overlap."""
    points, species = load_iris(return_X_y=True)
    points = (points - points.mean(0)) / points.std(0)
    refined = partition(points, "n_clusters=3", "init.covariances=0.25")
    alone = partition(points, "n_clusters=3", "init.covariances=null")
    assert clustering_accuracy(species, refined) > 0.95 > clustering_accuracy(species, alone)


@pytest.mark.parametrize(("density", "resolution"), [(0.02, 0.25), (0.2, 1.0)])
def test_documents_may_differ_in_the_size_of_their_topics(tmp_path, density, resolution):
    matrix = scipy.sparse.random(200, 300, density=density, format="csr", random_state=0)
    scipy.sparse.save_npz(tmp_path / "x.npz", matrix)
    given = ("dataset=file", f"dataset.path={tmp_path}/x.npz", "n_clusters=3", "device=cpu")
    config = compose_config(*TINY, "model=modularity", *given)
    method = Experiment(config, RunDirectory(tmp_path / "run")).method
    assert method.clusterer.partition.keywords["resolution"] == resolution
