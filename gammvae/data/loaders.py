"""From a dataset's name to its samples: calling the loader that its configuration names.

A loader is any function that returns a ``Dataset``. Its arguments are filled in by name: the
folders ``root`` and ``cache``, ``download``, ``device``, the ``store`` of published files, the
user's ``path``, ``array``, ``labels``, ``drop``, ``shape``, ``header``, ``index`` and ``channels``,
and anything else that stands in the dataset's YAML file below ``loader``.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from gammvae.config.schema import DatasetConfig
from gammvae.data.dataset import Dataset
from gammvae.data.downloads import Store
from gammvae.errors import InputError

# Settings that only some loaders take; for the others they are refused, not ignored.
GIVEN_BY_USER = ("path", "array", "labels", "drop", "shape", "header", "index", "channels")


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
        InputError: It cannot be imported or called, or does not take an argument that is set.
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
