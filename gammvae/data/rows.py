"""Rows of a table, which may be an array, a sparse matrix or a file larger than the memory.

Notation: ``N`` samples, ``F`` features, ``B`` rows that are read at once.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from torch import Tensor

from gammvae.errors import InputError
from gammvae.system.memory import CHUNK_ROWS, CHUNK_VALUES, memory_of_machine
from gammvae.system.progress import hidden, meter

# Tables up to this size, in float32, are loaded into memory; larger ones are read in batches.
IN_MEMORY_BYTES = 2**30
# From this size on, reading takes seconds and gets a progress bar.
SLOW_BYTES = 2**30

Index = slice | NDArray[np.int64]
Part = TypeVar("Part", NDArray, Tensor)


class Rows(Protocol):
    """A table of numbers ``(N, F)`` that can be read by rows; a numpy array is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, F)``."""

    def __getitem__(self, index: Any, /) -> Any:  # noqa: ANN401 - as numpy's
        """The rows ``(B, F)`` at an index."""


class MappedRows:
    """The samples of a ``.npy`` file, which is opened again for every access.

    A memory map that stays open would count every page ever read as memory of this process.

    Args:
        path: The file; the first axis of its array counts samples, the others are flattened.
    """

    def __init__(self, path: Path) -> None:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        self.path = path
        self.shape: tuple[int, ...] = (len(array), array[0].size)

    def __getitem__(self, index: Index) -> NDArray:
        rows = np.array(np.load(self.path, mmap_mode="r", allow_pickle=False)[index])
        return rows.reshape(len(rows), self.shape[1])


class SparseRows:
    """The rows of a sparse matrix, which are made dense when they are read.

    Args:
        matrix: ``(N, F)`` in scipy's CSR format.
    """

    def __init__(self, matrix: scipy.sparse.csr_matrix) -> None:
        self.matrix = matrix
        self.shape: tuple[int, ...] = matrix.shape

    def __getitem__(self, index: Index) -> NDArray:
        return self.matrix[index].toarray()


class TransformedRows:
    """Rows that are transformed when they are read.

    Args:
        rows: The rows ``(N, F)``.
        transform: Maps ``(B, F)`` to ``(B, F)``, each row by itself; it is given float32, or
            float64 if float32 would round the rows.
    """

    def __init__(self, rows: Rows, transform: Callable[[NDArray], NDArray]) -> None:
        self.rows = rows
        self.transform = transform
        self.shape: tuple[int, ...] = rows.shape

    def __getitem__(self, index: Index) -> NDArray:
        return as_float32(self.transform(as_floats(self.rows[index])))


class ReorderedRows:
    """Rows whose features are reordered when they are read.

    Args:
        rows: The rows ``(N, F)``.
        order: The index ``(F,)`` of each feature in these rows.
    """

    def __init__(self, rows: Rows, order: NDArray[np.int64]) -> None:
        self.rows = rows
        self.order = order
        self.shape: tuple[int, ...] = rows.shape

    def __getitem__(self, index: Index) -> NDArray:
        return self.rows[index][:, self.order]


def reordered(rows: Rows, order: NDArray[np.int64]) -> Rows:
    """The rows ``(N, F)`` with their features in another order ``(F,)``, stored in the same way."""
    if isinstance(rows, np.ndarray):
        return np.ascontiguousarray(rows[:, order])
    if isinstance(rows, SparseRows):
        return SparseRows(rows.matrix[:, order])
    return ReorderedRows(rows, order)


def as_floats(values: NDArray) -> NDArray:
    """The values in float32 if that can represent their type, else in float64."""
    kind = np.float32 if np.can_cast(values.dtype, np.float32) else np.float64
    with np.errstate(over="ignore"):
        return values.astype(kind, copy=False)


def smallest_floats(values: NDArray) -> NDArray:
    """The values in float32 if that represents all of them exactly, else in float64."""
    single, exact = as_float32(values), as_floats(values)
    return single if np.array_equal(single, exact, equal_nan=True) else exact


def as_float32(values: NDArray) -> NDArray[np.float32]:
    """The values in float32; those that are too large become infinite."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32, copy=False)


def check_fits(n_bytes: int, path: Path) -> None:
    """Refuses a file that would need more than half of this machine's memory.

    Args:
        n_bytes: Memory that its content needs.
        path: Of the file, for the message.

    Raises:
        InputError: It is too large.
    """
    memory = memory_of_machine()
    if n_bytes > memory // 2:
        raise InputError(
            f"{path} takes {n_bytes / 2**30:.1f} GiB when it is read, more than half of the "
            f"{memory / 2**30:.1f} GiB of this machine: a .npy file would be streamed"
        )


def rows_per_chunk(features: int) -> int:
    """The number of rows of a chunk, given the number of ``features``."""
    return max(1, min(CHUNK_ROWS, CHUNK_VALUES // features))


def chunks(rows: Rows, purpose: str) -> Iterator[NDArray]:
    """Yields all rows in order, in chunks ``(B, F)`` of the stored type.

    Args:
        rows: ``(N, F)``.
        purpose: The title of the progress bar, which only long passes show.
    """
    n_samples, features = rows.shape
    size = rows_per_chunk(features)
    parts = (rows[start : start + size] for start in range(0, n_samples, size))
    yield from progress(parts, rows.shape, purpose)


def progress(parts: Iterable[Part], shape: tuple[int, ...], purpose: str) -> Iterator[Part]:
    """Yields the parts of a table ``(N, F)``, with a progress bar if the table is large."""
    slow = 4 * math.prod(shape) > SLOW_BYTES
    with meter(total=shape[0], desc=purpose, unit="row", disable=hidden() if slow else True) as bar:
        for part in parts:
            yield part
            bar.update(len(part))


class Scan(NamedTuple):
    """What one pass over all samples finds; the range is not rounded to float32."""

    low: NDArray  # (F,), the smallest value of every feature
    high: NDArray  # (F,), the largest
    rounding: NDArray  # (F,), the largest change of a value by float32
    bad: tuple[int, int, Any] | None  # sample, feature and value of the first that is not finite
    filled: float  # the fraction of values that are not zero
    sha: Any  # hashlib's object, after all values as float32


def scan(rows: Rows, header: bytes) -> Scan:
    """Scans ``rows`` ``(N, F)`` in one pass; the hash starts with ``header``."""
    sha = hashlib.sha256(header)
    low = np.full(rows.shape[1], np.inf, np.float32)
    high, rounding = -low, np.zeros_like(low)
    bad, start, not_zero = None, 0, 0
    for stored in chunks(rows, "reading"):
        exact = as_floats(stored)
        chunk = np.ascontiguousarray(as_float32(exact))
        sha.update(chunk.data)
        not_zero += int(np.count_nonzero(exact))  # float32 may have lost them
        low, high = np.minimum(low, exact.min(0)), np.maximum(high, exact.max(0))
        if bad is None and not np.isfinite(as_float32(np.stack([low, high]))).all():
            row, column = np.argwhere(~np.isfinite(chunk))[0].tolist()
            bad = (start + row, column, stored[row, column].item())
        if bad is None and exact.dtype != chunk.dtype:
            rounding = np.maximum(rounding, np.abs(exact - chunk).max(0))
        start += len(chunk)
    return Scan(low, high, rounding, bad, not_zero / math.prod(rows.shape), sha)
