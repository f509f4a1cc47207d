"""AnnData files (``.h5ad``): a matrix of cells by genes, a layer of it or an embedding of cells.

The format is described on https://anndata.readthedocs.io/en/stable/fileformat-prose.html. Links are
not followed, because they can lead to any other file.

Notation: ``N`` samples, ``F`` features, ``B`` rows that are read at once.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from gammvae.data.formats.arrays import Table, check_array, check_numeric, in_memory
from gammvae.data.formats.cells import MAX_CLASS_NAME
from gammvae.data.formats.request import Request, listed
from gammvae.data.rows import IN_MEMORY_BYTES, Index, SparseRows, check_fits
from gammvae.errors import InputError, reading

if TYPE_CHECKING:
    import h5py

Found = TypeVar("Found")

MATRIX = "X"
# The array may be that, a layer of equal shape, or an array with other columns for each cell.
NAMES = re.compile(r"X|(layers|obsm)/[^/]+")
OLD = "was written by an old version of anndata: read it with a present one and write it again"


class StoredRows:
    """The rows of a dense matrix in an HDF5 file, which is opened again for every access.

    Args:
        path: The file.
        name: Of the matrix ``(N, F)``; further axes are flattened.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        stored = opened(path, lambda file: member(file, name).shape)
        self.shape: tuple[int, ...] = (stored[0], int(np.prod(stored[1:])))

    def __getitem__(self, index: Index) -> NDArray:
        rows, back = in_file_order(index)
        found = opened(self.path, lambda file: member(file, self.name)[rows])[back]
        return found.reshape(len(found), self.shape[1])


