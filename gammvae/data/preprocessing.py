"""Transformations of samples before training, with statistics of all samples.

Notation: ``N`` samples, ``F`` features, ``B`` rows of one access.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler, normalize

from gammvae.data.rows import Rows, Scan, as_float32, chunks
from gammvae.errors import InputError

# Largest accepted error from rounding to float32, as a share of a feature's scale.
ROUNDING = 1e-4


@dataclass(frozen=True)
class Preprocessing:
    """A transformation of rows ``(B, F)``, computed in float64.

    Float32 is not enough: a feature can be far larger than its spread, and the square of anything
    above 1.8e19 overflows.

    Attributes:
        name: ``none``, or a key of ``FUNCTIONS``.
        figures: Statistics of all rows, ``(F,)`` each, by name of the function's argument.
    """

    name: str
    figures: dict[str, NDArray]

    def __call__(self, x: NDArray) -> NDArray:
        """The transformed rows ``(B, F)``."""
        if self.name == "none":
            return x
        return FUNCTIONS[self.name](x.astype(np.float64), **self.figures)

    @property
    def invertible(self) -> bool:
        """Whether the original rows can be recovered."""
        return self.name in INVERSES

    def invert(self, x: NDArray) -> NDArray:
        """The rows ``(B, F)`` in their original units; only if ``invertible``."""
        return INVERSES[self.name](x, **self.figures)

    def original(self, x: NDArray[np.float32]) -> NDArray:
        """Rows ``(B, F)`` in their original units, or as they are if these are lost.

        They are in float64 if float32 is not precise enough, which is so if the values of a feature
        are far larger than their range.
        """
        if not self.invertible:
            return x
        exact = self.invert(x)
        single = as_float32(exact)
        zero, one = (self.invert(np.full((1, x.shape[1]), value)) for value in (0.0, 1.0))
        return exact if (np.abs(single - exact) > ROUNDING * (one - zero)).any() else single


def fit(name: str, rows: Rows, scan: Scan, shape: tuple[int, ...]) -> Preprocessing:
    """Fits a transformation to the samples.

    Args:
        name: ``none``; ``standardize``, to mean 0 and standard deviation 1 of each feature;
            ``minmax``, to [0, 1] by the range of each feature, or of all pixels of images;
            ``l2``, to rows of length 1; ``tfidf``, from counts to rows of length 1 as
            ``sklearn.feature_extraction.text.TfidfTransformer`` makes them.
        rows: All samples, ``(N, F)``.
        scan: What a pass over them found.
        shape: Of one sample; three axes mean an image.

    Raises:
        InputError: It is ``tfidf`` and a sample has negative values.
    """
    figures: dict[str, NDArray] = {}
    if name == "standardize":
        figures = mean_and_deviation(rows, scan)
    elif name == "minmax":
        figures = {"low": scan.low, "high": scan.high}
        if len(shape) == 3:
            figures = {
                "low": np.full_like(scan.low, scan.low.min()),
                "high": np.full_like(scan.high, scan.high.max()),
            }
    elif name == "tfidf":
        if (least := scan.low.min()) < 0:
            raise InputError(
                f"preprocess=tfidf needs counts, at least 0, and the least is {least:g}"
            )
        figures = {"idf": inverse_document_frequency(rows)}
    return Preprocessing(name, figures)


def mean_and_deviation(rows: Rows, scan: Scan) -> dict[str, NDArray]:
    """Mean and standard deviation of each feature, ``(F,)``; the latter is 1 for a constant one."""
    scaler, units = StandardScaler(), powers_of_two(np.maximum(abs(scan.low), abs(scan.high)))
    for chunk in chunks(rows, "standardizing"):
        scaler.partial_fit(chunk.astype(np.float64) / units)
    constant = scan.low == scan.high
    deviation = np.where(constant, scaler.scale_, scaler.scale_ * units)
    return {"mean": scaler.mean_ * units, "deviation": deviation}


def powers_of_two(sizes: NDArray) -> NDArray[np.float64]:
    """The powers of two next to some sizes, or 1 for 0.

    What is divided by them has squares that neither overflow nor vanish, and loses nothing.
    """
    return np.where(sizes > 0, np.ldexp(1.0, np.frexp(sizes.astype(np.float64))[1] - 1), 1.0)


def standardized(x: NDArray, mean: NDArray, deviation: NDArray) -> NDArray:
    """To mean 0 and standard deviation 1, given those of each feature, ``(F,)``."""
    return (x - mean) / deviation


def minmax(x: NDArray, low: NDArray, high: NDArray) -> NDArray:
    """From ``[low, high]``, ``(F,)`` each, to [0, 1]; to 0 where both are equal."""
    return np.clip((x - low) / span(low, high), 0, 1)


def span(low: NDArray, high: NDArray) -> NDArray:
    """``high - low``, or 1 where they are equal."""
    return np.where(high > low, high - low, 1)


def unit_length(x: NDArray) -> NDArray:
    """Rows of length 1; those of zeros stay as they are."""
    return normalize(x / powers_of_two(abs(x).max(1, keepdims=True)))


def inverse_document_frequency(rows: Rows) -> NDArray:
    r"""``(F,)``: :math:`\log \frac{1 + N}{1 + \mathrm{df}} + 1`, scikit-learn's smooth form."""
    frequency = sum((chunk > 0).sum(0) for chunk in chunks(rows, "counting terms"))
    return np.log((1 + rows.shape[0]) / (1 + np.asarray(frequency))) + 1


def tfidf(x: NDArray, idf: NDArray) -> NDArray:
    """Counts times inverse document frequency ``(F,)``, as rows of length 1."""
    return normalize(x * idf)


FUNCTIONS: dict[str, Callable[..., NDArray]] = {
    "standardize": standardized,
    "minmax": minmax,
    "l2": unit_length,
    "tfidf": tfidf,
}
# The statistics that each transformation needs.
FIGURES: dict[str, tuple[str, ...]] = {
    "none": (),
    "standardize": ("mean", "deviation"),
    "minmax": ("low", "high"),
    "l2": (),
    "tfidf": ("idf",),
}
INVERSES: dict[str, Callable[..., NDArray]] = {
    "none": lambda x: x,
    "standardize": lambda x, mean, deviation: x * deviation + mean,
    "minmax": lambda x, low, high: x * span(low, high) + low,
}
