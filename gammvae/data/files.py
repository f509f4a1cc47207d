"""``dataset=file``: a user's own arrays and tables. Nothing in them is ever executed.

Letters: ``N`` samples, ``F`` features.
"""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from gammvae.data.columns import Columns, Request, listed, read_csv, read_parquet
from gammvae.data.images import arranged
from gammvae.data.labels import checked_classes, read_labels
from gammvae.data.loading import Dataset
from gammvae.data.samples import (
    IN_MEMORY_BYTES,
    MappedRows,
    Rows,
    SparseRows,
    check_fits,
    smallest_floats,
)
from gammvae.errors import InputError, reading
from gammvae.paths import user_path

NUMERIC = "buif"  # numpy's kinds: boolean, unsigned and signed integer, floating-point
SPARSE_ARRAYS = {"format", "shape", "data"}


class Table(NamedTuple):
    """What a file holds.

    Attributes:
        x: Samples ``(N, F)``.
        shape: Shape of one sample as stored.
        classes: ``(N,)`` as stored in the same file, or ``None``.
        names: Of the columns or arrays that could hold classes.
        notes: What a user should know about how the file was read.
        features: Names of the features, if they have some.
        hint: Ends a refusal if the first row may be a header.
    """

    x: Rows
    shape: tuple[int, ...]
    classes: NDArray | None = None
    names: Sequence[str] = ()
    notes: Sequence[str] = ()
    features: Sequence[str] = ()
    hint: str = ""


def load(
    path: str | None,
    array: str | None,
    labels: str | None,
    drop: Sequence[str],
    shape: Sequence[int] | None,
    header: bool | None = None,
    index: str | None = None,
    channels: str | None = None,
) -> Dataset:
    """The samples of a file, and their classes where the user says where these are.

    Args:
        path: ``.npy``, ``.npz``, ``.csv``, ``.tsv`` or ``.parquet``.
        array: Name of the samples' array, in a ``.npz`` file that holds several.
        labels: Name of the classes' column or array in the same file, or the path of another file.
        drop: Columns that are no features.
        shape: Shape of one sample; images are ``(channels, height, width)``.
        header: Whether the first line of a text table holds names; ``None``: it is found out.
        index: What becomes of a row index: see ``Request``.
        channels: Where images have theirs, ``first`` or ``last``; ``None``: it is found out.

    Raises:
        InputError: Something cannot be read, or could be read in more than one way.
    """
    if path is None:
        raise InputError("dataset.path is missing: dataset=file needs dataset.path=FILE")
    request = Request(array, labels, drop, header=header, index=index)
    file, table = read(path, request)
    classes, notes = table.classes, list(table.notes)
    if labels is not None:
        if classes is None:
            classes, remarks = classes_of_file(labels, file, table)
            notes += remarks
        what = f"dataset.labels={labels}"
        classes = checked_classes(classes, what, table.x.shape[0], table.hint)
    x, sample_shape, remarks = arranged(table.x, table.shape, shape, channels, str(file))
    return Dataset(x, classes, sample_shape, (*notes, *remarks), tuple(table.features))


def read(path: str, request: Request) -> tuple[Path, Table]:
    """A file, and what is in it.

    Args:
        path: Of the file.
        request: What is asked for.

    Raises:
        InputError: It cannot be read, or something is asked for that it has not.
    """
    keys = request.keys
    file = existing(keys.path, path, READERS)
    kind = file.suffix.lower()
    if request.array is not None and kind != ".npz":
        raise InputError(f"{keys.array}={request.array} has no use: {file} holds a single table")
    if request.drop and kind in (".npy", ".npz"):
        raise InputError(
            f"{keys.drop}={list(request.drop)} has no use: {file} has no columns with names"
        )
    if request.header is not None and kind not in (".csv", ".tsv"):
        raise InputError(f"{keys.header}={request.header} has no use: {file} is no text")
    with reading(file):
        return file, READERS[kind](file, request)


def existing(key: str, name: str, kinds: Sequence[str] | dict[str, Callable]) -> Path:
    """The path of a file of one of some kinds.

    Raises:
        InputError: There is no such file, or it is of another kind.
    """
    path = user_path(name)
    if not path.exists():
        raise InputError(f"{key}={name} does not exist")
    if not path.is_file():
        raise InputError(f"{key}={name} is not a file")
    if path.suffix.lower() not in kinds:
        raise InputError(f"{key}={name} is of unknown kind: it must end in {', '.join(kinds)}")
    return path


def read_npy(path: Path, _: Request) -> Table:
    """One array, whose first axis counts the samples; a large one is read when it is needed."""
    array = load_array(lambda: np.load(path, mmap_mode="r", allow_pickle=False), str(path))
    check_array(array, str(path))
    if 4 * array.size <= IN_MEMORY_BYTES:
        return in_memory(np.array(array))
    if not array.flags.c_contiguous:
        raise InputError(
            f"{path} is stored column by column and too large to be turned in memory: "
            "np.save(FILE, np.ascontiguousarray(x)) writes it row by row"
        )
    return Table(MappedRows(path), array.shape[1:], notes=[f"{path} is streamed by batches"])


