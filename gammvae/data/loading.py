"""From a dataset's configuration to samples that can be trained on.

A loader is any function that returns a ``Dataset``. It is given what it has arguments for: ``root``
and ``cache`` folders, ``download``, ``device``, the ``store`` of published files, the user's
``path``, ``array``, ``labels``, ``drop``, ``shape``, ``header``, ``index`` and ``channels``, and
whatever else its YAML says.
"""

import importlib
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gammvae.config.schema import DatasetConfig
from gammvae.data.downloads import Store
from gammvae.data.preprocessing import Preprocessing, fit
from gammvae.data.remarks import (
    advice,
    check_squares,
    described,
    remark_on_classes,
    remark_on_fill,
    remark_on_rounding,
)
from gammvae.data.samples import Rows, Scan, TransformedRows, as_float32, scan
from gammvae.errors import InputError

# What only some loaders take, and nobody should set in vain.
GIVEN_BY_USER = ("path", "array", "labels", "drop", "shape", "header", "index", "channels")


@dataclass(frozen=True)
class Dataset:
    """Samples in a fixed order, and their classes where known.

    Attributes:
        x: ``(N, F)``: an array of float32, or of float64 where float32 would round; or rows that
            are read when they are needed.
        y: Classes ``(N,)``, or ``None``. Only the final report looks at them.
        shape: Shape of one sample, its product is ``F``; images are ``(channels, height, width)``.
        notes: What a user should know about how the data were read.
        names: Of the features, where known.
    """

    x: Rows
    y: NDArray[Any] | None
    shape: tuple[int, ...]
    notes: tuple[str, ...] = field(default=(), compare=False)
    names: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def scan(self) -> Scan:
        """Range and finiteness of the samples, in one pass over them."""
        return scan(self.x, header=repr((tuple(self.x.shape), self.shape)).encode())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of samples, shape and classes, in hexadecimal."""
        sha = self.scan.sha.copy()
        if self.y is not None:
            sha.update(np.ascontiguousarray(self.y).tobytes())
        return sha.hexdigest()


class Facts(NamedTuple):
    """What a model must know of its data to be used on others.

    Attributes:
        shape: Of one sample; images are ``(channels, height, width)``.
        likelihood: ``bernoulli`` or ``normal``.
        names: Of the features, where known.
        preprocessing: What the rows go through.
    """

    shape: tuple[int, ...]
    likelihood: str
    names: tuple[str, ...]
    preprocessing: Preprocessing


class Data(NamedTuple):
    """What training gets to see.

    Attributes:
        rows: Samples ``(N, F)``, preprocessed.
        y: Classes ``(N,)`` or ``None``, for the final report.
        facts: About shape, likelihood, features and preprocessing.
        digest: Of samples and classes before preprocessing.
        filled: The share of values that were not zero before preprocessing.
        notes: What a user should know about the data.
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
        config: Which dataset.
        preprocess: A name that ``preprocessing.fit`` knows.
        device: Where a loader computes that must.

    Raises:
        InputError: The dataset cannot be had, or cannot be trained on.
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
    notes += [*remark_on_rounding(found, preprocess, dataset.names), *remark_on_classes(dataset.y)]
    return Data(
        rows=rows,
        y=dataset.y,
        facts=Facts(dataset.shape, likelihood, dataset.names, preprocessing),
        digest=dataset.digest,
        filled=found.filled,
        notes=tuple(notes),
    )


def range_after(preprocess: str, low: float) -> tuple[float, float]:
    """Bounds of preprocessed values, given the smallest value before."""
    if preprocess == "standardize":
        return -math.inf, math.inf
    return (-1.0 if preprocess == "l2" and low < 0 else 0.0), 1.0


def choose_likelihood(name: str, preprocess: str, low: float, high: float) -> tuple[str, str]:
    """The likelihood that ``auto`` stands for, and why; a name stands for itself."""
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
    """Refuses samples that float32 cannot be computed with as they are.

    Args:
        dataset: Of samples that pass ``check_samples``.
        name: Of the dataset.
        fill: What is remarked on values that stand for missing ones.

    Raises:
        InputError: Squares of their values overflow, or all samples become equal.
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


def load_dataset(config: DatasetConfig, device: str = "auto") -> Dataset:
    """Calls a dataset's loader, and holds what it returns against what is published.

    Raises:
        InputError: The loader cannot be imported or called, a file is missing, damaged or not the
            published one, or the dataset has another size than published.
    """
    about, store = config.about, store_of(config)
    altered = store.altered()
    if altered and not about.contents:
        raise not_published(store, altered)
    dataset = call_loader(config, store, device)
    expected = (about.samples, about.features)
    for size, number, what in zip(dataset.x.shape, expected, ("samples", "features"), strict=False):
        if number is not None and size != number:
            raise InputError(f"dataset {config.name} has {size} {what}, {number} are published")
    if not altered:
        return dataset
    if (note := about.contents.get(dataset.digest)) is None:
        raise not_published(store, altered)
    file = store.path(next(iter(altered)))
    return replace(dataset, notes=(*dataset.notes, f"{file}: {note}"))


def not_published(store: Store, altered: Mapping[str, str]) -> InputError:
    """The refusal of files with other digests than published."""
    file, found = next(iter(altered.items()))
    return InputError(
        f"{store.path(file)} is not the published file: its digest is {found}, published is "
        f"{store.files[file].digest}; without it the file is downloaded anew"
    )


def store_of(config: DatasetConfig) -> Store:
    """The published files of a dataset."""
    return Store(config.name, config.root, config.about, config.mirror, config.download)


def call_loader(config: DatasetConfig, store: Store, device: str) -> Dataset:
    """Imports and calls the loader with the arguments it takes.

    Raises:
        InputError: It cannot be imported or called, or something is set that it does not take.
    """
    arguments = dict(config.loader)
    target = arguments.pop("_target_")
    try:
        module, _, attribute = target.rpartition(".")
        load: Callable[..., Dataset] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"dataset.loader._target_={target} cannot be imported: {error}") from error
    parameters = inspect.signature(load).parameters
    offered = {
        "root": config.root,
        "cache": config.cache,
        "download": config.download,
        "device": device,
        "store": store,
        **{name: getattr(config, name) for name in GIVEN_BY_USER},
    }
    for name, value in offered.items():
        if name in parameters:
            arguments.setdefault(name, value)
        elif name in GIVEN_BY_USER and value and value != getattr(DatasetConfig, name, None):
            raise InputError(f"dataset.{name}={value} has no use: dataset {config.name} reads none")
    try:
        inspect.signature(load).bind(**arguments)
    except TypeError as error:
        raise InputError(f"dataset.loader does not suit {target}: {error}") from error
    return with_text(load(**arguments), config.name)


def with_text(dataset: Dataset, name: str) -> Dataset:
    """The dataset with classes that are bytes as text.

    Raises:
        InputError: They are no UTF-8.
    """
    if dataset.y is None or dataset.y.dtype.kind != "S":
        return dataset
    try:
        return replace(dataset, y=np.char.decode(dataset.y, "utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"dataset {name} has classes that are no text in UTF-8") from error


def check_samples(dataset: Dataset, name: str) -> None:
    """Refuses samples that cannot be trained on.

    Raises:
        InputError: Shapes that disagree, too few samples or features, values that are not finite,
            or samples that are all the same.
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
            "all values must be finite in float32"
        )
    if (found.low == found.high).all():
        raise InputError(f"dataset {name} has {x.shape[0]} equal samples: there are no clusters")
