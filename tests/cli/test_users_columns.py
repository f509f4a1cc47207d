import json

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from gammvae.cli.users_columns import features, is_table, users_columns
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
    found = users_columns(config, dataset, every, verbatim)
    return {name: column.to_pylist() for name, column in found.items()}


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
    assert list(columns(config)) == ["x", "y", name]


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


def test_features_have_their_names_or_numbers():
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    config = compose_config("dataset=digits").dataset
    assert not is_table(config)
    assert users_columns(config, Dataset(x, None, (2,)), False, True) == {}
    found = features(Dataset(x, None, (2,)), config)
    assert {name: column.to_pylist() for name, column in found.items()} == {
        "feature_0": [0, 2, 4],
        "feature_1": [1, 3, 5],
    }
    assert list(features(Dataset(x, None, (2,), names=("a", "b")), config)) == ["a", "b"]
