import re

import numpy as np
import pytest
import scipy.sparse

import gammvae.data.formats.anndata
from gammvae.data.files import load
from gammvae.errors import InputError

h5py = pytest.importorskip("h5py")

RNG = np.random.default_rng(0)
X = RNG.poisson(0.6, (40, 6)).astype(np.float32)
PCA = RNG.normal(size=(40, 3))
CELLS = [f"cell {number}" for number in range(40)]
GENES = ["Actb", "Gapdh", "Cd4", "Cd8a", "Sox2", "Größe"]
TYPES = np.array(["T", "B", "NK", "T"] * 10)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def sparse(parent, name, matrix):
    group = parent.create_group(name)
    group.attrs.update({"encoding-type": f"{matrix.format}_matrix", "shape": matrix.shape})
    for key in ("data", "indices", "indptr"):
        group[key] = getattr(matrix, key)


def frame(file, place, index, **columns):
    group = file.create_group(place)
    group.attrs.update({"_index": "_index", "encoding-type": "dataframe"})
    group["_index"] = index
    for key, values in columns.items():
        group[key] = values
    return group


@pytest.fixture
def file():
    """A file as the description of the format has it, open for changes."""
    with h5py.File("x.h5ad", "w") as file:
        file["X"] = X
        for name, matrix in [("csr", scipy.sparse.csr_matrix), ("csc", scipy.sparse.csc_matrix)]:
            sparse(file.require_group("layers"), name, matrix(X))
        file["obsm/X_pca"] = PCA
        frame(file, "var", GENES)
        obs = frame(file, "obs", CELLS, batch=np.arange(40) % 2, name=TYPES.tolist())
        kind = obs.create_group("type")
        kind.attrs["encoding-type"] = "categorical"
        names, codes = np.unique(TYPES, return_inverse=True)
        kind["categories"], kind["codes"] = names.tolist(), codes.astype(np.int8)
        nullable = obs.create_group("plate")
        nullable.attrs["encoding-type"] = "nullable-integer"
        nullable["values"], nullable["mask"] = np.arange(40) % 3, np.zeros(40, bool)
        yield file


def scanned(file, **given):
    """What a pass over the samples finds; streamed ones are read only then."""
    return read(file, **given).scan


def read(file, array=None, labels=None, drop=(), **more):
    file.close()
    return load("x.h5ad", array, labels, drop, None, **more)


@pytest.mark.parametrize("array", [None, "X", "layers/csr", "layers/csc"])
def test_every_matrix_reads_the_same_with_names(file, array):
    data = read(file, array)
    np.testing.assert_array_equal(data.x[slice(None)], X)
    np.testing.assert_array_equal(data.x[np.array([7, 3, 3])], X[[7, 3, 3]])
    assert (data.names, data.samples, data.shape) == (tuple(GENES), tuple(CELLS), (6,))


@pytest.mark.parametrize("array", ["X", "layers/csr", "obsm/X_pca"])
def test_large_ones_are_streamed_and_read_the_same(file, array, monkeypatch):
    expected = read(file, array)
    monkeypatch.setattr(gammvae.data.formats.anndata, "IN_MEMORY_BYTES", 100)
    data = read(file, array)
    assert not isinstance(data.x, np.ndarray)
    assert data.notes[0].endswith("streamed by batches")
    assert data.digest == expected.digest
    for index in (np.array([9, 2, 2, 30]), np.array([4, 5, 6]), slice(5, 9), slice(40, 50)):
        np.testing.assert_array_equal(data.x[index], expected.x[index])


def test_an_embedding_of_the_cells_has_no_names_of_genes(file):
    data = read(file, "obsm/X_pca")
    np.testing.assert_array_equal(data.x, PCA)
    assert (data.names, len(data.samples)) == ((), 40)


@pytest.mark.parametrize(
    ("column", "expected"),
    [("type", TYPES), ("name", TYPES), ("batch", np.arange(40) % 2), ("plate", np.arange(40) % 3)],
)
def test_classes_are_a_column_of_obs_only_if_asked_for(file, column, expected):
    np.testing.assert_array_equal(read(file, labels=column).y, expected)
    assert read(file).y is None


def test_missing_values_can_be_replaced(file):
    file["obsm/X_pca"][4, 1] = np.nan
    data = read(file, "obsm/X_pca", missing="median")
    assert data.x[4, 1] == np.median(np.delete(PCA[:, 1], 4))


def other_codes(file):
    file["obs/type/codes"][5] = -1


def masked(file):
    file["obs/plate/mask"][0] = True


