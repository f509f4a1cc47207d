import numpy as np
import pytest
import scipy.sparse

from gammvae.data.rows import MappedRows, SparseRows, TransformedRows


@pytest.fixture(params=["array", "mapped", "sparse", "transformed"])
def rows_and_values(request, tmp_path):
    """The same kind of table in every way it can be kept, and its values."""
    values = np.random.default_rng(0).normal(size=(60, 6)).astype(np.float32)
    values[np.abs(values) < 0.5] = 0
    if request.param == "mapped":
        np.save(tmp_path / "x.npy", values.reshape(60, 2, 3))
        return MappedRows(tmp_path / "x.npy"), values
    if request.param == "sparse":
        return SparseRows(scipy.sparse.csr_matrix(values)), values
    if request.param == "transformed":
        return TransformedRows(values, lambda x: 2 * x), 2 * values
    return values, values
