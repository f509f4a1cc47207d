"""Missing values of a table: replaced by the median of their feature, or left out by samples.

Notation: ``N`` samples, ``F`` features.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gammvae.data.dataset import Dataset
from gammvae.data.rows import Rows, TransformedRows
from gammvae.errors import InputError


def without_missing(data: Dataset, how: str, what: str) -> Dataset:
    """The data without missing values, which are NaN.

    Args:
        data: Samples and classes.
        how: ``refuse``: nothing is changed, and the check of the samples will refuse them;
            ``median``: each is replaced by the median of the values that its feature has; ``drop``:
            samples that lack a value are left out, and the others are named by their positions,
            counted from 0, unless they have names.
        what: Where they come from, for messages.

    Raises:
        InputError: Nothing is left, a feature has no value at all, or the samples are not in
            memory as an array.
    """
    if how == "refuse":
        return data
    if not isinstance(data.x, np.ndarray):
        raise InputError(
            f"dataset.missing={how} does not suit {what}, which is read in parts: "
            "replace missing values before"
        )
    missing = np.isnan(data.x)
    return with_medians(data, missing, what) if how == "median" else complete(data, missing, what)


def with_medians(data: Dataset, missing: NDArray[np.bool_], what: str) -> Dataset:
    """The data with medians in place of ``missing`` values ``(N, F)``.

    Raises:
        InputError: A feature has no value at all.
    """
    assert isinstance(data.x, np.ndarray)
    empty = missing.all(0)
    if empty.any():
        feature = int(empty.argmax())
        name = repr(data.names[feature]) if data.names else str(feature)
        raise InputError(f"{what} has no value of feature {name} in any sample: leave it out")
    medians = np.array([np.nanmedian(column) for column in data.x.T], data.x.dtype)
    count = int(missing.sum())
    note = (
        f"{count} of {missing.size} values are missing, in {missing.any(1).sum()} samples, and "
        "replaced by the median of their feature"
    )
    notes = (*data.notes, note) if count else data.notes
    return replace(data, x=filled(data.x, medians), medians=medians, notes=notes)


def complete(data: Dataset, missing: NDArray[np.bool_], what: str) -> Dataset:
    """The data without samples of which a value is ``missing`` ``(N, F)``.

    Raises:
        InputError: No sample is left.
    """
    assert isinstance(data.x, np.ndarray)
    kept = np.flatnonzero(~missing.any(1))
    if not len(kept):
        raise InputError(f"{what} has no sample without missing values: dataset.missing=drop")
    if len(kept) == len(missing):
        return data
    note = (
        f"{len(missing) - len(kept)} of {len(missing)} samples are left out because a value is "
        "missing"
    )
    return replace(
        data,
        x=data.x[kept],
        y=None if data.y is None else data.y[kept],
        samples=tuple(data.samples[index] if data.samples else str(index) for index in kept),
        notes=(*data.notes, note),
    )


def filled(rows: Rows, medians: NDArray) -> Rows:
    """The rows ``(N, F)`` with a median ``(F,)`` in place of each missing value."""

    def fill(values: NDArray) -> NDArray:
        return np.where(np.isnan(values), medians, values)

    return fill(rows) if isinstance(rows, np.ndarray) else TransformedRows(rows, fill)
