import json

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from gammvae.cli.users_columns import is_table, users_columns
from gammvae.data.dataset import Dataset
from gammvae.data.files import load
from gammvae.errors import InputError
from tests.conftest import compose_config

TEXT = "id;x;y;note\ns1;0,5;1;007\ns2;1,5;2;a\ns3;2,5;4;\n"


def configured(path, *overrides):
    data = (f"dataset.path={path}", "n_clusters=2", *overrides)
    return compose_config("dataset=file", *data).dataset


def columns(config, every=True, verbatim=True):
    labels = {name: getattr(config, name) for name in ("labels", "drop", "shape", "index")}
    dataset = load(str(config.path), None, **labels)
    index, others = users_columns(config, dataset, every, verbatim)
    return {name: column.to_pylist() for name, column in {**index, **others}.items()}


def test_decimal_commas_become_numbers(tmp_path):
    (tmp_path / "t.csv").write_text(TEXT)
    found = columns(configured(tmp_path / "t.csv", "dataset.drop=[id,note]"))
    assert found["x"] == [0.5, 1.5, 2.5]
    assert found["id"] == ["s1", "s2", "s3"]


def test_cells_stay_as_they_are_if_that_is_wanted(tmp_path):
    (tmp_path / "t.csv").write_text(TEXT.replace(",", ".").replace(";", ","))
    config = configured(tmp_path / "t.csv", "dataset.drop=[id,note]")
    assert columns(config)["note"] == ["007", "a", ""]
    assert columns(config)["x"] == ["0.5", "1.5", "2.5"]
    assert columns(config, verbatim=False)["x"] == [0.5, 1.5, 2.5]
    assert columns(config, every=False) == {}


@pytest.mark.parametrize("name", ["__index_level_0__", "cell"])
def test_the_index_of_pandas_is_found(name, tmp_path):
    about = {b"pandas": json.dumps({"index_columns": [name]}).encode()}
    table = pyarrow.table({"x": [0.0, 1.0, 3.0], "y": [1.0, 5.0, 2.0], name: ["a", "b", "c"]})
    parquet.write_table(table.replace_schema_metadata(about), tmp_path / "t.parquet")
    config = configured(tmp_path / "t.parquet")
    assert columns(config, every=False) == {name: ["a", "b", "c"]}
    assert list(columns(config)) == [name, "x", "y"]


def test_an_index_that_was_kept_is_a_feature(tmp_path):
    (tmp_path / "t.csv").write_text(",x,y\n0,1,5\n1,3,7\n2,0,2\n")
    path = tmp_path / "t.csv"
    assert columns(configured(path), every=False) == {"": ["0", "1", "2"]}
    assert columns(configured(path, "dataset.index=keep"), every=False) == {}


def test_rows_that_are_no_samples_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n1,2\n3,4\n5,6\n")
    fewer = Dataset(np.zeros((2, 2), np.float32), None, (2,))
    with pytest.raises(InputError, match=r"t.csv has 3 rows and 2 samples: its columns"):
        users_columns(configured(tmp_path / "t.csv"), fewer, True, True)


def test_features_are_columns_if_they_have_names():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    config = compose_config("dataset=digits").dataset
    assert not is_table(config)
    assert users_columns(config, Dataset(x, None, (2,)), False, True) == ({}, {})
    _, found = users_columns(config, Dataset(x, None, (2,), names=("a", "b")), True, True)
    assert {name: column.to_pylist() for name, column in found.items()} == {
        "a": [0, 2, 4],
        "b": [1, 3, 5],
    }
    with pytest.raises(InputError, match="the columns of digits have no names"):
        users_columns(config, Dataset(x, None, (2,)), True, True)


def cells(path, names=("c0", "c1", "c2", "c3")):
    """An AnnData file of four cells, with a column of each kind that ``obs`` may have."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["X"] = np.array([[1.0, 2], [np.nan, 4], [5, 6], [7, 9]])
        file["var/_index"], file["obs/_index"] = ["g0", "g1"], list(names)
        file["var"].attrs["_index"] = file["obs"].attrs["_index"] = "_index"
        file["obs"].attrs["column-order"] = ["typ", "area", "batch", "count"]
        file["obs/area"], file["obs/batch"] = [0.5, 1.5, 2.5, 3.5], ["x", "y", "y", "z"]
        file["obs/typ/categories"], file["obs/typ/codes"] = ["B", "T"], [1, 0, -1, 1]
        file["obs/count/values"], file["obs/count/mask"] = [4, 5, 6, 7], [False, False, False, True]
    return path


@pytest.mark.parametrize("kept", [[0, 1, 2, 3], [0, 2, 3]])
def test_cells_have_the_columns_of_obs(kept, tmp_path):
    """In the order of the file, without the genes, and of those cells only that are samples."""
    path = cells(tmp_path / "c.h5ad")
    x, names = np.zeros((len(kept), 2), np.float32), tuple(f"c{number}" for number in kept)
    data = Dataset(x, None, (2,), names=("g0", "g1"), samples=names)
    index, found = users_columns(configured(path, "dataset.missing=drop"), data, True, True)
    expected = {
        "typ": ["T", "B", None, "T"],
        "area": [0.5, 1.5, 2.5, 3.5],
        "batch": ["x", "y", "y", "z"],
        "count": [4, 5, 6, None],
    }
    assert (index, list(found)) == ({}, list(expected))
    for name, values in expected.items():
        assert found[name].to_pylist() == [values[number] for number in kept]


def test_cells_that_are_left_out_must_have_names_of_their_own(tmp_path):
    config = configured(cells(tmp_path / "c.h5ad", ("a", "a", "b", "c")))
    data = Dataset(np.zeros((3, 2), np.float32), None, (2,), samples=("a", "b", "c"))
    with pytest.raises(InputError, match="has 4 cells of 3 names: its columns can be exported"):
        users_columns(config, data, True, True)
