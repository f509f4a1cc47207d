import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from gammvae.errors import InputError
from gammvae.training.methods.gmm import GaussianClusterer
from tests.conftest import compose_config


def clusterer(*overrides):
    return GaussianClusterer(compose_config("model=gmm", "seed=3", *overrides))


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_mixture_is_scikit_learns(covariance):
    points = load_digits().data[:600, 16:48] / 16
    one = clusterer(f"model.covariance={covariance}")
    one.fit(points)
    found = one.assign(points)
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


@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
def test_a_mixture_does_not_depend_on_the_units(scale):
    z, classes = make_blobs(300, 4, centers=3, random_state=0)
    one = clusterer("n_clusters=3")
    one.fit(scale * z)
    assert adjusted_rand_score(classes, one.assign(scale * z).labels) == 1


def test_the_kind_of_covariances_must_be_given():
    with pytest.raises(InputError, match="model.covariance=null does not go with model.method=gmm"):
        clusterer("model.covariance=null")
