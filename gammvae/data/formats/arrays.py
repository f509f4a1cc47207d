"""Arrays of numpy and sparse matrices from files.

Pickled objects are refused, because loading them can run code.

Notation: ``N`` samples, ``F`` features.
"""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from gammvae.data.formats.request import Request, listed
from gammvae.data.rows import (
    IN_MEMORY_BYTES,
    MappedRows,
    Rows,
    SparseRows,
    check_fits,
    smallest_floats,
)
from gammvae.errors import InputError

NUMERIC = "buif"  # numpy's kinds: boolean, unsigned and signed integer, floating-point
SPARSE_ARRAYS = {"format", "shape", "data"}


class Table(NamedTuple):
    """The content of a file.

    Attributes:
        x: Samples ``(N, F)``.
        shape: Shape of one sample as stored.
        classes: ``(N,)`` as stored in the same file, or ``None``.
        names: Of all columns or arrays of the file.
        notes: What the user should know about how the file was read.
        features: Names of the features, or none.
        hint: The end of a refusal, if the first row may be a header.
        categories: The texts of each column of text, which is several features.
        samples: Names of the samples, or none.
    """

    x: Rows
    shape: tuple[int, ...]
    classes: NDArray | None = None
    names: Sequence[str] = ()
    notes: Sequence[str] = ()
    features: Sequence[str] = ()
    hint: str = ""
    categories: Mapping[str, tuple[str, ...]] = {}
    samples: Sequence[str] = ()


def read_npy(path: Path, _: Request) -> Table:
    """Reads one array, whose first axis counts the samples; a large one is read in batches."""
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
    """Reads named arrays, or a sparse matrix that ``scipy.sparse.save_npz`` wrote."""
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
        # in float32 for training, and here with its own precision
        check_fits((4 + max(4, samples.itemsize)) * samples.size, path)
        classes = None
        if request.labels in names:
            classes = load_array(lambda: arrays[request.labels], f"{path}, array {request.labels},")
    return in_memory(samples)._replace(classes=classes, names=names)


def the_only(names: Sequence[str], path: Path, request: Request) -> str:
    """The name of the only array.

    Raises:
        InputError: There are several, or none.
    """
    if len(names) != 1:
        raise InputError(
            f"{path} holds {len(names)} arrays ({', '.join(names)}): "
            f"{request.keys.array}=NAME must say which are the samples"
        )
    return names[0]


def read_sparse(path: Path) -> Table:
    """Reads a sparse matrix, which stays sparse."""
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


def load_array(read: Callable[[], NDArray], what: str) -> NDArray:
    """Calls a function of numpy that reads an array.

    Args:
        read: The call.
        what: The file, for messages.

    Raises:
        InputError: The array holds pickled objects.
    """
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
    """A dense array as a table; all axes but the first become features."""
    x = np.ascontiguousarray(smallest_floats(array)).reshape(len(array), -1)
    return Table(x, array.shape[1:])


def check_array(array: NDArray, what: str) -> None:
    """Refuses an array that is no table of numbers.

    Args:
        array: The array.
        what: Its name, for messages.

    Raises:
        InputError: It has another type, fewer than two axes, or an empty one.
    """
    check_numeric(array.dtype, what)
    if array.ndim < 2 or 0 in array.shape:
        raise InputError(
            f"{what} has the shape {array.shape}: the first axis must count samples and the others "
            "their features, none of them empty"
        )


def check_numeric(dtype: np.dtype, what: str) -> None:
    """Refuses types other than real numbers.

    Raises:
        InputError: It is one.
    """
    if dtype.kind not in NUMERIC:
        raise InputError(f"{what} has the type {dtype}: it must hold real numbers")
