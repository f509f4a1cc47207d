"""Rows of data wherever they are (in memory, in a larger file, sparse), and batches of them.

Letters: ``N`` samples, ``F`` features, ``B`` rows of one access.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from gammvae.errors import InputError
from gammvae.memory import CHUNK_ROWS, CHUNK_VALUES, memory_of_machine

# Rows that are not in memory yet are taken into it if they fit here as float32.
IN_MEMORY_BYTES = 2**30
# Reading this much takes seconds, which deserve a progress bar.
SLOW_BYTES = 2**30

Index = slice | NDArray[np.int64]
Part = TypeVar("Part", NDArray, Tensor)


class Rows(Protocol):
    """A table of numbers ``(N, F)`` that can be read by rows; a numpy array is one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, F)``."""

    def __getitem__(self, index: Any, /) -> Any:  # noqa: ANN401 - as numpy's
        """The rows of an index, ``(B, F)``."""


class MappedRows:
    """The samples of a ``.npy`` file, which is opened anew for every access.

    A lasting memory map would count every page that it ever touched as memory of this process.

    Args:
        path: The file; its array may have any number of dimensions, the first counts samples.
    """

    def __init__(self, path: Path) -> None:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        self.path = path
        self.shape: tuple[int, ...] = (len(array), array[0].size)

    def __getitem__(self, index: Index) -> NDArray:
        rows = np.array(np.load(self.path, mmap_mode="r", allow_pickle=False)[index])
        return rows.reshape(len(rows), -1)


class SparseRows:
    """The rows of a sparse matrix, made dense at every access.

    Args:
        matrix: ``(N, F)`` in scipy's CSR format.
    """

    def __init__(self, matrix: scipy.sparse.csr_matrix) -> None:
        self.matrix = matrix
        self.shape: tuple[int, ...] = matrix.shape

    def __getitem__(self, index: Index) -> NDArray:
        return self.matrix[index].toarray()


class TransformedRows:
    """Rows that go through a function at every access.

    Args:
        rows: The rows.
        transform: Maps floats ``(B, F)``, in float64 where the rows need it, to the same shape,
            each row by itself.
    """

    def __init__(self, rows: Rows, transform: Callable[[NDArray], NDArray]) -> None:
        self.rows = rows
        self.transform = transform
        self.shape: tuple[int, ...] = rows.shape

    def __getitem__(self, index: Index) -> NDArray:
        return as_float32(self.transform(as_floats(self.rows[index])))


class ReorderedRows:
    """Rows whose features are put in another order at every access.

    Args:
        rows: The rows ``(N, F)``.
        order: Which feature of theirs comes where, ``(F,)``.
    """

    def __init__(self, rows: Rows, order: NDArray[np.int64]) -> None:
        self.rows = rows
        self.order = order
        self.shape: tuple[int, ...] = rows.shape

    def __getitem__(self, index: Index) -> NDArray:
        return self.rows[index][:, self.order]


def reordered(rows: Rows, order: NDArray[np.int64]) -> Rows:
    """The rows ``(N, F)`` with their features in another order ``(F,)``, kept as they are kept."""
    if isinstance(rows, np.ndarray):
        return np.ascontiguousarray(rows[:, order])
    if isinstance(rows, SparseRows):
        return SparseRows(rows.matrix[:, order])
    return ReorderedRows(rows, order)


def as_floats(values: NDArray) -> NDArray:
    """The values in float32 if their type fits into it, else in float64."""
    kind = np.float32 if np.can_cast(values.dtype, np.float32) else np.float64
    with np.errstate(over="ignore"):
        return values.astype(kind, copy=False)


def smallest_floats(values: NDArray) -> NDArray:
    """The values in float32 if that holds all of them exactly, else in float64."""
    single, exact = as_float32(values), as_floats(values)
    return single if np.array_equal(single, exact, equal_nan=True) else exact


def as_float32(values: NDArray) -> NDArray[np.float32]:
    """The values in float32; what does not fit becomes infinite."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32, copy=False)


def check_fits(n_bytes: int, path: Path) -> None:
    """Refuses a file that would take more than half of this machine's memory once it is read.

    Args:
        n_bytes: What it would take.
        path: For the message.
    """
    memory = memory_of_machine()
    if n_bytes > memory // 2:
        raise InputError(
            f"{path} takes {n_bytes / 2**30:.1f} GiB when it is read, more than half of the "
            f"{memory / 2**30:.1f} GiB of this machine: a .npy file would be streamed"
        )


