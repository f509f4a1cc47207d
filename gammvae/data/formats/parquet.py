"""Tables in parquet files, whose columns have names and types."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gammvae.data.formats.cells import holds_text
from gammvae.data.formats.columns import Columns, check_names, check_types, select
from gammvae.data.formats.request import Request
from gammvae.data.formats.row_index import (
    NAMELESS,
    OF_PANDAS,
    index_of_pandas,
    remark_on_index,
    unnamed,
)
from gammvae.data.rows import check_fits

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile


def read_parquet(path: Path, request: Request) -> Columns:
    """Reads a parquet file, in which a column of lists of equal length is several features.

    Args:
        path: The file.
        request: Which columns are wanted.

    Raises:
        InputError: A column that is asked for is missing, or a feature is not numeric.
    """
    from pyarrow.parquet import ParquetFile, read_schema

    labels = request.labels
    # as a dictionary, because a few bytes of it can stand for any number of equal long texts
    schema = read_schema(path)
    texts = [
        name
        for name, kind in zip(schema.names, schema.types, strict=True)
        if name == labels or (holds_text(kind) and request.takes_text(name))
    ]
    with ParquetFile(path, read_dictionary=texts) as file:
        schema = file.schema_arrow
        check_names(schema.names, path, request)
        index = {*unnamed(schema.names), *index_of_pandas(schema.metadata or {})}
        unwanted = [*request.drop, *(name for name in request.spare if name != labels)]
        left_out = [name for name in schema.names if name in index - {labels, *unwanted}]
        if request.index is not None:
            left_out = []
        wanted = [name for name in schema.names if name not in {*unwanted, *left_out}]
        features = [name for name in wanted if name != labels]
        check_types([(name, schema.field(name).type, None) for name in features], request)
        check_fits(8 * number_of_values(file, wanted), path)
        table = file.read(columns=wanted)
    nameless = unnamed(schema.names)
    notes = [
        remark_on_index(name, NAMELESS if name in nameless else OF_PANDAS, kind, request)
        for name, kind in zip(schema.names, schema.types, strict=True)
        if name in left_out
    ]
    columns = select(table, request, nameless, notes)
    return columns._replace(names=schema.names)


def number_of_values(file: "ParquetFile", wanted: Sequence[str]) -> int:
    """The number of values in the wanted columns of a parquet file, including those in lists."""
    about, names = file.metadata, set(wanted)
    nested = [
        index
        for index in range(about.num_columns)
        if (path := about.schema.column(index).path) not in names
        and path.rpartition(".")[0].rpartition(".")[0] in names
    ]
    groups = [about.row_group(group) for group in range(about.num_row_groups)] if nested else []
    in_lists = sum(group.column(index).num_values for group in groups for index in nested)
    return about.num_rows * (len(names) - len(nested)) + in_lists