class StoredSparseRows:
    """The rows of a matrix in CSR format in an HDF5 file, which is opened for every access.

    Args:
        path: The file.
        name: Of the matrix ``(N, F)``.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.shape, self.starts = opened(path, lambda file: layout(member(file, name), path))

    def __getitem__(self, index: Index) -> NDArray:
        wanted, back = in_file_order(index)
        rows = np.arange(self.shape[0])[wanted]
        return opened(self.path, lambda file: self._read(member(file, self.name), rows))[back]

    def _read(self, group: "h5py.Group", rows: NDArray[np.int64]) -> NDArray:
        spans = [slice(self.starts[row], self.starts[row + 1]) for row in rows]
        if len(rows) and rows[-1] - rows[0] == len(rows) - 1:  # neighbors are read at once
            spans = [slice(self.starts[rows[0]], self.starts[rows[-1] + 1])]
        columns, values = (
            np.concatenate([member(group, name)[span] for span in spans or [slice(0)]])
            for name in ("indices", "data")
        )
        starts = np.concatenate([[0], np.cumsum(np.diff(self.starts)[rows])])
        matrix = scipy.sparse.csr_matrix((values, columns, starts), (len(rows), self.shape[1]))
        matrix.check_format(full_check=True)  # an index out of range would end the process
        return matrix.toarray()


def opened(path: Path, read: Callable[["h5py.File"], Found]) -> Found:
    """What is read from an HDF5 file.

    Raises:
        InputError: The package h5py is not installed, or the file is damaged.
    """
    try:
        import h5py
    except ImportError as error:
        raise InputError(f"{path} needs the package h5py: pip install 'gammvae[h5ad]'") from error
    with reading(path), h5py.File(path, "r") as file:
        return read(file)


def member(group: Any, name: str) -> Any:  # noqa: ANN401 - h5py has no types
    """The group or the data set of this name in an HDF5 file.

    Raises:
        InputError: There is none, or it is in another file.
    """
    import h5py

    for part in name.split("/"):
        if not isinstance(group, h5py.Group) or part not in group:
            raise InputError(f"{group.file.filename} holds no {name}")
        inside = isinstance(group.get(part, getlink=True), h5py.HardLink)
        group = group[part] if inside else None
        if not inside or (isinstance(group, h5py.Dataset) and (group.external or group.is_virtual)):
            raise InputError(f"{name} is a link: only what is in the file itself is read")
    return group


def in_file_order(index: Index) -> tuple[Index, Index]:
    """An index that increases, as h5py requires, and one that brings its rows into order."""
    if isinstance(index, slice):
        return index, slice(None)
    return np.unique(index, return_inverse=True)


def read_h5ad(path: Path, request: Request) -> Table:
    """Reads cells, and a column of ``obs`` as their classes.

    Args:
        path: The file.
        request: ``array`` is ``X``, ``layers/NAME`` or ``obsm/NAME``; ``X`` by default.

    Raises:
        InputError: h5py is not installed, something is not in the file, or it is no matrix.
    """
    name = request.array or MATRIX
    if not NAMES.fullmatch(name):
        raise InputError(
            f"{request.keys.array}={name} is no array of {path}: it must be X, layers/NAME or "
            "obsm/NAME"
        )
    return opened(path, lambda file: read_cells(file, path, name, request))


def read_cells(file: "h5py.File", path: Path, name: str, request: Request) -> Table:
    """Reads an array of an open file, see ``read_h5ad``."""
    section, _, key = name.rpartition("/")
    if section and (section not in file or key not in member(file, section)):
        found = [f"{section}/{one}" for one in file.get(section, ())]
        raise InputError(f"{request.keys.array}={name} is no array of {path}: {listed(found)}")
    obs = member(file, "obs")
    if not hasattr(obs, "keys"):
        raise InputError(f"{path} {OLD}")
    table = read_matrix(member(file, name), path, name)
    cells = texts(member(obs, str(obs.attrs["_index"])))
    names: list[str] = []
    if section != "obsm":
        var = member(file, "var")
        names = texts(member(var, str(var.attrs["_index"])))
    if len(cells) != table.x.shape[0] or len(names) not in (0, table.x.shape[1]):
        raise ValueError(f"{name} has the shape {table.x.shape}, obs and var have other lengths")
    columns = [column for column in obs if column not in (obs.attrs["_index"], "__categories")]
    classes = None
    if request.labels is not None and request.labels in columns:
        classes = read_column(member(obs, request.labels), f"obs/{request.labels} of {path}")
    return table._replace(classes=classes, names=columns, features=names, samples=cells)


def read_matrix(stored: Any, path: Path, name: str) -> Table:  # noqa: ANN401 - h5py has no types
    """The samples; a large array or CSR matrix is read in batches.

    Raises:
        InputError: They are no numbers, of another format, or too large.
    """
    what = f"{name} of {path}"
    if hasattr(stored, "keys"):
        return read_sparse(stored, path, name, what)
    check_array(stored, what)
    if 4 * stored.size <= IN_MEMORY_BYTES:
        return in_memory(stored[()])
    return Table(StoredRows(path, name), stored.shape[1:], notes=[f"{what} is streamed by batches"])


def read_sparse(group: "h5py.Group", path: Path, name: str, what: str) -> Table:
    """A sparse matrix, which stays sparse.

    Raises:
        InputError: It is of another format, or too large.
    """
    kind = str(group.attrs.get("encoding-type", group.attrs.get("h5sparse_format", "group")))
    kind = kind.removesuffix("_matrix")
    if kind not in ("csr", "csc"):
        raise InputError(
            f"{what} is a {kind}: it must be an array, or a sparse matrix in CSR or CSC format"
        )
    values = member(group, "data")
    check_numeric(values.dtype, what)
    n_bytes = (values.dtype.itemsize + 8) * values.size
    shape, starts = layout(group, path)
    if kind == "csr" and n_bytes > IN_MEMORY_BYTES:
        rows = StoredSparseRows(path, name)
        return Table(rows, shape[1:], notes=[f"{what} is sparse and streamed by batches"])
    check_fits(2 * n_bytes, path)
    make = {"csr": scipy.sparse.csr_matrix, "csc": scipy.sparse.csc_matrix}[kind]
    stored = make((values[()], member(group, "indices")[()], starts), shape)
    stored.check_format(full_check=True)  # an index out of range would end the process
    matrix = stored.tocsr()
    matrix.sum_duplicates()
    return Table(SparseRows(matrix), shape[1:], notes=[f"{what} is kept sparse"])


def layout(group: "h5py.Group", path: Path) -> tuple[tuple[int, int], NDArray[np.int64]]:
    """The shape ``(N, F)`` of a sparse matrix, and where its rows or columns begin and end.

    Raises:
        InputError: It has no rows or columns, or more of them than fit into memory.
        ValueError: The two do not agree with the number of values.
    """
    n_samples, features = map(int, group.attrs.get("shape", group.attrs.get("h5sparse_shape")))
    if min(n_samples, features) < 1:
        raise InputError(f"{path} has samples of shape {(n_samples, features)}: none may be empty")
    check_fits(16 * n_samples, path)
    starts = member(group, "indptr")
    check_fits(8 * starts.size, path)
    starts = starts[()].astype(np.int64)
    if starts[0] != 0 or (np.diff(starts) < 0).any() or starts[-1] != member(group, "data").size:
        raise ValueError("indptr does not suit the values of the sparse matrix")
    return (n_samples, features), starts


def texts(stored: Any) -> list[str]:  # noqa: ANN401 - h5py has no types
    """A column of text, which may be stored with a mask."""
    if hasattr(stored, "keys"):
        stored = member(stored, "values")
    return [str(text) for text in stored.asstr()[()]]


def read_column(stored: Any, what: str) -> NDArray:  # noqa: ANN401 - h5py has no types
    """A column of ``obs`` as classes ``(N,)``.

    Raises:
        InputError: A class is missing, or it is stored in another way.
    """
    if "categories" in stored.attrs:
        raise InputError(f"{what} {OLD}")
    if not hasattr(stored, "keys"):
        return np.array(texts(stored)) if stored.dtype.kind in "OSU" else stored[()]
    if "codes" in stored:
        codes, values = member(stored, "codes")[()], member(stored, "categories")
        names = np.array(texts(values)) if values.dtype.kind in "OSU" else values[()]
        check_classes(codes < 0, what)
        if names.dtype.kind == "U" and names.dtype.itemsize > 4 * MAX_CLASS_NAME:
            raise InputError(f"{what} has a name of more than {MAX_CLASS_NAME} characters")
        return names[codes]
    values, mask = member(stored, "values"), member(stored, "mask")[()]
    check_classes(mask, what)
    return np.array(texts(values)) if values.dtype.kind in "OSU" else values[()]


def check_classes(missing: NDArray[np.bool_], what: str) -> None:
    """Refuses a column in which the class of a sample is ``missing`` ``(N,)``.

    Raises:
        InputError: There is one.
    """
    if missing.any():
        raise InputError(
            f"{what} has no value in row {missing.argmax() + 1}: every sample must have a class"
        )
