"""The named columns of a table, divided into features, classes and what is left out.

Notation: ``N`` samples.
"""

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from gammvae.data.formats.categories import with_indicators
from gammvae.data.formats.cells import (
    as_classes,
    as_numbers,
    check_complete,
    counts_rows,
    first_text,
    holds_lists,
    holds_numbers,
    holds_text,
    with_lists,
)
from gammvae.data.formats.layout import Layout
from gammvae.data.formats.request import Request, listed
from gammvae.data.formats.row_index import COUNTING, NAMELESS, is_index, remark_on_index, remarks
from gammvae.errors import InputError

if TYPE_CHECKING:
    import pyarrow

# A message lists no more columns than this.
ADVISED = 20


class Columns(NamedTuple):
    """Columns of numbers that are features, and the classes.

    Attributes:
        table: The features, as a table of pyarrow.
        classes: ``(N,)``, or ``None`` if the file has no such column.
        notes: What the user should know about how the file was read.
        names: Of all columns of the file.
        hint: For a text table in which no header was found: how to say that it has one.
        categories: The texts of each column of text, which is now several features.
    """

    table: "pyarrow.Table"
    classes: NDArray | None
    notes: list[str]
    names: Sequence[str]
    hint: str = ""
    categories: Mapping[str, tuple[str, ...]] = {}

    def features(self) -> Iterator[NDArray]:
        """Yields the values ``(N,)`` of every feature, NaN where one is missing."""
        for column in self.table.columns:
            yield as_numbers(column)


def check_names(names: Sequence[str], path: Path, request: Request) -> None:
    """Checks the names of a table's columns.

    Raises:
        InputError: Two columns share a name, or a column to be left out does not exist.
    """
    (name, count), *_ = Counter(names).most_common(1) or [("", 0)]
    if count > 1:
        raise InputError(f"{path} has {count} columns named {name!r}: names must differ")
    unknown = next((name for name in request.drop if name not in names), None)
    if unknown is not None:
        raise InputError(f"{request.keys.drop}={unknown} is no column of {path}: {listed(names)}")


def select(
    table: "pyarrow.Table",
    request: Request,
    index: Container[str],
    notes: list[str],
    layout: Layout | None = None,
) -> Columns:
    """Divides a table into features, classes and columns that are left out.

    Args:
        table: All columns of a file.
        request: Which of them are wanted.
        index: Names of columns that are a row index.
        notes: What is to be said about the file so far.
        layout: How its lines were read, if it is a text table.

    Raises:
        InputError: A feature is not numeric, or lacks a value.
        ValueError: No feature is left.
    """
    names, labels, classes = table.column_names, request.labels, None
    if labels in names:
        classes = as_classes(table.column(labels), layout is not None)
        table = table.drop_columns([labels])
    unwanted = {*request.drop, *request.spare}
    table = table.drop_columns([name for name in table.column_names if name in unwanted])
    for name in table.column_names:
        column = table.column(name)
        counts = counts_rows(column)
        if request.index != "keep" and is_index(name, name in index, counts, request):
            table = table.drop_columns([name])
            notes.append(
                remark_on_index(name, COUNTING if counts else NAMELESS, column.type, request)
            )
    if not table.column_names:
        raise ValueError("no column is left to be a feature")
    columns = zip(table.column_names, table.schema.types, table.columns, strict=True)
    check_types(list(columns), request, layout)
    notes += remarks(table, request)
    table, notes = with_lists(table, notes)
    if request.missing == "refuse":
        for name, column in zip(table.column_names, table.columns, strict=True):
            check_complete(name, column, request)
    encoded = with_indicators(table, request)
    notes = [*notes, *encoded.notes]
    return Columns(encoded.table, classes, notes, names, categories=encoded.categories)


def check_types(
    columns: "Sequence[tuple[str, pyarrow.DataType, pyarrow.ChunkedArray | None]]",
    request: Request,
    layout: Layout | None = None,
) -> None:
    """Refuses features that are not numeric.

    Args:
        columns: Name, type and, if they are at hand, values of each.
        request: What was asked for, to word the advice.
        layout: How the lines were read, if it is a text table.

    Raises:
        InputError: A column holds something else; the message names settings that help.
    """
    bad = [
        (name, kind, column)
        for name, kind, column in columns
        if not (holds_numbers(kind) or holds_lists(kind))
        and not (holds_text(kind) and request.takes_text(name))
    ]
    if not bad:
        return
    name, kind, column = bad[0]
    is_empty = kind == "null"
    row, example = None, ""
    if column is not None and layout is not None:
        row, example = first_text(column, layout.decimal)
    settings: list[tuple[str, Any, str]] = []
    if len(bad) == 1 and request.labels is None and not is_empty:
        settings += [(request.keys.labels, name, "takes it as classes")]
    if len(bad) <= ADVISED:
        them = "it" if len(bad) == 1 else f"all {len(bad)} such columns"
        names = [*request.drop, *(name for name, *_ in bad)]
        settings += [(request.keys.drop, names, f"leaves {them} out")]
    if request.categorical == "refuse" and all(holds_text(kind) for _, kind, _ in bad):
        settings += [(request.keys.categorical, "onehot", "makes a feature of each of its texts")]
    if layout is not None and row == 0 and not layout.has_header:
        settings += [(request.keys.header, True, "takes the first line as names")]
    what = "is empty" if is_empty else f"holds {kind}{example}"
    raise InputError(
        f"column {name!r} {what}: features must be numbers" + request.advice(*settings)
    )
