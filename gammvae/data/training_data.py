"""From a dataset's configuration to data that are checked and prepared for training.

Notation: ``N`` samples, ``F`` features.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from gammvae.config.sections import DatasetConfig
from gammvae.data.by_name import load_dataset
from gammvae.data.dataset import Dataset, check_samples
from gammvae.data.preprocessing import Preprocessing, fit
from gammvae.data.remarks import (
    advice,
    check_squares,
    described,
    remark_on_classes,
    remark_on_constants,
    remark_on_fill,
    remark_on_rounding,
)
from gammvae.data.rows import Rows, TransformedRows, as_float32
from gammvae.errors import InputError


class Facts(NamedTuple):
    """What a model needs to know about its training data, to be applied to other data.

    Attributes:
        shape: Of one sample; images are ``(channels, height, width)``.
        likelihood: ``bernoulli`` or ``normal``.
        names: Of the features, where known.
        preprocessing: The transformation of the rows.
        samples: Names of the samples of the training data, where they have some.
        categories: The texts of each column of text of which features were made, by column.
        medians: ``(F,)``, what replaces missing values, if they are replaced.
    """

    shape: tuple[int, ...]
    likelihood: str
    names: tuple[str, ...]
    preprocessing: Preprocessing
    samples: tuple[str, ...] = ()
    categories: Mapping[str, tuple[str, ...]] = {}
    medians: NDArray[Any] | None = None


class Data(NamedTuple):
    """A dataset that is ready for training.

    Attributes:
        rows: Samples ``(N, F)``, preprocessed.
        y: Classes ``(N,)`` or ``None``; only the final report uses them.
        facts: Shape, likelihood, names of features and preprocessing.
        digest: Of samples and classes before preprocessing.
        filled: The fraction of values that were not zero before preprocessing.
        notes: What the user should know about the data.
    """

    rows: Rows
    y: NDArray[Any] | None
    facts: Facts
    digest: str
    filled: float
    notes: tuple[str, ...]


def load_data(config: DatasetConfig, preprocess: str, device: str) -> Data:
    """Loads a dataset, checks it and prepares it for training.

    Args:
        config: Of the dataset.
        preprocess: The name of a transformation, see ``preprocessing.fit``.
        device: For loaders that compute features.

    Raises:
        InputError: The dataset cannot be loaded, or is unfit for training.
    """
    dataset = load_dataset(config, device)
    check_samples(dataset, config.name)
    rows, found = dataset.x, dataset.scan
    low, high = found.low.min(), found.high.max()
    fill = remark_on_fill(rows, found, dataset.names)
    if preprocess == "none":
        check_in_float32(dataset, config.name, fill)
    preprocessing = fit(preprocess, rows, dataset.scan, dataset.shape)
    if preprocess != "none":
        rows = TransformedRows(rows, preprocessing)
        low, high = range_after(preprocess, low)
    likelihood, reason = choose_likelihood(config.likelihood, preprocess, low, high)
    if likelihood == "bernoulli" and (low < 0 or high > 1):
        raise InputError(
            f"dataset {config.name} has {described(low, high)}: a bernoulli likelihood needs "
            "values in [0, 1]; dataset.likelihood=normal takes any"
        )
    notes = [*dataset.notes, *filter(None, [reason]), *advice(found, preprocess), *fill]
    notes += [
        *remark_on_rounding(found, preprocess, dataset.names),
        *remark_on_constants(found, dataset.shape, dataset.names),
        *remark_on_classes(dataset.y),
    ]
    facts = Facts(
        shape=dataset.shape,
        likelihood=likelihood,
        names=dataset.names,
        preprocessing=preprocessing,
        samples=dataset.samples,
        categories=dataset.categories,
        medians=dataset.medians,
    )
    return Data(
        rows=rows,
        y=dataset.y,
        facts=facts,
        digest=dataset.digest,
        filled=found.filled,
        notes=tuple(notes),
    )


def range_after(preprocess: str, low: float) -> tuple[float, float]:
    """Lower and upper bound of the preprocessed values, given the smallest value before."""
    if preprocess == "standardize":
        return -math.inf, math.inf
    return (-1.0 if preprocess == "l2" and low < 0 else 0.0), 1.0


def choose_likelihood(name: str, preprocess: str, low: float, high: float) -> tuple[str, str]:
    """The likelihood that ``auto`` stands for, and the reason; other names stand for themselves."""
    if name != "auto":
        return name, ""
    if preprocess in ("none", "minmax") and low >= 0 and high <= 1:
        return "bernoulli", (
            "likelihood bernoulli, because all values lie in [0, 1]; "
            "dataset.likelihood=normal takes the other"
        )
    why = described(low, high) if preprocess == "none" else f"preprocess={preprocess}"
    return "normal", f"likelihood normal, because of {why}"


def check_in_float32(dataset: Dataset, name: str, fill: Sequence[str]) -> None:
    """Refuses samples that cannot be computed with in float32 without preprocessing.

    Args:
        dataset: Must have passed ``check_samples``.
        name: Of the dataset.
        fill: Remarks on values that may stand for missing ones.

    Raises:
        InputError: The sum of their squares overflows, or rounding makes all samples equal.
    """
    found, rows = dataset.scan, dataset.x.shape
    what = f"dataset {name}"
    remarks = ["preprocess=standardize scales them before", *fill]
    check_squares(found.low, found.high, math.prod(rows), what, remarks)
    if (as_float32(found.low) == as_float32(found.high)).all():
        raise InputError(
            f"{what} has {rows[0]} samples that are equal when they are rounded to float32: "
            "preprocess=standardize shifts and scales them before"
        )
