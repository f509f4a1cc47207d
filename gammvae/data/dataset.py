"""Samples and classes as every loader returns them, and a check that they can be trained on.

Notation: ``N`` samples, ``F`` features.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gammvae.data.rows import Rows, Scan, scan
from gammvae.errors import InputError

IF_MISSING = (
    "of a table or a dense array that fits into memory, dataset.missing=median replaces missing "
    "values and dataset.missing=drop leaves out their samples"
)


@dataclass(frozen=True)
class Dataset:
    """Samples in a fixed order, and their classes where known.

    Attributes:
        x: Samples ``(N, F)``: an array of float32, or of float64 if float32 would round its
            values, or rows that are read when they are needed.
        y: Classes ``(N,)``, or ``None``; only the final report uses them.
        shape: Of one sample, of ``F`` values; images are ``(channels, height, width)``.
        notes: What the user should know about how the data were read.
        names: Of the features, where known.
        samples: Names of the samples, where they have some besides their positions.
        categories: The texts of each column of text of which features were made, by column.
        medians: ``(F,)``, what replaces missing values, if they are replaced.
    """

    x: Rows = field(repr=False)
    y: NDArray[Any] | None = field(repr=False)
    shape: tuple[int, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)
    names: tuple[str, ...] = field(default=(), compare=False)
    samples: tuple[str, ...] = field(default=(), compare=False)
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)
    medians: NDArray | None = field(default=None, compare=False)

    @cached_property
    def scan(self) -> Scan:
        """Range, rounding and finiteness of the samples, from one pass over them."""
        return scan(self.x, header=repr((tuple(self.x.shape), self.shape)).encode())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of samples, shape and classes, in hexadecimal."""
        sha = self.scan.sha.copy()
        if self.y is not None:
            sha.update(np.ascontiguousarray(self.y).tobytes())
        return sha.hexdigest()


def check_samples(dataset: Dataset, name: str) -> None:
    """Refuses samples that cannot be trained on.

    Args:
        dataset: Samples and classes.
        name: Of the dataset, for messages.

    Raises:
        InputError: The shapes disagree, there are too few samples or features, a value is not
            finite, or all samples are equal.
    """
    x, y = dataset.x, dataset.y
    dtype = x.dtype if isinstance(x, np.ndarray) else np.dtype(np.float32)
    if len(x.shape) != 2 or dtype not in (np.float32, np.float64):
        raise InputError(
            f"dataset {name} has samples of shape {x.shape} and type {dtype}: "
            "they must be a table of float32 or float64"
        )
    if min(x.shape) < 2:
        raise InputError(
            f"dataset {name} has samples of shape {x.shape}: "
            "clustering needs at least 2 samples of at least 2 features"
        )
    if math.prod(dataset.shape) != x.shape[1] or (y is not None and y.shape != (x.shape[0],)):
        raise InputError(
            f"dataset {name} has {x.shape[0]} samples of {x.shape[1]} features, sample shape "
            f"{dataset.shape} and classes of shape {None if y is None else y.shape}: "
            "these must agree"
        )
    if y is not None and y.dtype.kind not in "iubUS":
        raise InputError(
            f"dataset {name} has classes of type {y.dtype}: they must be whole numbers or text"
        )
    found = dataset.scan
    if found.bad is not None:
        row, column, value = found.bad
        raise InputError(
            f"dataset {name} has the value {value} in sample {row}, feature {column}: "
            "all values must be finite in float32" + (f"; {IF_MISSING}" if np.isnan(value) else "")
        )
    if (found.low == found.high).all():
        raise InputError(f"dataset {name} has {x.shape[0]} equal samples: there are no clusters")
