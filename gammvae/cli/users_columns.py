"""The columns of a run's data as the user has them: the row index, or all of them.

The rows of a text table or a parquet file have an index and other columns, cells of AnnData the
columns of ``obs``. Other data have columns only if their features have names.

Notation: ``N`` samples, ``F`` features.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gammvae.config.sections import DatasetConfig
from gammvae.data.dataset import Dataset
from gammvae.data.formats.cells import counts_rows
from gammvae.data.formats.layout import Layout, find_layout, plain
from gammvae.data.formats.obs import read_obs
from gammvae.data.formats.request import Request
from gammvae.data.formats.row_index import index_of_pandas, is_index, unnamed
from gammvae.data.formats.text_table import all_columns
from gammvae.data.rows import check_fits
from gammvae.errors import InputError, reading
from gammvae.system.paths import user_path

if TYPE_CHECKING:
    import pyarrow

LOADER = "gammvae.data.files.load"
TEXTS, TABLES, CELLS = (".csv", ".tsv"), (".csv", ".tsv", ".parquet"), ".h5ad"


class Taken(NamedTuple):
    """Columns that are taken over, by name, each ``(N,)``.

    Attributes:
        row_index: The row index.
        others: All others, in the order of the file.
    """

    row_index: "Mapping[str, pyarrow.ChunkedArray | pyarrow.Array]"
    others: "Mapping[str, pyarrow.ChunkedArray | pyarrow.Array]"


class Source(NamedTuple):
    """A file of named columns.

    Attributes:
        table: All of its columns.
        index_names: Of those that are a row index, and not features.
    """

    table: "pyarrow.Table"
    index_names: list[str]


def is_table(config: DatasetConfig) -> bool:
    """Whether the samples are the rows of a file with named columns."""
    kind = Path(config.path or "").suffix.lower()
    return config.loader.get("_target_") == LOADER and kind in TABLES


def has_positions(config: DatasetConfig) -> bool:
    """Whether the names of samples, if there are some, are positions of rows in the user's file."""
    return config.missing == "drop" and Path(config.path or "").suffix.lower() != CELLS


def users_columns(config: DatasetConfig, dataset: Dataset, every: bool, verbatim: bool) -> Taken:
    """Columns of the data by name, each ``(N,)``.

    Args:
        config: Where the data are, and how they were read.
        dataset: The data as they were loaded.
        every: Whether all columns are wanted, also those that are no features; otherwise the row
            index.
        verbatim: Whether the cells of a text file are wanted as the texts that they are.

    Raises:
        InputError: A file cannot be read or is too large, or the samples have no columns with
            names.
    """
    path = user_path(str(config.path))
    if is_table(config):
        return columns_of_table(path, config, dataset, every, verbatim)
    if not every:
        return Taken({}, {})
    if config.loader.get("_target_") == LOADER and path.suffix.lower() == CELLS:
        return Taken({}, columns_of_cells(path, dataset))
    return Taken({}, features(dataset, config))


def columns_of_table(
    path: Path, config: DatasetConfig, dataset: Dataset, every: bool, verbatim: bool
) -> Taken:
    """Columns of a file of rows; for the arguments, see ``users_columns``.

    Raises:
        InputError: The file cannot be read, or has rows that are no samples.
    """
    with reading(path):
        table, index = read(path, config, verbatim)
    if config.missing == "drop" and dataset.samples:  # the positions of those that are left
        table = table.take([int(position) for position in dataset.samples])
    if len(table) != dataset.x.shape[0]:
        raise InputError(
            f"{path} has {len(table)} rows and {dataset.x.shape[0]} samples: "
            "its columns can be exported only if every row is a sample"
        )
    others = [name for name in table.column_names if every and name not in index]
    return Taken(*({name: table.column(name) for name in names} for names in (index, others)))


def columns_of_cells(path: Path, dataset: Dataset) -> "dict[str, pyarrow.Array]":
    """The columns of ``obs`` in an AnnData file, of those cells that are samples.

    Raises:
        InputError: The file cannot be read, or cells are left out and do not differ in their names.
    """
    cells, columns = read_obs(path)
    if len(cells) == dataset.x.shape[0]:
        return columns
    rows = {name: row for row, name in enumerate(cells)}
    if len(rows) < len(cells):
        raise InputError(
            f"{path} has {len(cells)} cells of {len(rows)} names: its columns can be exported only "
            "if every cell is a sample, or has a name of its own"
        )
    kept = [rows[name] for name in dataset.samples]
    return {name: column.take(kept) for name, column in columns.items()}


def features(dataset: Dataset, config: DatasetConfig) -> "dict[str, pyarrow.Array]":
    """The features as columns.

    Raises:
        InputError: They have no names, or are too large.
    """
    import pyarrow

    if not dataset.names:
        what = config.path or config.name
        raise InputError(f"columns=true has no use: the columns of {what} have no names")
    n_samples, n_features = dataset.x.shape
    check_fits(8 * n_samples * n_features, Path(config.path or config.name))
    x = dataset.x[:]
    return {name: pyarrow.array(x[:, index]) for index, name in enumerate(dataset.names)}


def read(path: Path, config: DatasetConfig, verbatim: bool) -> Source:
    """All columns of a file.

    Args:
        path: ``.csv``, ``.tsv`` or ``.parquet``.
        config: How it was read in training.
        verbatim: See ``users_columns``.
    """
    request = Request(labels=config.labels, drop=config.drop, index=config.index)
    if path.suffix.lower() in TEXTS:
        check_fits(4 * path.stat().st_size, path)
        wanted = [*config.drop, *filter(None, [config.labels])]
        layout = find_layout(path, config.header, wanted)
        table, known = read_text(path, layout, False), unnamed(layout.names)
        index = index_of(table, known, request)
        texts = verbatim and layout.decimal == "."
        return Source(read_text(path, layout, True) if texts else table, index)
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        check_fits(8 * file.metadata.num_rows * file.metadata.num_columns, path)
        table = file.read()
    known = {*unnamed(table.column_names), *index_of_pandas(table.schema.metadata or {})}
    return Source(table, index_of(table, known, request))


def index_of(table: "pyarrow.Table", known: set[str], request: Request) -> list[str]:
    """Names of the columns that are a row index, and no features.

    Args:
        table: All columns.
        known: Columns that their names or pandas show to be an index.
        request: What was asked for in training.
    """
    if request.index == "keep":
        return []
    return [
        name
        for name, column in zip(table.column_names, table.columns, strict=True)
        if is_index(name, name in known, counts_rows(column), request)
    ]


def read_text(path: Path, layout: Layout, as_text: bool) -> "pyarrow.Table":
    """All columns of a text table, with the types that they seem to have, or as texts."""
    import pyarrow

    source, _ = plain(path, layout)
    texts = dict.fromkeys(layout.names, pyarrow.string()) if as_text else None
    return all_columns(source, layout, strings_can_be_null=not as_text, column_types=texts)
