"""Columns that number or name the rows of a table, and are no features.

pandas writes its index as a first column without a name, or says in the metadata of a parquet file
which columns were the index.
"""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from gammvae.data.formats.cells import all_differ, counts_rows, holds_numbers
from gammvae.data.formats.request import Request
from gammvae.data.labels import CLASS_NAMES

if TYPE_CHECKING:
    import pyarrow

# The name that pandas gives to the column of an index without a name.
UNNAMED = re.compile(r"Unnamed: 0(\.\d+|_level_\d+)*|__index_level_\d+__")
# Usual names of a column that numbers the rows.
IDENTIFIER = re.compile(r"(.*[^a-z])?(id|ids|idx|index|level_0|row|rownames?)", re.IGNORECASE)
# Why a column is considered a row index.
COUNTING, NAMELESS = "counts the rows and has no name", "has no name of its own"
OF_PANDAS = "is the index of the table that pandas wrote"


def unnamed(names: Sequence[str]) -> set[str]:
    """The columns that their names show to be a row index.

    These are the first columns, as long as they have no name, and those that pandas named.
    """
    first = itertools.takewhile(re.compile(r"(Unnamed: \d+)?").fullmatch, names)
    return {*first, *filter(UNNAMED.fullmatch, names)}


def index_of_pandas(metadata: Mapping[bytes, bytes]) -> set[str]:
    """The columns that were the index of the table, if pandas wrote the parquet file."""
    try:
        index = json.loads(metadata[b"pandas"])["index_columns"]
        return {name for name in index if isinstance(name, str)}
    except (KeyError, TypeError, ValueError, RecursionError):  # by another program, or none
        return set()


def remark_on_index(name: str, why: str, kind: "pyarrow.DataType", request: Request) -> str:
    """Says that a column is left out as a row index, and which setting keeps it.

    Args:
        name: Of the column.
        why: The reason.
        kind: Its type; only numbers can be kept.
        request: What is asked for, to word the advice.
    """
    taken = ""
    if holds_numbers(kind):
        taken = request.advice((request.keys.index, "keep", "takes it as a feature"))
    return f"column {name!r} is left out: it {why}{taken}"


def is_index(name: str, unnamed: bool, counts: bool, request: Request) -> bool:
    """Whether a column is left out as a row index."""
    if request.index == "counting":
        return counts and name in ("", "Unnamed: 0", "__index_level_0__")
    return unnamed or (counts and name == "")


def remarks(table: "pyarrow.Table", request: Request) -> Iterator[str]:
    """Yields remarks on features that number the rows, or have the name of classes."""
    keys = request.keys
    for name, column in zip(table.column_names, table.columns, strict=True):
        if counts_rows(column):
            less = request.advice((keys.drop, [*request.drop, name], "leaves it out"))
            yield f"column {name!r} is taken as a feature and counts the rows{less}"
        elif IDENTIFIER.fullmatch(name) and all_differ(column):
            less = request.advice((keys.drop, [*request.drop, name], "leaves it out"))
            yield f"column {name!r} is taken as a feature and differs in every row{less}"
        elif request.labels is None and name.lower() in CLASS_NAMES:
            classes = request.advice((keys.labels, name, "takes it as classes"))
            yield f"column {name!r} is taken as a feature{classes}"
