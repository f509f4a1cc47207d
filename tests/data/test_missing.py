import dataclasses
import re

import numpy as np
import pyarrow
import pytest
import scipy.sparse
from pyarrow import parquet
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder

from gammvae.config.identity import identity
from gammvae.data.dataset import check_samples
from gammvae.data.files import load
from gammvae.data.formats.categories import MOST_CATEGORIES
from gammvae.errors import InputError
from tests.conftest import compose_config

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 4))
X[RNG.random(X.shape) < 0.1] = np.nan
KINDS = RNG.choice(["oak", "ash", "1"], 50)
Y = np.arange(50) % 3


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(path, **given):
    return load(**{"path": path, "array": None, "labels": None, "drop": [], "shape": None, **given})


def write(kind, empty="", texts=KINDS):
    """The table with gaps, in a file of this kind."""
    names = ["a", "b", "c", "d"]
    if kind == "npy":
        np.save("x.npy", X)
    elif kind == "npz":
        np.savez("x.npz", X)
    elif kind == "csv":
        rows = [[*(empty if np.isnan(x) else repr(x) for x in row.tolist())] for row in X]
        lines = [",".join([*row, text or ""]) for row, text in zip(rows, texts, strict=True)]
        with open("x.csv", "w") as file:
            file.write("\n".join([",".join([*names, "tree"]), *lines]) + "\n")
    else:
        columns = {
            name: pyarrow.array(x, mask=np.isnan(x)) for name, x in zip(names, X.T, strict=True)
        }
        parquet.write_table(pyarrow.table({**columns, "tree": pyarrow.array(texts)}), "x.parquet")
    return f"x.{kind}", {} if kind in ("npy", "npz") else {"drop": ["tree"]}


@pytest.mark.parametrize("kind", ["npy", "npz", "csv", "parquet"])
def test_medians_are_those_of_scikit_learn(kind):
    path, given = write(kind)
    data = read(path, missing="median", **given)
    imputer = SimpleImputer(strategy="median").fit(X)
    np.testing.assert_allclose(data.x, imputer.transform(X))
    np.testing.assert_allclose(data.medians, imputer.statistics_)
    gaps = np.isnan(X)
    assert data.notes[-1] == (
        f"{gaps.sum()} of 200 values are missing, in {gaps.any(1).sum()} samples, and replaced by "
        "the median of their feature"
    )


@pytest.mark.parametrize("kind", ["npy", "csv"])
def test_samples_that_lack_a_value_can_be_left_out_with_their_classes(kind):
    path, given = write(kind)
    np.save("y.npy", Y)
    data = read(path, missing="drop", labels="y.npy", **given)
    whole = ~np.isnan(X).any(1)
    np.testing.assert_allclose(data.x, X[whole])
    np.testing.assert_array_equal(data.y, Y[whole])
    assert data.samples == tuple(map(str, np.flatnonzero(whole)))
    assert data.notes[-1].startswith(f"{50 - whole.sum()} of 50 samples are left out because")
    assert data.medians is None


@pytest.mark.parametrize("how", ["median", "drop"])
def test_data_without_gaps_stay_as_they_are(how):
    np.save("x.npy", np.nan_to_num(X))
    data = read("x.npy", missing=how)
    assert (data.digest, data.samples, data.notes) == (read("x.npy").digest, (), ())


@pytest.mark.parametrize("empty", ["", "NA", "nan", "?", "-", "none"])
def test_usual_marks_of_a_missing_value_are_known(empty):
    path, given = write("csv", empty)
    data = read(path, missing="median", **given)
    np.testing.assert_allclose(data.x, SimpleImputer(strategy="median").fit_transform(X))


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_texts_become_features_as_in_scikit_learn(kind):
    path, _ = write(kind)
    data = read(path, missing="median", categorical="onehot")
    encoder = OneHotEncoder(sparse_output=False).fit(KINDS[:, None])
    np.testing.assert_array_equal(data.x[:, 4:], encoder.transform(KINDS[:, None]))
    assert data.names == ("a", "b", "c", "d", "tree=1", "tree=ash", "tree=oak")
    assert data.categories == {"tree": ("1", "ash", "oak")}
    note = "column 'tree' of text is read as 3 features, one for each of 1, ash, oak"
    assert note in data.notes


