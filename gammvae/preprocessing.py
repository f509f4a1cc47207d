"""What may be done to samples before training: each row by itself, with figures of all rows.

Letters: ``N`` samples, ``F`` features, ``B`` rows of one access.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler, normalize

from gammvae.errors import InputError
from gammvae.samples import Rows, Scan, as_float32, chunks

Transform = Callable[[NDArray], NDArray]


def fit_transform(name: str, rows: Rows, scan: Scan, shape: tuple[int, ...]) -> Transform | None:
    """The transformation of float32 rows ``(B, F)`` that a name stands for; ``None`` for ``none``.

    Args:
        name: ``none``; ``standardize``, to mean 0 and deviation 1 of every feature; ``minmax``, to
            [0, 1] by the range of every feature, or of all pixels if the samples are images;
            ``l2``, to rows of length 1; ``tfidf``, from counts to rows of length 1 as
            ``sklearn.feature_extraction.text.TfidfTransformer`` makes them.
        rows: All samples, ``(N, F)``.
        scan: What a pass over them found.
        shape: Shape of a sample; three numbers make it an image.

    Raises:
        InputError: The samples do not suit it.
    """
    if name == "standardize":
        return standardize(rows)
    if name == "minmax":
        low, high = scan.low, scan.high
        if len(shape) == 3:
            low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
        return partial(minmax, low=low, high=high)
    if name == "l2":
        return normalize
    if name == "tfidf":
        if (low := scan.low.min()) < 0:
            raise InputError(f"preprocess=tfidf needs counts, at least 0, and the least is {low:g}")
        return partial(tfidf, idf=inverse_document_frequency(rows))
    return None


def standardize(rows: Rows) -> Transform:
    """To mean 0 and deviation 1 of every feature; a constant one becomes 0."""
    scaler = StandardScaler()
    for chunk in chunks(rows, "standardizing"):
        scaler.partial_fit(as_float32(chunk).astype(np.float64))
    return scaler.transform


def minmax(x: NDArray, low: NDArray, high: NDArray) -> NDArray:
    """From ``[low, high]``, ``(F,)`` each, to [0, 1]; where they are equal, to 0."""
    span = np.where(high > low, high - low, 1)
    return np.clip((x - low) / span, 0, 1)


def inverse_document_frequency(rows: Rows) -> NDArray[np.float32]:
    r"""``(F,)``: :math:`\log \frac{1 + N}{1 + \mathrm{df}} + 1`, scikit-learn's smooth form."""
    frequency = sum((chunk > 0).sum(0) for chunk in chunks(rows, "counting terms"))
    return (np.log((1 + rows.shape[0]) / (1 + np.asarray(frequency))) + 1).astype(np.float32)


def tfidf(x: NDArray, idf: NDArray) -> NDArray:
    """Counts times inverse document frequency ``(F,)``, to rows of length 1."""
    return normalize(x * idf)
