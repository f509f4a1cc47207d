"""All datasets by name: their configurations, the state of their files, fetching and checking."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType

from gammvae.config.composition import composed, composing, search_path
from gammvae.config.schema import Config
from gammvae.config.typed import to_config
from gammvae.data.by_name import load_dataset, store_of
from gammvae.data.dataset import Dataset, check_samples
from gammvae.data.published.downloads import Store, digest
from gammvae.data.published.transfer import size_of
from gammvae.data.rows import as_float32, chunks
from gammvae.errors import InputError
from gammvae.runs.naming import run_path
from gammvae.tables.summary import table

HEADER = (
    *("name", "samples", "features", "classes", "likelihood"),
    *("licence", "size", "state", "path"),
)
# Options for data of the user, which have no files of their own.
USERS_OWN = ("file", "folder", "features")
SHOWN_CLASSES = 20


class Catalog:
    """All datasets in the configuration.

    Args:
        config_dir: Folder with the user's own configuration files, or ``None``.
        overrides: ``key=value`` settings that apply to every dataset.
    """

    def __init__(self, config_dir: str | None, overrides: Sequence[str]) -> None:
        self.overrides = [*overrides, *search_path(config_dir)]

    def names(self) -> list[str]:
        """The possible values of ``dataset=``, except those of the user's own data."""
        with composing():
            loader = GlobalHydra.instance().config_loader()
            names = loader.get_group_options(
                "dataset", ObjectType.CONFIG, "train", self.overrides or None
            )
        return [name for name in names if name not in USERS_OWN]

    def config(self, name: str, *more: str) -> Config:
        """The configuration of one dataset.

        Raises:
            InputError: The dataset is unknown, or a setting is invalid for it.
        """
        with composing():
            return to_config(compose("train", [f"dataset={name}", *self.overrides, *more]))

    def run(self, overrides: Sequence[str]) -> tuple[Config, Path]:
        """The configuration of ``gammvae train`` and the folder of its run.

        Args:
            overrides: ``key=value`` settings of one run, which are the end of its folder's path.

        Raises:
            InputError: A setting cannot be parsed, is unknown, or is invalid.
        """
        config, choices = composed([*self.overrides, *overrides])
        return config, run_path(config, choices, overrides)


class State(NamedTuple):
    """A dataset's state in a few words, with an optional remark."""

    text: str
    remark: str = ""


def state_of(config: Config) -> State:
    """Whether a dataset can be used; it is loaded if its files differ from the published ones."""
    store = store_of(config.dataset)
    if absent(store):
        begun = sum(size_of(path) for path in {store.partial(file) for file in store.missing()})
        return State(f"to download, {begun / 1e6:.1f} MB begun" if begun else "to download")
    if not store.altered():
        return State("ready")
    try:
        dataset = load_dataset(config.dataset, config.device)
    except InputError as error:
        return State("corrupt", str(error))
    return State("ready *", "; ".join(dataset.notes))


def absent(store: Store) -> bool:
    """Whether files of a dataset are missing, so that it must be downloaded first."""
    return bool(store.missing() and not store.stand_ins())


def overview(catalog: Catalog) -> str:
    """A table with one row per dataset, followed by remarks."""
    rows, remarks = [], []
    for name in catalog.names():
        config = catalog.config(name, "dataset.download=false")
        about, state = config.dataset.about, state_of(config)
        shown = [about.samples, about.features, config.dataset.n_clusters]
        rows.append(
            [
                name,
                *("?" if number is None else grouped(number) for number in shown),
                config.dataset.likelihood,
                about.licence or "?",
                about.size or "?",
                state.text,
                folder_of(store_of(config.dataset)),
            ]
        )
        if state.remark:
            remarks.append(f"{name}: {state.remark}")
    return "\n".join([table(HEADER, rows), *remarks])


def grouped(number: int | str) -> str:
    """A number with commas; the number of classes may be a text, see ``config.candidates``."""
    return f"{number:,}" if isinstance(number, int) else number


def folder_of(store: Store) -> str:
    """The common folder of a dataset's files, or its only file; ``-`` if it has none."""
    return os.path.commonpath([store.path(file) for file in store.files]) if store.files else "-"


def fetch(catalog: Catalog, names: Sequence[str]) -> Iterator[str]:
    """Downloads, prepares and verifies datasets; yields lines about each one that is ready.

    Raises:
        InputError: A dataset failed; raised after all others have been fetched.
    """
    failures = []
    for name in names:
        config = catalog.config(name, "dataset.download=true")
        try:
            dataset = load_dataset(config.dataset, config.device)
            check_samples(dataset, name)
            yield f"{name} is ready: {dataset.x.shape[0]:,} samples"
            yield from (f"{name}: {note}" for note in dataset.notes)
        except InputError as error:
            failures.append(f"{name}: {error}" if len(names) > 1 else str(error))
    if failures:
        raise InputError("; ".join(failures))


def check(catalog: Catalog, name: str) -> str:
    """Text with the digests of a dataset's files and the shape, range and classes of its samples.

    Raises:
        InputError: A file is missing, damaged or not the published one.
    """
    config = catalog.config(name, "dataset.download=false")
    store = store_of(config.dataset)
    rows = []
    for file, source in store.files.items():
        if not store.path(file).is_file():
            rows.append([file, "", "missing"])
            continue
        found = digest(store.path(file), source.digest)
        same = "as published" if found == source.digest else "not as published"
        rows.append([file, found, same])
    lines = [table(["file", "digest", ""], rows)] if rows else []
    dataset = load_dataset(config.dataset, config.device)
    check_samples(dataset, name)
    return "\n".join([*lines, *facts(dataset), *dataset.notes, f"{name} is in order"])


def facts(dataset: Dataset) -> Iterator[str]:
    """Yields lines about shape, range, moments, classes and digest."""
    n_samples, features = dataset.x.shape
    total = squares = 0.0
    for chunk in chunks(dataset.x, "moments"):
        values = as_float32(chunk).astype(np.float64)
        total += values.sum()
        squares += (values**2).sum()
    mean = total / (n_samples * features)
    deviation = np.sqrt(max(squares / (n_samples * features) - mean**2, 0))
    shape = " x ".join(map(str, dataset.shape))
    yield f"samples     {n_samples:,} of shape {shape}"
    yield f"values      from {dataset.scan.low.min():g} to {dataset.scan.high.max():g}"
    yield f"mean        {mean:.4f}, standard deviation {deviation:.4f}"
    if dataset.y is not None:
        counts = sorted(Counter(dataset.y.tolist()).items())
        shown = ", ".join(f"{label}: {count:,}" for label, count in counts[:SHOWN_CLASSES])
        more = ", ..." if len(counts) > SHOWN_CLASSES else ""
        yield f"classes     {len(counts)} ({shown}{more})"
    yield f"digest      {dataset.digest}"
