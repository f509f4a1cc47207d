import sys

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from gammvae.errors import InputError
from gammvae.training.spaces import Space
from tests.conftest import compose_config


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
def test_umap_maps_to_as_many_dimensions_as_clusters():
    pytest.importorskip("umap")
    z, classes = make_blobs(200, 8, centers=3, random_state=0)
    mapped = space("model=n2d", "n_clusters=3").fit(z)
    assert mapped.shape == (200, 3)
    labels = GaussianMixture(3, n_init=10, random_state=3).fit_predict(mapped)
    assert adjusted_rand_score(classes, labels) == 1


def test_umap_is_asked_for_before_anything_is_trained(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(InputError, match=r"umap-learn: pip install 'gammvae\[umap\]'"):
        space("model=n2d")
