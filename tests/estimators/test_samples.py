import numpy as np
import pytest
import scipy.sparse

from gammvae.config.composition import composed
from gammvae.data.by_name import load_dataset
from gammvae.estimators.samples import write_samples

X = np.random.default_rng(0).normal(size=(20, 3))


@pytest.mark.parametrize(
    ("x", "names", "kept"),
    [
        (X, None, ()),
        (X.astype(np.float32), None, ()),
        (np.asfortranarray(X), None, ()),
        (X, ["a", "", "Unnamed: 0"], ("a", "", "Unnamed: 0")),
        (X, ["a", "a", "b"], ()),
        (scipy.sparse.csr_matrix(np.where(X > 0, X, 0)), None, ()),
    ],
    ids=["float64", "float32", "by column", "named", "named twice", "sparse"],
)
def test_the_program_reads_the_samples_that_were_written(x, names, kept, tmp_path):
    folder = tmp_path / "it's ${x}, a=b"
    folder.mkdir()
    words = write_samples(x, names, folder)
    found = load_dataset(composed([*words, "n_clusters=2"]).config.dataset)
    dense = x.toarray() if scipy.sparse.issparse(x) else x
    np.testing.assert_array_equal(found.x[0:20], dense)
    assert found.names == kept


def test_a_row_number_is_a_feature_like_any_other(tmp_path):
    x = np.column_stack([np.arange(20.0), X])
    words = write_samples(x, ["id", "a", "b", "c"], tmp_path)
    assert load_dataset(composed([*words, "n_clusters=2"]).config.dataset).x.shape == (20, 4)
