"""The columns of a run's data as the user has them: the row index, or all of them.

Notation: ``N`` samples, ``F`` features.
"""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gammvae.config.schema import DatasetConfig
from gammvae.data.dataset import Dataset
from gammvae.data.formats.cells import counts_rows
from gammvae.data.formats.layout import Layout, find_layout, plain
from gammvae.data.formats.request import Request
from gammvae.data.formats.row_index import index_of_pandas, is_index, unnamed
from gammvae.data.formats.text_table import all_columns
from gammvae.data.rows import check_fits
from gammvae.errors import InputError, reading
from gammvae.system.paths import user_path

if TYPE_CHECKING:
    import pyarrow

LOADER = "gammvae.data.files.load"
TEXTS, TABLES = (".csv", ".tsv"), (".csv", ".tsv", ".parquet")


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


def users_columns(
    config: DatasetConfig, dataset: Dataset, every: bool, verbatim: bool
) -> "dict[str, pyarrow.ChunkedArray | pyarrow.Array]":
    """Columns of the data by name, each ``(N,)``.

    Args:
        config: Where the data are, and how they were read.
        dataset: The data as they were loaded.
        every: Whether all columns are wanted, also those that are no features; otherwise the row
            index.
        verbatim: Whether the cells of a text file are wanted as the texts that they are.

    Raises:
        InputError: A file cannot be read, or is too large.
    """
    if not is_table(config):
        return features(dataset, config) if every else {}
    path = user_path(str(config.path))
    with reading(path):
        table, index = read(path, config, verbatim)
    if config.missing == "drop" and dataset.samples:  # the positions of those that are left
        table = table.take([int(position) for position in dataset.samples])
    if len(table) != dataset.x.shape[0]:
        raise InputError(
            f"{path} has {len(table)} rows and {dataset.x.shape[0]} samples: "
            "its columns can be exported only if every row is a sample"
        )
    names = table.column_names if every else index
    return {name: table.column(name) for name in names}


def features(dataset: Dataset, config: DatasetConfig) -> "dict[str, pyarrow.Array]":
    """The features as columns, with names where they are known."""
    import pyarrow

    n_samples, n_features = dataset.x.shape
    check_fits(8 * n_samples * n_features, Path(config.path or config.name))
    names = dataset.names or [f"feature_{index}" for index in range(n_features)]
    x = dataset.x[:]
    return {name: pyarrow.array(x[:, index]) for index, name in enumerate(names)}


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
