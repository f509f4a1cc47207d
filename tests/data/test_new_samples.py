from dataclasses import replace

import numpy as np
import pytest

from gammvae.data.dataset import Dataset
from gammvae.data.new_samples import check_values, completed, in_order_of, prepared
from gammvae.data.preprocessing import Preprocessing
from gammvae.data.training_data import Facts
from gammvae.errors import InputError
from tests.conftest import compose_config

PLAIN = Preprocessing("none", {})
GIVEN = compose_config("dataset=file", "n_clusters=2").dataset


def test_rows_are_preprocessed_as_those_of_the_run():
    x = np.array([[1.0, 4.0], [3.0, 8.0]])
    scaling = Preprocessing("standardize", {"mean": x.mean(0), "deviation": x.std(0)})
    rows = prepared(x, GIVEN, Facts((2,), "normal", (), scaling), "X")
    np.testing.assert_allclose(rows[:], [[-1, -1], [1, 1]])


def test_flat_images_are_read_in_the_order_of_the_run():
    x = np.random.default_rng(0).random((4, 75), np.float32)
    facts = Facts((3, 5, 5), "bernoulli", (), PLAIN)
    flat = Dataset(x, None, (75,))
    found, notes = in_order_of(GIVEN, facts, flat, "X")
    np.testing.assert_array_equal(found.x, x)
    assert notes == ["values are read in the order 3 channels, height, width"]
    last = replace(GIVEN, shape=[5, 5, 3], channels="last")
    found, notes = in_order_of(last, facts, flat, "X")
    np.testing.assert_array_equal(found.x, x.reshape(4, 25, 3).transpose(0, 2, 1).reshape(4, 75))
    assert notes == []


def test_missing_values_are_treated_as_in_training():
    x = np.array([[1.0, np.nan], [np.nan, 4.0], [5.0, 6.0]])
    data, facts = Dataset(x, None, (2,)), Facts((2,), "normal", (), PLAIN)
    found, notes = completed(data, GIVEN, facts._replace(medians=np.array([7.0, 8.0])), "X")
    np.testing.assert_array_equal(found.x, [[1, 8], [7, 4], [5, 6]])
    assert notes == ["2 missing values are replaced by medians of the run"]
    found, _ = completed(data, replace(GIVEN, missing="drop"), facts, "X")
    np.testing.assert_array_equal(found.x, [[5, 6]])
    assert completed(data, GIVEN, facts, "X") == (data, [])


@pytest.mark.parametrize(
    ("value", "likelihood", "message"),
    [
        (np.nan, "normal", "X has the value nan in sample 1, feature 0: all values must be finite"),
        (1e39, "normal", "X has the value 1e[+]39 in sample 1, feature 0"),
        (2.0, "bernoulli", r"X has values from 0 to 2: the run was trained on values in \[0, 1\]"),
        (1e30, "normal", "overflows float32"),
    ],
)
def test_values_out_of_range_are_refused(value, likelihood, message):
    x = np.array([[0.0, 0.5], [value, 0.5]])
    with pytest.raises(InputError, match=message):
        check_values(Dataset(x, None, (2,)), Facts((2,), likelihood, (), PLAIN), "X")
