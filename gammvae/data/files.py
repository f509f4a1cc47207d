"""``dataset=file``: the user's own arrays and tables. Nothing in them is ever executed.

Notation: ``N`` samples.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gammvae.data.dataset import Dataset
from gammvae.data.formats.anndata import read_h5ad
from gammvae.data.formats.arrays import Table, load_array, read_npy, read_npz
from gammvae.data.formats.columns import Columns
from gammvae.data.formats.parquet import read_parquet
from gammvae.data.formats.request import Request, listed
from gammvae.data.formats.text_table import read_csv
from gammvae.data.images import arranged
from gammvae.data.labels import checked_classes, read_labels
from gammvae.data.missing import without_missing
from gammvae.data.rows import check_fits, smallest_floats
from gammvae.errors import InputError, reading
from gammvae.system.paths import user_path

# Files whose features have no types of their own.
ARRAYS = (".npy", ".npz", ".h5ad")
# What can be done with an image file, by the setting that names it.
IF_IMAGE = {
    "dataset.path": "; dataset=folder takes a folder of images",
    "data": "; a run of dataset=folder or dataset=features takes a folder of images",
}
# Files that hold several arrays.
WITH_NAMES = (".npz", ".h5ad")


def load(
    path: str | None,
    array: str | None,
    labels: str | None,
    drop: Sequence[str],
    shape: Sequence[int] | None,
    header: bool | None = None,
    index: str | None = None,
    channels: str | None = None,
    missing: str = "refuse",
    categorical: str = "refuse",
) -> Dataset:
    """Loads the samples of a file, and their classes if the user says where they are.

    Args:
        path: ``.npy``, ``.npz``, ``.csv``, ``.tsv``, ``.parquet`` or ``.h5ad``.
        array: Name of the samples' array, in a ``.npz`` file that holds several; of an ``.h5ad``
            file, ``X``, ``layers/NAME`` or ``obsm/NAME``.
        labels: Name of the classes' column or array in the same file, or the path of another file.
        drop: Columns that are no features.
        shape: Shape of one sample; images are ``(channels, height, width)``.
        header: Whether the first line of a text table holds names; ``None``: it is detected.
        index: What happens to a row index, see ``Request``.
        channels: The axis of an image's channels, ``first`` or ``last``; ``None``: it is detected.
        missing: What happens to missing values, see ``without_missing``.
        categorical: What happens to columns of text, see ``Request``.

    Raises:
        InputError: Something cannot be read, or is ambiguous.
    """
    if path is None:
        raise InputError("dataset.path is missing: dataset=file needs dataset.path=FILE")
    request = Request(
        array, labels, drop, header=header, index=index, missing=missing, categorical=categorical
    )
    file, table = read(path, request)
    classes, notes = table.classes, list(table.notes)
    if labels is not None:
        if classes is None:
            classes, remarks = classes_of_file(labels, file, table)
            notes += remarks
        what = f"dataset.labels={labels}"
        classes = checked_classes(classes, what, table.x.shape[0], table.hint)
    x, sample_shape, remarks = arranged(table.x, table.shape, shape, channels, str(file))
    data = Dataset(
        x=x,
        y=classes,
        shape=sample_shape,
        notes=(*notes, *remarks),
        names=tuple(table.features),
        samples=tuple(table.samples),
        categories=table.categories,
    )
    return without_missing(data, missing, str(file))


def read(path: str, request: Request) -> tuple[Path, Table]:
    """Reads a file.

    Args:
        path: Of the file.
        request: What of it is wanted.

    Returns:
        The path as it was resolved, and the content.

    Raises:
        InputError: It cannot be read, or does not contain what is wanted.
    """
    keys = request.keys
    file = existing(keys.path, path, READERS)
    kind = file.suffix.lower()
    if request.array is not None and kind not in WITH_NAMES:
        raise InputError(f"{keys.array}={request.array} has no use: {file} holds a single table")
    if request.drop and kind in ARRAYS:
        reason = f"{file} has no columns with names"
        if kind == ".h5ad":
            reason = (
                f"genes of {file} are not left out here: "
                "adata[:, ~adata.var_names.isin(NAMES)].write(FILE) in Python writes it without"
            )
        raise InputError(f"{keys.drop}={list(request.drop)} has no use: {reason}")
    if request.categorical != "refuse" and keys.categorical and kind in ARRAYS:
        raise InputError(
            f"{keys.categorical}={request.categorical} has no use: {file} has no columns of text"
        )
    if request.header is not None and kind not in (".csv", ".tsv"):
        raise InputError(f"{keys.header}={request.header} has no use: {file} is no text")
    with reading(file):
        return file, READERS[kind](file, request)


def existing(key: str, name: str, kinds: Sequence[str] | dict[str, Callable]) -> Path:
    """The path of an existing file.

    Args:
        key: The setting that names it, for messages.
        name: The path as given.
        kinds: Suffixes that it may have.

    Raises:
        InputError: There is no such file, or it has another suffix.
    """
    path = user_path(name)
    if not path.exists():
        raise InputError(f"{key}={name} does not exist")
    if not path.is_file():
        raise InputError(f"{key}={name} is not a file")
    if path.suffix.lower() not in kinds:
        from torchvision.datasets.folder import IMG_EXTENSIONS  # slow, and only for this message

        advice = IF_IMAGE.get(key, "") if path.suffix.lower() in IMG_EXTENSIONS else ""
        raise InputError(
            f"{key}={name} is of unknown kind: it must end in {', '.join(kinds)}{advice}"
        )
    return path


def read_table(path: Path, columns: Columns) -> Table:
    """The columns of a table as one array of samples."""
    n_samples, features = columns.table.shape
    check_fits(8 * n_samples * features, path)
    x = np.empty((n_samples, features))
    for index, values in enumerate(columns.features()):
        x[:, index] = values
    names = columns.table.column_names
    return Table(
        smallest_floats(x),
        (features,),
        columns.classes,
        columns.names,
        columns.notes,
        names,
        columns.hint,
        columns.categories,
    )


READERS: dict[str, Callable[[Path, Request], Table]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".csv": lambda path, request: read_table(path, read_csv(path, request)),
    ".tsv": lambda path, request: read_table(path, read_csv(path, request)),
    ".parquet": lambda path, request: read_table(path, read_parquet(path, request)),
    ".h5ad": read_h5ad,
}


def classes_of_file(name: str, file: Path, table: Table) -> tuple[NDArray, list[str]]:
    """Reads classes ``(N,)`` that are not in the file of the samples.

    Args:
        name: Path of the file with the classes.
        file: The file of the samples, for messages.
        table: The content of that file.

    Returns:
        The classes, and remarks for the user.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    if table.names and not user_path(name).exists():
        raise InputError(
            f"dataset.labels={name} is neither in {file} nor a file: {listed(table.names)}"
        )
    return separate_classes(name, table.x.shape[0], table.hint)


def separate_classes(name: str, n_samples: int, hint: str = "") -> tuple[NDArray, list[str]]:
    """Reads classes ``(N,)`` from a file of their own.

    Args:
        name: Path of the file.
        n_samples: ``N``.
        hint: The end of the message if there is one class too few.

    Returns:
        The classes, and remarks for the user.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    path = existing("dataset.labels", name, (".npy", ".csv", ".tsv", ".txt"))
    with reading(path):
        if path.suffix.lower() == ".npy":
            return load_array(lambda: np.load(path, allow_pickle=False), str(path)), []
        return read_labels(path, n_samples, hint)
