import numpy as np
import pytest
import scipy.sparse
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import MinMaxScaler, StandardScaler, normalize

import gammvae.data.rows
from gammvae.data.preprocessing import fit
from gammvae.data.rows import SparseRows, TransformedRows, scan
from gammvae.errors import InputError

COUNTS = np.random.default_rng(0).poisson(0.7, size=(60, 8)).astype(np.float32)
VALUES = np.random.default_rng(1).normal(3, [1, 5, 0.1, 9, 1, 1, 1, 0], (60, 8)).astype(np.float32)

EXPECTED = {
    "standardize": (VALUES, lambda: StandardScaler().fit_transform(VALUES.astype(np.float64))),
    "minmax": (VALUES, lambda: MinMaxScaler().fit_transform(VALUES.astype(np.float64))),
    "l2": (VALUES, lambda: normalize(VALUES.astype(np.float64))),
    "tfidf": (
        COUNTS,
        lambda: TfidfTransformer().fit_transform(COUNTS.astype(np.float64)).toarray(),
    ),
}


@pytest.fixture(autouse=True)
def _several_chunks(monkeypatch):
    monkeypatch.setattr(gammvae.data.rows, "CHUNK_ROWS", 11)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", EXPECTED)
def test_it_is_scikit_learns_and_independent_of_the_access(name, sparse):
    values, expected = EXPECTED[name][0], EXPECTED[name][1]()
    rows = SparseRows(scipy.sparse.csr_matrix(values)) if sparse else values
    transform = fit(name, rows, scan(rows, b""), (8,))
    transformed = TransformedRows(rows, transform)
    np.testing.assert_allclose(transformed[0:60], expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(transformed[np.array([7, 3])], transformed[0:60][[7, 3]])
    assert transformed[0:60].dtype == np.float32


def test_minmax_keeps_the_proportions_of_an_image():
    rows = VALUES.copy()
    transform = fit("minmax", rows, scan(rows, b""), (2, 2, 2))
    low, high = rows.min(), rows.max()
    np.testing.assert_allclose(transform(rows), (rows - low) / (high - low), atol=1e-6)


def test_minmax_stays_between_0_and_1():
    rows = np.float32([[0.1], [0.3], [0.7]]) * np.float32(1 / 3)
    assert fit("minmax", rows, scan(rows, b""), (1,))(rows).min() >= 0
    assert fit("minmax", rows, scan(rows, b""), (1,))(rows).max() <= 1


def test_none_changes_nothing():
    assert fit("none", VALUES, scan(VALUES, b""), (8,))(VALUES) is VALUES


@pytest.mark.parametrize("name", ["none", "standardize", "minmax"])
def test_the_original_units_come_back(name):
    transform = fit(name, VALUES, scan(VALUES, b""), (8,))
    assert transform.invertible
    np.testing.assert_allclose(transform.invert(transform(VALUES)), VALUES, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["l2", "tfidf"])
def test_lengths_do_not_come_back(name):
    assert not fit(name, COUNTS, scan(COUNTS, b""), (8,)).invertible


def test_tfidf_needs_counts():
    with pytest.raises(InputError, match=r"preprocess=tfidf needs counts, at least 0, and the lea"):
        fit("tfidf", VALUES, scan(VALUES - 20, b""), (8,))
