import numpy as np
import pytest
import scipy.sparse

import gammvae.data.formats.arrays
from gammvae.data.files import load
from gammvae.data.images import arranged
from gammvae.data.rows import SparseRows
from gammvae.errors import InputError

LAST = np.random.default_rng(0).random((6, 8, 9, 3)).astype(np.float32)
FIRST = LAST.transpose(0, 3, 1, 2).reshape(6, -1)


def read(tmp_path, array, shape=None, channels=None):
    np.save(tmp_path / "x.npy", array)
    return load(str(tmp_path / "x.npy"), None, None, [], shape, channels=channels)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("flat", "shape", "channels"),
    [
        (False, None, None),
        (False, None, "last"),
        (False, [3, 8, 9], None),
        (False, [8, 9, 3], None),
        (False, [3, 8, 9], "last"),
        (True, [8, 9, 3], None),
        (True, [3, 8, 9], "last"),
        (True, [8, 9, 3], "last"),
    ],
)
def test_channels_come_to_the_front(flat, shape, channels, streamed, tmp_path, monkeypatch):
    if streamed:
        monkeypatch.setattr(gammvae.data.formats.arrays, "IN_MEMORY_BYTES", 100)
    data = read(tmp_path, LAST.reshape(6, -1) if flat else LAST, shape, channels)
    assert data.shape == (3, 8, 9)
    np.testing.assert_array_equal(data.x[0:6], FIRST)
    np.testing.assert_array_equal(data.x[np.array([4, 1])], FIRST[[4, 1]])
    if channels is None:
        assert "are taken as height 8, width 9, channels 3" in data.notes[-1]


def test_the_order_can_be_set(tmp_path):
    assert "; dataset.channels=first takes the other order" in read(tmp_path, LAST).notes[-1]
    data = read(tmp_path, LAST, channels="first")
    assert (data.shape, data.notes) == ((8, 9, 3), ())
    np.testing.assert_array_equal(data.x, LAST.reshape(6, -1))
    assert read(tmp_path, LAST, [8, 9, 3], "first").shape == (8, 9, 3)


def test_the_same_images_have_the_same_digest_in_either_order(tmp_path):
    one = read(tmp_path, LAST).digest
    assert read(tmp_path, FIRST.reshape(6, 3, 8, 9)).digest == one


@pytest.mark.parametrize(
    ("stored", "expected", "said"),
    [
        ((3, 32, 32), (3, 32, 32), False),
        ((1, 28, 28), (1, 28, 28), False),
        ((28, 28, 1), (1, 28, 28), True),
        ((32, 32, 4), (4, 32, 32), True),
        ((3, 32, 3), (3, 32, 3), True),
        ((1, 64, 4), (1, 64, 4), True),
        ((8, 4, 4), (8, 4, 4), True),
        ((32, 32, 2), (2, 32, 32), True),
        ((32, 32, 5), (5, 32, 32), True),
        ((33, 33, 16), (16, 33, 33), True),
        ((32, 32, 16), (32, 32, 16), False),
        ((32, 32, 17), (32, 32, 17), False),
        ((32, 32, 32), (32, 32, 32), False),
        ((32, 31, 5), (32, 31, 5), False),
        ((16, 8, 8), (16, 8, 8), False),
        ((5, 7), (5, 7), False),
    ],
)
def test_what_could_be_either_is_said(stored, expected, said):
    rows = np.zeros((2, int(np.prod(stored))))
    _, shape, notes = arranged(rows, stored, None, None, "x.npy")
    assert shape == expected
    assert bool(notes) == said


@pytest.mark.parametrize(
    ("stored", "shape", "channels", "message"),
    [
        ((8, 9, 3), [3, 8, 9], "first", r"dataset.shape=\[3, 8, 9\] does not suit x.npy: its sam"),
        ((8, 9, 3), [3, 9, 8], None, r"the shape \[3, 8, 9\], whose values would be mixed up"),
        ((8, 9, 3), [3, 12, 6], None, "mixed up"),
        ((216,), None, "last", r"dataset.channels=last has no use: samples of x.npy have the sha"),
        ((8, 9, 3), [3, 8], None, r"dataset.shape=\[3, 8\] does not suit x.npy: its samples have"),
    ],
)
def test_values_are_never_mixed_up(stored, shape, channels, message):
    if channels is None and shape == [3, 9, 8]:
        stored = (3, 8, 9)
    with pytest.raises(InputError, match=message):
        arranged(np.zeros((2, 216)), stored, shape, channels, "x.npy")


def test_sparse_rows_stay_sparse():
    sparse = SparseRows(scipy.sparse.csr_matrix(LAST.reshape(6, -1)))
    rows, shape, _ = arranged(sparse, (216,), [3, 8, 9], "last", "x.npz")
    assert isinstance(rows, SparseRows)
    assert shape == (3, 8, 9)
    np.testing.assert_array_equal(rows[0:6], FIRST)
