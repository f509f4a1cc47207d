import sys

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_blobs
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from gammvae.errors import InputError
from gammvae.training.clusterers import Clusterer
from tests.conftest import compose_config


@pytest.fixture(scope="module")
def digits():
    return load_digits().data[:600].astype(np.float32) / 16


def clusterer(*overrides, n_clusters=10):
    return Clusterer(compose_config(*overrides).model, n_clusters, seed=3)


def test_kmeans_is_scikit_learns(digits):
    found = clusterer("model=kmeans").fit(digits)
    expected = KMeans(10, n_init=10, random_state=3).fit(digits)
    assert (found.labels == expected.labels_).all()
    assert found.labels.dtype == np.int64
    np.testing.assert_allclose(found.embedding, expected.transform(digits), rtol=1e-5)
    assert (found.responsibilities.argmax(1) == found.labels).all()
    assert set(found.responsibilities.ravel()) == {0, 1}


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_mixture_is_scikit_learns(digits, covariance):
    points = digits[:, 16:48].astype(np.float64)  # so few that no principal components are taken
    found = clusterer("model=gmm", f"model.covariance={covariance}").fit(points)
    expected = GaussianMixture(
        10,
        covariance_type=covariance,
        n_init=10,
        random_state=3,
        reg_covar=1e-6 * points.var(0).mean(),
    ).fit(points)
    assert (found.labels == expected.predict(points)).all()
    np.testing.assert_allclose(found.responsibilities, expected.predict_proba(points), atol=1e-5)
    assert (found.embedding == points).all()


def test_a_mixture_of_many_features_is_one_of_their_components(digits):
    found = clusterer("model=gmm").fit(digits)
    expected = PCA(50, random_state=3).fit_transform(digits)
    np.testing.assert_allclose(found.embedding, expected, atol=1e-4)
    few = clusterer("model=gmm", "model.components=5").fit(digits)
    assert few.embedding.shape == (600, 5)


def test_a_mixture_of_few_samples_of_many_features_is_one_of_their_components():
    """Full covariances of 3,000 features would take minutes and gigabytes."""
    rng = np.random.default_rng(0)
    points = 5 * np.eye(3)[np.arange(20) % 3] @ rng.normal(size=(3, 3000))
    found = clusterer("model=gmm", n_clusters=3).fit(points + rng.normal(size=(20, 3000)))
    assert found.embedding.shape == (20, 19)
    assert adjusted_rand_score(np.arange(20) % 3, found.labels) == 1


def test_what_is_warned_of_at_every_start_is_said_once(caplog):
    points = np.eye(2, 5, dtype=np.float32).repeat(10, axis=0)
    clusterer("model=kmeans", n_clusters=3).fit(points)
    (record,) = caplog.records
    assert record.getMessage().startswith("kmeans: Number of distinct clusters (2) found smaller")


@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
def test_a_mixture_does_not_depend_on_the_units(scale):
    z, classes = make_blobs(300, 4, centers=3, random_state=0)
    found = clusterer("model=gmm", n_clusters=3).fit(scale * z)
    assert adjusted_rand_score(classes, found.labels) == 1


@pytest.mark.parametrize("model", ["kmeans", "gmm", "ae_gmm"])
def test_new_points_are_assigned_like_those_it_was_fitted_to(digits, model):
    one = clusterer(f"model={model}")
    fitted, again = one.fit(digits), one.assign(digits)
    assert (fitted.labels == again.labels).all()
    np.testing.assert_allclose(fitted.embedding, again.embedding, atol=1e-4)


@pytest.mark.slow
def test_umap_maps_before_the_mixture():
    pytest.importorskip("umap")
    z, classes = make_blobs(200, 8, centers=3, random_state=0)
    found = clusterer("model=n2d", n_clusters=3).fit(z)
    assert found.embedding.shape == (200, 3)
    assert adjusted_rand_score(classes, found.labels) == 1


def test_umap_is_asked_for_before_anything_is_trained(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(InputError, match=r"umap-learn: pip install 'gammvae\[umap\]'"):
        clusterer("model=n2d")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("model=gmm", "model.covariance=null"), "model.covariance=None does not go with"),
        (("model=kmeans", "model.covariance=full"), "model.covariance=full does not go with"),
        (("model.space=umap",), "model.space=umap does not go with model.clusterer=None"),
        (("model=gmm", "model.covariance=tied"), "model.covariance=tied is out of range"),
        (("model=gmm", "model.components=0"), "model.components=0 is out of range"),
    ],
)
def test_settings_that_do_not_go_together(overrides, message):
    with pytest.raises(InputError, match=message):
        compose_config(*overrides)
