import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_blobs
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from gammvae.errors import InputError
from gammvae.runs.directory import RunDirectory
from gammvae.training.spaces import Space
from tests.conftest import TINY, compose_config, run


@pytest.fixture(scope="module")
def digits():
    return load_digits().data[:600].astype(np.float32) / 16


def space(*overrides):
    return Space(compose_config("seed=3", *overrides))


def test_many_features_are_given_by_their_components(digits):
    one = space("model=gmm")
    fitted = one.fit(digits)
    np.testing.assert_allclose(fitted, PCA(50, random_state=3).fit_transform(digits), atol=1e-4)
    np.testing.assert_allclose(one(digits), fitted, atol=1e-4)
    assert space("model=gmm", "model.components=5").fit(digits).shape == (600, 5)


@pytest.mark.parametrize("overrides", [("model=kmeans",), ("model=ae_gmm",), ("model=gmm",)])
def test_few_features_stay_as_they_are(digits, overrides):
    points, one = digits[:, 16:48], space(*overrides)
    assert one.fit(points) is points
    assert one(points) is points


def test_few_samples_of_many_features_have_few_components():
    """Full covariances of 3,000 features would take minutes and gigabytes."""
    rng = np.random.default_rng(0)
    points = 5 * np.eye(3)[np.arange(20) % 3] @ rng.normal(size=(3, 3000))
    assert space("model=gmm").fit(points + rng.normal(size=(20, 3000))).shape == (20, 19)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["n2d", "umap_kmeans"])
def test_umap_maps_to_as_many_dimensions_as_clusters(model):
    pytest.importorskip("umap")
    z, classes = make_blobs(200, 8, centers=3, random_state=0)
    mapped = space(f"model={model}", "n_clusters=3").fit(z)
    assert mapped.shape == (200, 3)
    labels = GaussianMixture(3, n_init=10, random_state=3).fit_predict(mapped)
    assert adjusted_rand_score(classes, labels) == 1


def test_umap_is_fitted_to_part_of_many_samples():
    pytest.importorskip("umap")
    assert space("model=n2d").max_samples == 100_000
    assert space("model=n2d", "init.max_samples=500").max_samples == 500
    assert space("model=kmeans").max_samples == 1_000_000


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("n", [3, 4, 11, 12])
def test_umap_takes_few_samples(n):
    pytest.importorskip("umap")
    points = np.random.default_rng(0).normal(size=(n, 5))
    assert np.isfinite(space("model=n2d", "n_clusters=2").fit(points)).all()
    assert np.isfinite(space("model=n2d", "n_clusters=10").fit(points)).all()


@pytest.mark.slow
def test_umap_leaves_the_threads_of_the_next_run_alone():
    pytest.importorskip("umap")
    program = (
        "import numpy as np, torch\n"
        "from gammvae.cli.catalog import Catalog\n"
        "from gammvae.training.spaces import Space\n"
        "config = Catalog(None, ['model=n2d']).config('digits')\n"
        "print(torch.get_num_threads())\n"
        "Space(config).fit(np.random.default_rng(0).normal(size=(1797, 10)))\n"
        "print(torch.get_num_threads())\n"
    )
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.split() == ["1", "1"]


@pytest.mark.parametrize(("model", "name"), [("n2d", "umap"), ("umap_kmeans", "samples_umap")])
def test_umap_is_asked_for_before_anything_is_trained(monkeypatch, model, name):
    monkeypatch.setitem(sys.modules, "umap", None)
    message = rf"space={name} needs the package umap-learn: pip install 'gammvae\[umap\]'"
    with pytest.raises(InputError, match=message):
        space(f"model={model}")


class FirstFeatures:
    """Stands in for UMAP: keeps as many features as components are asked for."""

    def __init__(self, n_components, **_):
        self.n_components = n_components

    def fit_transform(self, points):
        return points[:, : self.n_components]


def test_umap_of_the_samples_needs_no_network_and_is_the_embedding(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=FirstFeatures))
    config = compose_config(*TINY, "model=umap_kmeans", "device=cpu", f"run_dir={tmp_path}")
    directory = RunDirectory(tmp_path)
    run(config, directory)
    assert not (directory / "pretrain.pt").exists()
    first = (load_digits().data[:, :10] / 16).astype(np.float32)
    with np.load(directory / "assignments.npz") as arrays:
        assert (arrays["embedding"] == first).all()
        expected = KMeans(10, n_init=10, random_state=0).fit_predict(first)
        assert (arrays["labels"] == expected).all()
