"""Checks of what an estimator is given that scikit-learn's own checks let pass."""

from numbers import Integral
from typing import Any

import numpy as np


def check_values(x: Any, name: str = "X") -> None:  # noqa: ANN401 - of any type
    """Refuses samples whose numbers are not values of features.

    Args:
        x: Samples, of any type.
        name: For the message.

    Raises:
        ValueError: Values are masked, which an array of NumPy would show as what is behind the
            mask, or are dates or durations.
    """
    if np.ma.is_masked(x):
        raise ValueError(
            f"{name} is an array with {int(np.ma.count_masked(x))} masked values: they must be "
            f"replaced, as by {name}.filled(0) or scikit-learn's SimpleImputer"
        )
    kinds = getattr(x, "dtypes", None)
    kinds = [getattr(x, "dtype", None)] if kinds is None else kinds
    for kind in kinds:
        if isinstance(kind, np.dtype) and kind.kind in "mM":
            raise ValueError(f"{name} has values of type {kind}: features must be numbers")


def check_whole(name: str, value: Any, least: int) -> None:  # noqa: ANN401 - of any type
    """Refuses an argument that is no whole number of at least ``least``.

    Raises:
        ValueError: It is not.
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
