from dataclasses import replace

import numpy as np
import pytest

from gammvae.data.dataset import Dataset, check_samples
from gammvae.errors import InputError
from tests.data.test_training_data import GOOD, with_value


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (with_value(np.nan), "has the value nan in sample 3, feature 2: all values must be finite"),
        (with_value(np.inf), "has the value inf in sample 3, feature 2"),
        (replace(GOOD, x=GOOD.x[:0], y=None), r"samples of shape \(0, 4\): clustering needs at"),
        (replace(GOOD, x=GOOD.x[:1], y=None), r"samples of shape \(1, 4\): clustering needs at"),
        (replace(GOOD, x=GOOD.x[:, :1], shape=(1,)), r"samples of shape \(5, 1\): clustering"),
        (replace(GOOD, x=GOOD.x[0]), r"samples of shape \(4,\)"),
        (replace(GOOD, x=GOOD.x.astype(np.float16)), "type float16"),
        (replace(GOOD, x=np.ones_like(GOOD.x)), "has 5 equal samples"),
        (replace(GOOD, shape=(1, 3, 3)), "these must agree"),
        (replace(GOOD, y=np.arange(4)), "these must agree"),
        (replace(GOOD, y=np.array(list("abcde"), object)), "has classes of type object: they"),
    ],
)
def test_unusable_samples_are_refused(dataset, message):
    with pytest.raises(InputError, match=message):
        check_samples(dataset, "mine")


def test_the_digest_is_that_of_the_values_in_float32():
    x = np.random.default_rng(0).normal(size=(9, 4))
    single = Dataset(x.astype(np.float32), None, (4,))
    assert Dataset(x, None, (4,)).digest == single.digest
    fixed = Dataset(np.arange(8, dtype=np.float32).reshape(4, 2), np.arange(4), (2,))
    assert (
        fixed.digest == "c061b501ac885dbe3bd4960c2d59e9e1e980d98853f068577b5b08a6f17b8746"
    )  # of stored runs