def out_of_range(file):
    file["layers/csr/indices"][0] = 6


def not_increasing(file):
    file["layers/csr/indptr"][3] = 1000


def other_length(file):
    del file["X"]
    file["X"] = X[:30]


def external_link(file):
    with h5py.File("secret.h5", "w") as other:
        other["x"] = X
    del file["X"]
    file["X"] = h5py.ExternalLink("secret.h5", "x")


def soft_link(file):
    del file["X"]
    file["X"] = h5py.SoftLink("/layers/csr")


def external_data(file):
    del file["X"]
    X.tofile("secret")
    file.create_dataset("X", X.shape, X.dtype, external=[("secret", 0, X.nbytes)])


def virtual_data(file):
    external_link(file)
    del file["X"]
    virtual = h5py.VirtualLayout(X.shape, X.dtype)
    virtual[:] = h5py.VirtualSource("secret.h5", "x", X.shape)
    file.create_virtual_dataset("X", virtual)


def old_obs(file):
    del file["obs"]
    file["obs"] = np.zeros(40, [("index", "S4"), ("type", "i1")])


def no_matrix(file):
    frame(file["obsm"], "frame", CELLS)


def text(file):
    file["obsm/text"] = np.array([[b"a", b"b"]] * 40)


@pytest.mark.parametrize(
    ("change", "given", "message"),
    [
        (other_codes, {"labels": "type"}, "obs/type of x.h5ad has no value in row 6: every sample"),
        (masked, {"labels": "plate"}, "obs/plate of x.h5ad has no value in row 1: every sample"),
        (out_of_range, {"array": "layers/csr"}, "x.h5ad is damaged: "),
        (not_increasing, {"array": "layers/csr"}, "x.h5ad is damaged: indptr does not suit"),
        (other_length, {}, "x.h5ad is damaged: X has the shape (30, 6), obs and var have other"),
        (external_link, {}, "X is a link: only what is in the file itself is read"),
        (soft_link, {}, "X is a link: only what is in the file itself is read"),
        (external_data, {}, "X is a link: only what is in the file itself is read"),
        (virtual_data, {}, "X is a link: only what is in the file itself is read"),
        (old_obs, {}, "x.h5ad was written by an old version of anndata"),
        (no_matrix, {"array": "obsm/frame"}, "obsm/frame of x.h5ad is a dataframe: it must be an"),
        (text, {"array": "obsm/text"}, "obsm/text of x.h5ad has the type |S1: it must hold real"),
        (None, {"array": "obsm/umap"}, "array=obsm/umap is no array of x.h5ad: it has obsm/X_pca"),
        (None, {"array": "uns/x"}, "array=uns/x is no array of x.h5ad: it must be X, layers/NAME"),
        (None, {"labels": "leiden"}, "labels=leiden is neither in x.h5ad nor a file: it has batch"),
        (None, {"categorical": "onehot"}, "has no use: x.h5ad has no columns of text"),
        (None, {"drop": ["g1"]}, "has no use: genes of x.h5ad are not left out here: adata"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_what_cannot_be_read_is_said_in_a_line(file, change, given, message, streamed, monkeypatch):
    if change:
        change(file)
    if streamed:
        monkeypatch.setattr(gammvae.data.formats.anndata, "IN_MEMORY_BYTES", 100)
    with pytest.raises(InputError, match=re.escape(message)) as error:
        scanned(file, **given)
    assert "\n" not in str(error.value)


def test_without_h5py_the_package_is_named(file, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(InputError, match=r"needs the package h5py: pip install 'gammvae\[h5ad\]'"):
        read(file)


def test_files_that_anndata_writes_are_read():
    anndata = pytest.importorskip("anndata")
    pandas = pytest.importorskip("pandas")
    cells = anndata.AnnData(
        scipy.sparse.csr_matrix(X),
        pandas.DataFrame({"type": pandas.Categorical(TYPES)}, index=CELLS),
        pandas.DataFrame(index=GENES),
        obsm={"X_pca": PCA},
        layers={"dense": X, "csc": scipy.sparse.csc_matrix(X)},
    )
    cells.write_h5ad("x.h5ad", compression="gzip")
    for array in ("X", "layers/dense", "layers/csc"):
        data = load("x.h5ad", array, "type", [], None)
        np.testing.assert_array_equal(data.x[slice(None)], X)
        assert data.y.tolist() == TYPES.tolist()
        assert (data.names, data.samples) == (tuple(GENES), tuple(CELLS))
    np.testing.assert_array_equal(load("x.h5ad", "obsm/X_pca", None, [], None).x, PCA)
