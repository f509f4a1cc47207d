import subprocess
import sys

import numpy as np
import pytest

import gammvae.data.rows
from gammvae.data.rows import (
    as_floats,
    check_fits,
    chunks,
    reordered,
    rows_per_chunk,
    scan,
    smallest_floats,
)
from gammvae.errors import InputError


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(gammvae.data.rows, "CHUNK_ROWS", 7)


def test_rows_are_the_values(rows_and_values):
    rows, values = rows_and_values
    index = np.array([59, 0, 3, 3])
    assert tuple(rows.shape) == values.shape
    np.testing.assert_array_equal(rows[index], values[index])
    np.testing.assert_array_equal(rows[10:25], values[10:25])


def test_no_rows_are_an_empty_table(rows_and_values):
    rows, values = rows_and_values
    assert rows[np.array([], np.int64)].shape == (0, values.shape[1])


@pytest.mark.usefixtures("small_chunks")
def test_chunks_are_all_rows_in_order(rows_and_values):
    rows, values = rows_and_values
    parts = list(chunks(rows, "test"))
    assert {len(part) for part in parts[:-1]} == {7}
    np.testing.assert_array_equal(np.concatenate(parts), values)


@pytest.mark.usefixtures("small_chunks")
def test_a_scan_is_the_same_however_the_rows_are_kept(rows_and_values):
    rows, values = rows_and_values
    found, expected = scan(rows, b"header"), scan(values, b"header")
    np.testing.assert_array_equal(found.low, values.min(0))
    np.testing.assert_array_equal(found.high, values.max(0))
    assert found.bad is None
    assert found.filled == (values != 0).mean()
    assert found.sha.hexdigest() == expected.sha.hexdigest()
    assert found.sha.hexdigest() != scan(values, b"other").sha.hexdigest()


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_a_scan_finds_the_first_value_that_float32_cannot_hold(value):
    values = np.zeros((50, 4))
    values[[23, 40], [2, 1]] = value, np.nan
    row, column, found = scan(values, b"").bad
    assert (row, column) == (23, 2)
    np.testing.assert_equal(found, value)


def test_a_chunk_of_long_rows_has_fewer_of_them():
    assert rows_per_chunk(784) == 1024
    assert rows_per_chunk(2**20) == 2
    assert rows_per_chunk(2**30) == 1


def test_what_takes_more_than_half_of_the_memory_is_refused(tmp_path):
    check_fits(1000, tmp_path)
    with pytest.raises(InputError, match=r"takes 1048576\.0 GiB when it is read, more than half"):
        check_fits(2**50, tmp_path)


def test_reading_a_mapped_file_leaves_nothing_in_memory(tmp_path):
    """In a process of its own: 400 MB are read, which memory mapping alone would leave resident."""
    path = tmp_path / "x.npy"
    array = np.lib.format.open_memmap(path, "w+", np.float32, (400_000, 250))
    array.flush()
    del array
    program = (
        "import resource, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from gammvae.data.rows import MappedRows, chunks\n"
        "rows = MappedRows(Path(sys.argv[1]))\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "before = peak()\n"
        "total = sum(len(chunk) for chunk in chunks(rows, 'test'))\n"
        "for part in np.array_split(np.random.default_rng(0).permutation(total), 1000):\n"
        "    rows[part]\n"
        "print(total, peak() - before)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    total, grown = result.stdout.split()
    assert total == "400000"
    assert float(grown) < 100  # MB


@pytest.mark.parametrize(
    ("kind", "floats", "smallest"),
    [
        ("?", "f4", "f4"),
        ("i2", "f4", "f4"),
        ("i4", "f8", "f4"),
        ("i8", "f8", "f4"),
        (">f4", "f4", "f4"),
        ("f8", "f8", "f4"),
        ("f2", "f4", "f4"),
        (np.longdouble, "f8", "f4"),
    ],
)
def test_floats_are_as_wide_as_they_must_be(kind, floats, smallest):
    values = np.array([[0, 1], [1, 0]]).astype(kind)
    assert as_floats(values).dtype == floats
    assert smallest_floats(values).dtype == smallest
    for exact in (np.array([2**24 + 1]), np.array([0.1]), np.array([np.nan, 1e300])):
        assert smallest_floats(exact).dtype == np.float64
    assert smallest_floats(np.array([np.nan, 0.5])).dtype == np.float32


@pytest.mark.usefixtures("small_chunks")
def test_a_scan_does_not_round_what_it_says_of_the_range():
    values = np.random.default_rng(0).normal(size=(50, 3)) + [1e8, 0, 0]
    values[:, 2] = 0.5
    found = scan(values, b"")
    np.testing.assert_array_equal(found.low, values.min(0))
    np.testing.assert_array_equal(found.high, values.max(0))
    np.testing.assert_array_equal(found.rounding, np.abs(values.astype("f4") - values).max(0))
    assert found.rounding[2] == 0
    assert scan(values.astype("f4"), b"").low.dtype == np.float32


def test_features_in_another_order(rows_and_values):
    rows, values = rows_and_values
    order = np.array([5, 0, 1, 4, 3, 2])
    other = reordered(rows, order)
    assert other.shape == rows.shape
    np.testing.assert_array_equal(other[0:60], values[:, order])
    np.testing.assert_array_equal(other[np.array([7, 3])], values[[7, 3]][:, order])
