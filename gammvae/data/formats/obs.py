"""What an AnnData file knows of its cells: the names and the columns of ``obs``.

Notation: ``N`` cells.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gammvae.data.formats.anndata import OLD, member, opened, texts
from gammvae.data.rows import check_fits
from gammvae.errors import InputError

if TYPE_CHECKING:
    import h5py
    import pyarrow


class Obs(NamedTuple):
    """The table of the cells.

    Attributes:
        cells: Names of the cells.
        columns: By name, in the order of the file, each ``(N,)``.
    """

    cells: list[str]
    columns: "dict[str, pyarrow.Array]"


def read_obs(path: Path) -> Obs:
    """Names and columns of the cells of an ``.h5ad`` file.

    Raises:
        InputError: h5py is not installed, or the file is damaged or of an old version.
    """
    return opened(path, read_table)


def read_table(file: "h5py.File") -> Obs:
    """Names and columns, in the order that ``column-order`` gives."""
    obs = member(file, "obs")
    if not hasattr(obs, "keys"):
        raise InputError(f"{file.filename} {OLD}")
    index = str(obs.attrs["_index"])
    cells = texts(member(obs, index))
    names = [str(name) for name in obs.attrs.get("column-order", sorted(obs))]
    wanted = [name for name in names if name not in (index, "__categories")]
    columns = {name: column(member(obs, name), len(cells), f"obs/{name}") for name in wanted}
    return Obs(cells, columns)


def column(stored: Any, n_cells: int, what: str) -> "pyarrow.Array":  # noqa: ANN401 - of h5py
    """A column ``(N,)``: numbers or texts, which may be categories or have missing values.

    Args:
        stored: The data set, or the group of a categorical or nullable column.
        n_cells: ``N``.
        what: Its name, for messages.

    Raises:
        InputError: It is of an old version.
        ValueError: It has another length.
    """
    import pyarrow

    if "categories" in stored.attrs:
        raise InputError(f"{what} of {stored.file.filename} {OLD}")
    if not hasattr(stored, "keys"):
        return pyarrow.array(values(stored, n_cells, what))
    if "codes" in stored:
        codes = values(member(stored, "codes"), n_cells, what)
        categories = member(stored, "categories")
        names = pyarrow.array(values(categories, categories.size, what))
        return names.take(pyarrow.array(codes, mask=codes < 0))
    mask = values(member(stored, "mask"), n_cells, what)
    return pyarrow.array(values(member(stored, "values"), n_cells, what), mask=mask)


def values(stored: Any, length: int, what: str) -> Any:  # noqa: ANN401 - of h5py
    """The values of a data set in one axis: an array of numbers, or an object array of texts."""
    if stored.shape != (length,):
        raise ValueError(f"{what} has the shape {stored.shape}, not {(length,)}")
    check_fits(stored.dtype.itemsize * length, Path(stored.file.filename))
    return stored.asstr()[()] if stored.dtype.kind in "OSU" else stored[()]
