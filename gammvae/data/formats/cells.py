"""Cells of pyarrow's tables as numbers and classes.

Notation: ``N`` samples.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gammvae.data.formats.layout import is_number
from gammvae.data.formats.request import Request
from gammvae.data.labels import from_text
from gammvae.errors import InputError

if TYPE_CHECKING:
    import pyarrow

MAX_CLASS_NAME = 200


def counts_rows(column: "pyarrow.ChunkedArray") -> bool:
    """Whether a column holds the integers 0, 1, 2, ... or 1, 2, 3, ..."""
    from pyarrow import types

    if not types.is_integer(column.type) or column.null_count or len(column) < 3:
        return False
    first = column[0].as_py()
    return first in (0, 1) and bool((column.to_numpy() == first + np.arange(len(column))).all())


def all_differ(column: "pyarrow.ChunkedArray") -> bool:
    """Whether a column holds integers that are all different."""
    from pyarrow import types

    return types.is_integer(column.type) and len(column.unique()) == len(column) > 2


def check_complete(name: str, column: "pyarrow.ChunkedArray", request: Request) -> None:
    """Refuses a column with an empty cell.

    Args:
        name: Of the column.
        column: The column.
        request: What is asked for, to word the advice.

    Raises:
        InputError: It has one.
    """
    if column.null_count:
        row = column.is_null().to_numpy().argmax()
        raise InputError(
            f"column {name!r} has no value in row {row + 1}: every cell must have one"
            + request.advice(
                (request.keys.missing, "median", "replaces it"),
                (request.keys.missing, "drop", "leaves out its row"),
            )
        )


def as_numbers(column: "pyarrow.ChunkedArray") -> NDArray:
    """A column as floating-point numbers ``(N,)``, NaN where a cell is empty."""
    return column.cast("float64").to_numpy()


def holds_text(kind: "pyarrow.DataType") -> bool:
    """Whether a type of pyarrow stands for text."""
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    return types.is_string(kind) or types.is_large_string(kind)


def holds_numbers(kind: "pyarrow.DataType") -> bool:
    """Whether a type of pyarrow stands for real numbers."""
    from pyarrow import types

    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    return any(test(kind) for test in tests)


def holds_lists(kind: "pyarrow.DataType") -> bool:
    """Whether a type of pyarrow stands for lists of real numbers."""
    from pyarrow import types

    tests = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    return any(test(kind) for test in tests) and holds_numbers(kind.value_type)


def first_text(column: "pyarrow.ChunkedArray", decimal: str) -> tuple[int | None, str]:
    """Row index of the first cell of a text table that is no number, and a text that quotes it."""
    from pyarrow import types

    if not types.is_string(column.type):
        return None, ""
    for row, value in enumerate(column.to_pylist()):
        if value is not None and not is_number(value, decimal):
            return row, f" ({value!r} in row {row + 1})"
    return None, ""


def with_lists(table: "pyarrow.Table", notes: list[str]) -> "tuple[pyarrow.Table, list[str]]":
    """Replaces every column of lists by one column for each position in the lists.

    Returns:
        The table, and the notes with a remark on each such column.

    Raises:
        InputError: Lists differ in length or are incomplete, or two columns get the same name.
    """
    import pyarrow

    if not any(holds_lists(kind) for kind in table.schema.types):
        return table, notes
    names: list[str] = []
    columns: list[Any] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not holds_lists(column.type):
            names.append(name)
            columns.append(column)
            continue
        matrix = as_matrix(name, column)
        names += [f"{name}_{position}" for position in range(matrix.shape[1])]
        columns += [pyarrow.chunked_array([values]) for values in matrix.T.copy()]
        notes = [*notes, f"column {name!r} of lists is read as {matrix.shape[1]} features"]
    check_distinct(names, "lists")
    return pyarrow.table(columns, names), notes


def check_distinct(names: Sequence[str], what: str) -> None:
    """Refuses equal names of the columns that ``what`` is read as.

    Raises:
        InputError: Two of them are equal.
    """
    name, count = Counter(names).most_common(1)[0]
    if count > 1:
        raise InputError(f"{what} are read as columns of which {count} are named {name!r}")


def as_matrix(name: str, column: "pyarrow.ChunkedArray") -> NDArray:
    """A column of lists of equal length as an array ``(N, length)``.

    Raises:
        InputError: The lengths differ, or a value is missing.
    """
    import pyarrow.compute as pc

    if column.null_count:
        row = column.is_null().to_numpy().argmax()
        raise InputError(f"column {name!r} has no list in row {row + 1}: every row must have one")
    lengths = pc.list_value_length(column).to_numpy()
    if (other := np.flatnonzero(lengths != lengths[0])).size or lengths[0] == 0:
        row = other[0] if other.size else 0
        raise InputError(
            f"column {name!r} has a list of {lengths[row]} values in row {row + 1} and one of "
            f"{lengths[0]} in row 1: lists must be equally long, and not empty"
        )
    values = pc.list_flatten(column)
    if values.null_count:
        row = values.is_null().to_numpy().argmax() // lengths[0]
        raise InputError(f"column {name!r} has a list without a value in row {row + 1}")
    return values.cast("float64").to_numpy().reshape(len(column), -1)


def as_classes(column: "pyarrow.ChunkedArray", of_text: bool) -> NDArray:
    """A column as classes ``(N,)``.

    Args:
        column: The column.
        of_text: Whether it comes from a text file, in which numbers have no type.

    Raises:
        InputError: A class is missing, or its name is too long.
    """
    from pyarrow import types

    if column.null_count:
        row = column.is_null().to_numpy().argmax()
        raise InputError(
            f"the classes have no value in row {row + 1} (NA and null count as none): "
            "every sample must have one"
        )
    if of_text:
        return from_text(column.to_pylist())
    if not types.is_dictionary(column.type):
        text = types.is_string(column.type) or types.is_large_string(column.type)
        return np.array(column.to_pylist(), dtype=str) if text else column.to_numpy()
    encoded = column.unify_dictionaries().combine_chunks()
    names = encoded.dictionary.to_pylist()
    longest = max((len(name) for name in names if isinstance(name, str)), default=0)
    if longest > MAX_CLASS_NAME:
        raise InputError(
            f"a class has a name of {longest} characters: it may have {MAX_CLASS_NAME}"
        )
    return np.array(names)[encoded.indices.to_numpy()]