def rows_per_chunk(features: int) -> int:
    """How many rows of a number of ``features`` are worked on at a time."""
    return max(1, min(CHUNK_ROWS, CHUNK_VALUES // features))


def chunks(rows: Rows, purpose: str) -> Iterator[NDArray]:
    """All rows in order, as stored, a chunk ``(B, F)`` at a time.

    Args:
        rows: ``(N, F)``.
        purpose: Shown beside the progress bar that a long pass gets.
    """
    n_samples, features = rows.shape
    size = rows_per_chunk(features)
    parts = (rows[start : start + size] for start in range(0, n_samples, size))
    yield from progress(parts, rows.shape, purpose)


def progress(parts: Iterable[Part], shape: tuple[int, ...], purpose: str) -> Iterator[Part]:
    """Passes on the parts of a table ``(N, F)``, with a progress bar if that will take seconds."""
    slow = 4 * math.prod(shape) > SLOW_BYTES
    with tqdm(total=shape[0], desc=purpose, unit="row", disable=None if slow else True) as bar:
        for part in parts:
            yield part
            bar.update(len(part))


class Scan(NamedTuple):
    """What one pass over all samples finds out; their range is not rounded to float32."""

    low: NDArray  # (F,), the smallest value of every feature
    high: NDArray  # (F,)
    rounding: NDArray  # (F,), the largest change of a value by float32
    bad: tuple[int, int, Any] | None  # sample, feature and value of the first that is not finite
    filled: float  # the share of values that are not zero
    sha: Any  # hashlib's object, after all values as float32


def scan(rows: Rows, header: bytes) -> Scan:
    """One pass over ``rows`` ``(N, F)``, hashing their values behind a ``header``."""
    sha = hashlib.sha256(header)
    low = np.full(rows.shape[1], np.inf, np.float32)
    high, rounding = -low, np.zeros_like(low)
    bad, start, not_zero = None, 0, 0
    for stored in chunks(rows, "reading"):
        exact = as_floats(stored)
        chunk = np.ascontiguousarray(as_float32(exact))
        sha.update(chunk.data)
        not_zero += int(np.count_nonzero(chunk))
        low, high = np.minimum(low, exact.min(0)), np.maximum(high, exact.max(0))
        if bad is None and not np.isfinite(as_float32(np.stack([low, high]))).all():
            row, column = np.argwhere(~np.isfinite(chunk))[0].tolist()
            bad = (start + row, column, stored[row, column].item())
        if bad is None and exact.dtype != chunk.dtype:
            rounding = np.maximum(rounding, np.abs(exact - chunk).max(0))
        start += len(chunk)
    return Scan(low, high, rounding, bad, not_zero / math.prod(rows.shape), sha)


def subset(n_samples: int, size: int, seed: int) -> NDArray[np.int64]:
    """All of ``n_samples`` indices in order, or as many as ``size``, drawn with the seed."""
    if n_samples <= size:
        return np.arange(n_samples)
    return np.sort(np.random.default_rng(seed).choice(n_samples, size, replace=False))


class Samples(Protocol):
    """All samples as training sees them, float32 on its device; a tensor ``(N, F)`` is one."""

    @property
    def shape(self) -> Any:  # noqa: ANN401 - as torch's
        """``(N, F)``."""

    @property
    def device(self) -> torch.device:
        """Where the batches are."""

    def __len__(self) -> int:
        """``N``."""

    def __getitem__(self, index: Any, /) -> Tensor:  # noqa: ANN401 - as torch's
        """The samples of an index tensor ``(B,)``, ``(B, F)``."""

    def split(self, split_size: int) -> Iterable[Tensor]:
        """All samples in order, ``split_size`` at a time."""


class StreamedSamples:
    """Samples that are read and put on the device when they are asked for.

    Args:
        rows: ``(N, F)``.
        device: Where the batches go.
    """

    def __init__(self, rows: Rows, device: torch.device) -> None:
        self.rows = rows
        self.device = device
        self.shape = torch.Size(rows.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Tensor) -> Tensor:
        return self._place(index.cpu().numpy())

    def split(self, split_size: int) -> Iterator[Tensor]:
        """All samples in order, ``split_size`` at a time."""
        for start in range(0, len(self), split_size):
            yield self._place(slice(start, start + split_size))

    def _place(self, index: Index) -> Tensor:
        # A copy, because torch aligns memory and numpy does not always, and the last bits of a
        # matrix product depend on it.
        return torch.tensor(as_float32(self.rows[index]), device=self.device)


def in_order(x: Samples, purpose: str) -> Iterator[Tensor]:
    """All samples in order, a chunk ``(B, F)`` at a time, as ``chunks`` of rows."""
    yield from progress(x.split(rows_per_chunk(x.shape[1])), x.shape, purpose)


def samples_on(device: torch.device, rows: Rows) -> Samples:
    """All samples on the device if they are in memory or fit there, else streamed to it."""
    streamed = StreamedSamples(rows, device)
    n_samples, features = rows.shape
    if not isinstance(rows, np.ndarray) and 4 * n_samples * features > IN_MEMORY_BYTES:
        return streamed
    samples = torch.empty(n_samples, features)
    size = rows_per_chunk(features)
    for part, chunk in zip(samples.split(size), chunks(rows, "loading"), strict=True):
        part.numpy()[:] = as_float32(chunk)
    return samples.to(device)