def test_categories_of_parquet_are_text_as_well():
    table = pyarrow.table({"a": np.arange(50) * 2.5, "tree": pyarrow.array(KINDS)})
    parquet.write_table(table, "text.parquet")
    encoded = table.set_column(1, "tree", table["tree"].dictionary_encode())
    parquet.write_table(encoded, "x.parquet")
    data = read("x.parquet", categorical="onehot")
    np.testing.assert_array_equal(data.x, read("text.parquet", categorical="onehot").x)


def test_a_missing_text_is_a_missing_value_of_all_its_features():
    texts = [None, *KINDS[1:]]
    path, _ = write("parquet", texts=texts)
    with pytest.raises(InputError, match=r"column '.*' has no value in row \d+: every cell must"):
        read(path, categorical="onehot")
    data = read(path, missing="drop", categorical="onehot")
    assert "0" not in data.samples
    filled = read(path, missing="median", categorical="onehot")
    np.testing.assert_array_equal(filled.x[0, 4:], np.median(filled.x[1:, 4:], axis=0))


def test_advice_of_a_refusal_can_be_pasted():
    path, _ = write("csv")
    with pytest.raises(InputError, match="features must be numbers") as error:
        read(path)
    assert "dataset.categorical=onehot makes a feature of each of its texts" in str(error.value)
    with pytest.raises(InputError, match=r"column '.' has no value in row \d+") as error:
        read(path, categorical="onehot")
    for how in re.findall(r"dataset\.missing=(\w+) ", str(error.value)):
        config = compose_config("dataset=file", "n_clusters=2", f"dataset.missing={how}").dataset
        read(path, categorical="onehot", missing=config.missing)
    np.save("x.npy", X)
    with pytest.raises(InputError, match="dataset.missing=median replaces missing values"):
        check_samples(read("x.npy"), "file")


def test_what_cannot_be_filled_is_refused():
    np.save("x.npy", np.column_stack([X, np.full(50, np.nan)]))
    with pytest.raises(InputError, match=r"x\.npy has no value of feature 4 in any sample"):
        read("x.npy", missing="median")
    with pytest.raises(InputError, match=r"x\.npy has no sample without missing values"):
        read("x.npy", missing="drop")
    scipy.sparse.save_npz("x.npz", scipy.sparse.csr_matrix(np.nan_to_num(X)))
    with pytest.raises(InputError, match=r"missing=median does not suit x\.npz, which is read in"):
        read("x.npz", missing="median")
    with pytest.raises(InputError, match=r"categorical=onehot has no use: x\.npy has no columns"):
        read("x.npy", categorical="onehot")


def test_a_column_of_names_is_no_category():
    names = [f"name {number}" for number in range(MOST_CATEGORIES + 1)]
    parquet.write_table(pyarrow.table({"a": np.arange(101) / 7, "n": names}), "x.parquet")
    with pytest.raises(InputError, match="column 'n' has 101 different texts of up to 8"):
        read("x.parquet", categorical="onehot")


def test_runs_of_earlier_versions_are_the_same_and_others_differ():
    config = compose_config("dataset=file", "n_clusters=2")
    assert not {"dataset.missing", "dataset.categorical"} & identity(config).keys()
    dataset = dataclasses.replace(config.dataset, missing="median")
    changed = identity(dataclasses.replace(config, dataset=dataset))
    assert changed == {**identity(config), "dataset.missing": "median"}


def test_a_column_without_any_value_is_called_empty():
    with open("x.csv", "w") as file:
        file.write("a,b\n" + "".join(f",{number}.5\n" for number in range(9)))
    with pytest.raises(
        InputError, match=r"column 'a' is empty: .*; 'dataset.drop=\[a\]' leaves it"
    ):
        read("x.csv", missing="median")
    assert read("x.csv", drop=["a"]).x.shape == (9, 1)
