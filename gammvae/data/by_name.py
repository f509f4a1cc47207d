"""From a dataset's name to its samples: calling the loader that its configuration names.

A loader is any function that returns a ``Dataset``. Its arguments are filled in by name: the
folders ``root`` and ``cache`` with ``~`` expanded, ``download``, ``device``, the ``store`` of
published files, the user's ``path``, ``array``, ``labels``, ``drop``, ``shape``, ``header``,
``index``, ``channels``, ``missing``, ``categorical`` and ``network``, and anything else that stands
in the dataset's YAML file below ``loader``.
"""

import inspect
from collections.abc import Container, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from gammvae.config.code import function_of, named
from gammvae.config.sections import DatasetConfig
from gammvae.data.dataset import Dataset
from gammvae.data.published.downloads import Store
from gammvae.errors import InputError
from gammvae.system.paths import user_path

# Settings that only some loaders take; one that would have no effect is refused, not ignored.
GIVEN_BY_USER = (
    *("path", "array", "labels", "drop", "shape", "header", "index", "channels"),
    *("missing", "categorical", "network"),
)


def load_dataset(config: DatasetConfig, device: str = "auto") -> Dataset:
    """Calls a dataset's loader and compares the result with what is published.

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
    """The error for files whose digests are not the published ones."""
    file, found = next(iter(altered.items()))
    return InputError(
        f"{store.path(file)} is not the published file: its digest is {found}, published is "
        f"{store.files[file].digest}; without it the file is downloaded anew"
    )


def store_of(config: DatasetConfig) -> Store:
    """The published files of a dataset."""
    return Store(config.name, config.root, config.about, config.mirror, config.download)


def call_loader(config: DatasetConfig, store: Store, device: str) -> Dataset:
    """Imports the loader and calls it with the arguments that it takes.

    Raises:
        InputError: It cannot be imported or called, does not take an argument that is set, or is
            given another value of that argument in the dataset's YAML file.
    """
    arguments = dict(config.loader)
    target = arguments.pop("_target_")
    load = function_of("dataset.loader", target)
    parameters = inspect.signature(load).parameters
    offered = {
        "root": str(user_path(config.root)),
        "cache": str(user_path(config.cache)),
        "download": config.download,
        "device": device,
        "store": store,
        **{name: getattr(config, name) for name in GIVEN_BY_USER},
    }
    for name, value in offered.items():
        if is_set(name, value):
            check_taken(name, value, parameters, arguments, config.name)
        if name in parameters:
            arguments.setdefault(name, value)
    try:
        inspect.signature(load).bind(**arguments)
    except TypeError as error:
        raise InputError(f"dataset.loader does not suit {target}: {error}") from error
    own = not target.startswith("gammvae.")  # errors of ours, as of a full disk, explain themselves
    with named("dataset.loader", target, load) if own else nullcontext():
        found = load(**arguments)
    if not isinstance(found, Dataset):
        raise InputError(
            f"dataset.loader={target} must return a gammvae.Dataset, but returned a "
            f"{type(found).__name__}"
        )
    return with_text(found, config.name)


def is_set(name: str, value: Any) -> bool:  # noqa: ANN401 - of any type that a setting has
    """Whether an argument is a setting that only some loaders take, and has been given a value."""
    return name in GIVEN_BY_USER and value not in (None, [], getattr(DatasetConfig, name, None))


def check_taken(
    name: str,
    value: Any,  # noqa: ANN401 - of any type that a setting has
    parameters: Container[str],
    own: Mapping[str, Any],
    dataset: str,
) -> None:
    """Refuses a setting that would not reach the loader.

    Args:
        name: Of the setting, below ``dataset``.
        value: Of the setting.
        parameters: Names of the loader's parameters.
        own: The loader's arguments in the dataset's YAML file, by name.
        dataset: Name of the dataset, for messages.

    Raises:
        InputError: The loader has no such parameter, or its own argument has another value.
    """
    if name not in parameters:
        raise InputError(f"dataset.{name}={value} has no use: dataset {dataset} reads none")
    if own.get(name, value) != value:
        raise InputError(
            f"dataset.{name}={value} and dataset.loader.{name}={own[name]} exclude each other: "
            f"dataset {dataset} sets the latter, so leave out the former, or override the latter"
        )


def with_text(dataset: Dataset, name: str) -> Dataset:
    """The dataset, with classes decoded to text if they are bytes.

    Raises:
        InputError: They are not UTF-8.
    """
    if dataset.y is None or dataset.y.dtype.kind != "S":
        return dataset
    try:
        return replace(dataset, y=np.char.decode(dataset.y, "utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"dataset {name} has classes that are no text in UTF-8") from error