def read_npz(path: Path, request: Request) -> Table:
    """Arrays by name, or one sparse matrix as ``scipy.sparse.save_npz`` writes it."""
    with zipfile.ZipFile(path) as archive:
        check_fits(sum(info.file_size for info in archive.infolist()), path)
    with np.load(path, allow_pickle=False) as arrays:
        names = arrays.files
        if set(names) >= SPARSE_ARRAYS:
            return read_sparse(path)
        others = [name for name in names if name not in (request.labels, *request.spare)]
        name = request.array or the_only(others, path, request)
        if name not in names:
            raise InputError(f"{request.keys.array}={name} is no array of {path}: {listed(names)}")
        what = f"{path}, array {name},"
        samples = load_array(lambda: arrays[name], what)
        check_array(samples, what)
        # as float32 for training, and here with the precision it has
        check_fits((4 + max(4, samples.itemsize)) * samples.size, path)
        classes = None
        if request.labels in names:
            classes = load_array(lambda: arrays[request.labels], f"{path}, array {request.labels},")
    return in_memory(samples)._replace(classes=classes, names=names)


def the_only(names: Sequence[str], path: Path, request: Request) -> str:
    """The only one of some arrays.

    Raises:
        InputError: There are more, or none.
    """
    if len(names) != 1:
        raise InputError(
            f"{path} holds {len(names)} arrays ({', '.join(names)}): "
            f"{request.keys.array}=NAME must say which are the samples"
        )
    return names[0]


def read_sparse(path: Path) -> Table:
    """A sparse matrix, which stays sparse."""
    with np.load(path, allow_pickle=False) as arrays:
        n_samples, features = (int(size) for size in arrays["shape"])
    check_fits(16 * n_samples, path)
    stored = scipy.sparse.load_npz(path)
    if hasattr(stored, "check_format"):  # the other formats check when they are made
        stored.check_format(full_check=True)  # an index out of range would end the process
    matrix = stored.tocsr()
    matrix.sum_duplicates()
    check_numeric(matrix.dtype, str(path))
    return Table(SparseRows(matrix), (features,), notes=[f"{path} is kept sparse"])


def read_table(path: Path, columns: Columns) -> Table:
    """Columns of numbers side by side."""
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
    )


READERS: dict[str, Callable[[Path, Request], Table]] = {
    ".npy": read_npy,
    ".npz": read_npz,
    ".csv": lambda path, request: read_table(path, read_csv(path, request)),
    ".tsv": lambda path, request: read_table(path, read_csv(path, request)),
    ".parquet": lambda path, request: read_table(path, read_parquet(path, request)),
}


def load_array(read: Callable[[], NDArray], what: str) -> NDArray:
    """What numpy reads; pickled objects are refused in words that say why."""
    try:
        return read()
    except ValueError as error:
        if "pickle" not in str(error) and "Python objects" not in str(error):
            raise
        raise InputError(
            f"{what} holds pickled Python objects, which are not read because that can run code: "
            "numpy.save of an array of numbers, or of text with .astype(str), writes none"
        ) from error


def in_memory(array: NDArray) -> Table:
    """A dense array of any number of dimensions as a table."""
    x = np.ascontiguousarray(smallest_floats(array)).reshape(len(array), -1)
    return Table(x, array.shape[1:])


def check_array(array: NDArray, what: str) -> None:
    """Refuses what is no table of numbers.

    Args:
        array: What was read.
        what: Its name in messages.
    """
    check_numeric(array.dtype, what)
    if array.ndim < 2 or 0 in array.shape:
        raise InputError(
            f"{what} has the shape {array.shape}: the first axis must count samples and the others "
            "their features, none of them empty"
        )


def check_numeric(dtype: np.dtype, what: str) -> None:
    """Refuses a type that is no real number."""
    if dtype.kind not in NUMERIC:
        raise InputError(f"{what} has the type {dtype}: it must hold real numbers")


def classes_of_file(name: str, file: Path, table: Table) -> tuple[NDArray, list[str]]:
    """Classes ``(N,)`` from a file of their own, and what should be said about it.

    Args:
        name: Path of the file.
        file: The file of the samples, for messages.
        table: What was read from that.
    """
    if table.names and not user_path(name).exists():
        raise InputError(
            f"dataset.labels={name} is neither in {file} nor a file: {listed(table.names)}"
        )
    path = existing("dataset.labels", name, (".npy", ".csv", ".tsv", ".txt"))
    with reading(path):
        if path.suffix.lower() == ".npy":
            return load_array(lambda: np.load(path, allow_pickle=False), str(path)), []
        return read_labels(path, table.x.shape[0], table.hint)
