"""Samples as training uses them: float32 on its device, stored there or sent in batches.

Notation: ``N`` samples, ``F`` features, ``B`` samples that are read at once.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gammvae.data.rows import (
    IN_MEMORY_BYTES,
    Index,
    Rows,
    as_float32,
    chunks,
    progress,
    rows_per_chunk,
)


def subset(n_samples: int, size: int, seed: int) -> NDArray[np.int64]:
    """The indices of ``size`` samples, drawn at random and sorted, or of all if there are no more.

    Args:
        n_samples: Number of samples to draw from.
        size: The largest number of indices.
        seed: Of the draw.
    """
    if n_samples <= size:
        return np.arange(n_samples)
    return np.sort(np.random.default_rng(seed).choice(n_samples, size, replace=False))


class Samples(Protocol):
    """All samples, float32 on the device of training; a tensor ``(N, F)`` is one."""

    @property
    def shape(self) -> Any:  # noqa: ANN401 - as torch's
        """``(N, F)``."""

    @property
    def device(self) -> torch.device:
        """The device of the batches."""

    def __len__(self) -> int:
        """``N``."""

    def __getitem__(self, index: Any, /) -> Tensor:  # noqa: ANN401 - as torch's
        """The samples ``(B, F)`` at an index tensor ``(B,)``."""

    def split(self, split_size: int) -> Iterable[Tensor]:
        """All samples in order, ``split_size`` at a time."""


def batch_of(x: Samples, index: Tensor) -> Tensor:
    """The samples ``(B, F)`` at an index tensor ``(B,)``; of a tensor faster than ``x[index]``."""
    return x.index_select(0, index) if isinstance(x, Tensor) else x[index]


def on_host(x: Samples, index: NDArray[np.int64]) -> NDArray[np.float32]:
    """The samples ``(n, F)`` at indices ``(n,)``, in the host's memory."""
    return x[torch.from_numpy(index).to(x.device)].cpu().numpy()


class StreamedSamples:
    """Samples that are read and sent to the device when they are needed.

    Args:
        rows: ``(N, F)``.
        device: Of the batches.
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
        # A copy: torch aligns memory, numpy does not always, and the last bits of a matrix product
        # depend on the alignment.
        return torch.tensor(as_float32(self.rows[index]), device=self.device)


def in_order(x: Samples, purpose: str) -> Iterator[Tensor]:
    """Yields all samples in order, in chunks ``(B, F)`` of the same size as those of ``chunks``."""
    yield from progress(x.split(rows_per_chunk(x.shape[1])), x.shape, purpose)


def samples_on(device: torch.device, rows: Rows) -> Samples:
    """All samples on the device, or samples that are streamed to it if the rows are too large.

    On the CPU, rows that are in memory as they are needed are not copied.
    """
    if isinstance(rows, np.ndarray) and rows.dtype == np.float32:
        flags = rows.flags
        if flags.c_contiguous and flags.writeable and flags.aligned:
            return torch.from_numpy(rows).to(device)
    streamed = StreamedSamples(rows, device)
    n_samples, features = rows.shape
    if not isinstance(rows, np.ndarray) and 4 * n_samples * features > IN_MEMORY_BYTES:
        return streamed
    samples = torch.empty(n_samples, features)
    size = rows_per_chunk(features)
    for part, chunk in zip(samples.split(size), chunks(rows, "loading"), strict=True):
        part.numpy()[:] = as_float32(chunk)
    return samples.to(device)
