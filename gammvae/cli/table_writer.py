"""Writes a table as ``.csv`` or ``.parquet``, in parts that need not fit into memory together."""

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING

from gammvae.errors import InputError
from gammvae.system.memory import CHUNK_ROWS
from gammvae.system.writing import write_whole

if TYPE_CHECKING:
    import pyarrow

TABLES = (".csv", ".parquet")
# Rows of a parquet file that are compressed together.
GROUP_ROWS = 2**16


def write_table(target: Path, parts: "Iterable[pyarrow.Table]") -> None:
    """Writes the rows of all parts to one file.

    Args:
        target: Ends in one of ``TABLES``; its folder is made if there is none.
        parts: One table or more, with equal columns.

    Raises:
        InputError: A column cannot be written as text, in a ``.csv``.
    """
    tables = iter(parts)
    first = next(tables)
    write = write_parquet if target.suffix.lower() == ".parquet" else write_csv
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, lambda file: write(file, first.schema, chain([first], tables)))


def write_parquet(
    file: IO[bytes], schema: "pyarrow.Schema", tables: "Iterator[pyarrow.Table]"
) -> None:
    """Row groups are of ``GROUP_ROWS`` rows or a few more, however small the tables are."""
    from pyarrow import concat_tables
    from pyarrow.parquet import ParquetWriter

    with ParquetWriter(file, schema) as writer:
        held: list[pyarrow.Table] = []
        for one in tables:
            held.append(one)
            if sum(map(len, held)) >= GROUP_ROWS:
                writer.write_table(concat_tables(held))
                held.clear()
        if held:
            writer.write_table(concat_tables(held))


def write_csv(file: IO[bytes], schema: "pyarrow.Schema", tables: "Iterator[pyarrow.Table]") -> None:
    """One line per row, and nothing where a value is missing; arrow itself quotes every text."""
    stream = io.TextIOWrapper(file, "utf-8", newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(schema.names)
    for one in tables:
        for batch in as_texts(one).to_batches(max_chunksize=CHUNK_ROWS):
            writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    stream.flush()
    stream.detach()


def as_texts(table: "pyarrow.Table") -> "pyarrow.Table":
    """All columns as text, numbers with as many digits as identify a value of their type.

    Raises:
        InputError: A column holds lists, or bytes that are no text.
    """
    import pyarrow

    try:
        return table.cast(pyarrow.schema([(name, pyarrow.string()) for name in table.column_names]))
    except (pyarrow.ArrowNotImplementedError, pyarrow.ArrowInvalid) as error:
        raise InputError(
            "a .csv file cannot hold columns of lists or bytes: a .parquet file can, or "
            "columns=false"
        ) from error
