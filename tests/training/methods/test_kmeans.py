import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from gammvae.training.methods.kmeans import KMeansClusterer
from tests.conftest import compose_config


@pytest.mark.parametrize("model", ["kmeans", "ae_kmeans"])
def test_kmeans_is_scikit_learns(model):
    points = load_digits().data[:600].astype(np.float32) / 16
    one = KMeansClusterer(compose_config(f"model={model}", "seed=3"))
    one.fit(points)
    found = one.assign(points)
    expected = KMeans(10, n_init=10, random_state=3).fit(points)
    assert (found.labels == expected.labels_).all()
    assert found.labels.dtype == np.int64
    assert (found.responsibilities.argmax(1) == found.labels).all()
    assert set(found.responsibilities.ravel()) == {0, 1}
    # of samples, which may have many features, the distances to the centers
    embedding = expected.transform(points) if model == "kmeans" else points
    np.testing.assert_allclose(found.embedding, embedding, rtol=1e-5)
