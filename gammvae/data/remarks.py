"""Remarks on samples or classes that look odd. Nothing is changed: the user decides.

Notation: ``N`` samples, ``F`` features.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gammvae.data.rows import Rows, Scan, as_float32
from gammvae.data.samples import subset
from gammvae.errors import InputError

# Values that instruments and file formats write in place of a missing one.
FILLS = as_float32(
    np.array(
        [
            *(sign * value for sign in (-1, 1) for value in (99, 999, 9999, 99999, 999999)),
            *(-32768, 32767, 65535, -2147483648, 2147483647, 4294967295, 1e20, -1e20),
        ]
    )
)
# Any value of at least this size is one as well, such as netCDF's 9.97e36.
LEAST_FILL = np.float32(1e30)
# The search is limited to so many rows, values and features.
FILL_ROWS, FILL_VALUES, FILL_FEATURES = 10_000, 2**24, 1_000
# The spread of a feature is called lost if it is fewer steps of float32 than this.
STEPS = 100


def advice(found: Scan, preprocess: str) -> list[str]:
    """Advice on preprocessing, if the units of the samples suit no likelihood."""
    if preprocess != "none":
        return []
    if found.low.min() == 0 and found.high.max() == 255:
        return ["values from 0 to 255, as of 8-bit images; preprocess=minmax brings them to [0, 1]"]
    span = np.sort(found.high - found.low)
    wide, middle = span[-1], span[len(span) // 2]
    if wide <= max(100.0, 100.0 * middle):
        return []
    return [
        f"one feature spans {wide:g} and half of them at most {middle:g}; "
        "preprocess=standardize would weigh them alike"
    ]


def described(low: float, high: float) -> str:
    """A range of values in words."""
    if np.isinf(low):
        return "values of any size after preprocessing"
    return f"values from {low:g} to {high:g}"


def check_squares(
    low: NDArray, high: NDArray, n_values: int, what: str, remarks: Sequence[str]
) -> None:
    """Refuses values whose sum of squares overflows float32, in which all models compute.

    Args:
        low: Smallest value of each feature, ``(F,)``.
        high: Largest value of each feature, ``(F,)``.
        n_values: Largest number of squares in the sum.
        what: The beginning of the message.
        remarks: The end of the message.

    Raises:
        InputError: The sum can overflow.
    """
    largest = max(abs(float(low.min())), abs(float(high.max())))
    if largest <= np.sqrt(np.finfo(np.float32).max / n_values):
        return
    reason = (
        f"{what} has {described(low.min(), high.max())}: the sum of {n_values} squares of these"
    )
    raise InputError("; ".join([f"{reason} overflows float32", *remarks]))


def remark_on_rounding(found: Scan, preprocess: str, names: Sequence[str]) -> list[str]:
    """Names features whose spread is lost in float32, unless preprocessing shifts them.

    Args:
        found: What a pass over the samples found.
        preprocess: The name of the transformation.
        names: Of the features, where known.
    """
    span = found.high - found.low
    lost = np.flatnonzero((2 * STEPS * found.rounding > span) & (span > 0))
    if preprocess in ("standardize", "minmax") or not len(lost):
        return []
    first = lost[np.argmax(found.rounding[lost] / span[lost])]
    return [
        f"{features(first, lost, names)} a spread of {span[first]:.3g} at {found.high[first]:.6g}, "
        f"of which float32 loses up to {found.rounding[first]:.3g}; "
        "preprocess=standardize shifts and scales them before"
    ]


def remark_on_constants(found: Scan, shape: Sequence[int], names: Sequence[str]) -> list[str]:
    """Names features with one value in all samples; of images, where some have to be, none.

    Args:
        found: What a pass over the samples found.
        shape: Of one sample.
        names: Of the features, where known.
    """
    constant = np.flatnonzero(found.low == found.high)
    if len(shape) > 1 or not len(constant):
        return []
    return [
        f"{features(constant[0], constant, names)} the same value in all samples, which says "
        "nothing about clusters"
    ]


def remark_on_fill(rows: Rows, found: Scan, names: Sequence[str]) -> list[str]:
    """Names features with an outlying value that often stands for a missing one.

    Args:
        rows: All samples ``(N, F)``, of which a random part is examined.
        found: What a pass over all samples found.
        names: Of the features, where known.
    """
    ends = as_float32(np.stack([found.low, found.high]))
    suspects = np.flatnonzero(may_be_fill(ends).any(0))[:FILL_FEATURES]
    if not len(suspects):
        return []
    n_rows = min(FILL_ROWS, max(2, FILL_VALUES // rows.shape[1]))
    some = as_float32(rows[subset(rows.shape[0], n_rows, seed=0)][:, suspects])
    filled = [fill_of(column) for column in some.T]
    index = suspects[[value is not None for value in filled]]
    if not len(index):
        return []
    value = next(value for value in filled if value is not None)
    count = int((some[:, list(suspects).index(index[0])] == np.float32(value)).sum())
    return [
        f"{features(index[0], index, names)} a value far from all others, {value:g} in {count} of "
        f"{len(some)} samples; if it stands for a missing one, it must be replaced"
    ]


def may_be_fill(values: NDArray) -> NDArray[np.bool_]:
    """Whether a value of float32 is one that often stands for a missing one."""
    return np.isin(values, FILLS) | (np.abs(values) >= LEAST_FILL)


def fill_of(column: NDArray) -> float | None:
    """The smallest or largest value of a feature ``(N,)``, if it seems to stand for a missing one.

    It does if it is a usual fill value, occurs more than once, and is farther from the other values
    than these are from each other.
    """
    for value in (column.min(), column.max()):
        others = column[column != value].astype(np.float64)
        if not may_be_fill(value) or len(column) - len(others) < 2 or not len(others):
            continue
        if np.abs(others - value).min() > np.ptp(others) > 0:
            return float(value)
    return None


def features(one: int, all_of_them: NDArray, names: Sequence[str]) -> str:
    """The beginning of a sentence about some features, which names one of them."""
    name = repr(names[one]) if names else str(one)
    if len(all_of_them) == 1:
        return f"feature {name} has"
    return f"{len(all_of_them)} features, {name} for one, have"


def remark_on_classes(y: NDArray[Any] | None) -> list[str]:
    """A remark if no two samples share a class."""
    if y is None or len(np.unique(y)) < len(y):
        return []
    return [f"all {len(y)} classes differ, as names of samples do: ACC, NMI and ARI say nothing"]
