"""Tables with named columns, csv and parquet, as features and classes."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gammvae.errors import InputError
from gammvae.samples import check_fits

if TYPE_CHECKING:
    import pyarrow

SEPARATORS = ",;\t"
# What pandas calls an index that it writes as a column.
INDEX_NAMES = ("", "Unnamed: 0", "__index_level_0__")
CLASS_NAMES = ("class", "classes", "label", "labels", "target", "y")
FIRST_LINE_BYTES = 2**24
MAX_CLASS_NAME = 200


class Layout(NamedTuple):
    """How the lines of a csv file are to be read."""

    separator: str
    names: list[str]
    has_header: bool


class Columns(NamedTuple):
    """Columns of numbers that are features, and the classes.

    Attributes:
        table: Of pyarrow, with the features.
        classes: ``(N,)``, or ``None`` if the file has no such column.
        notes: What a user should know about how the file was read.
    """

    table: "pyarrow.Table"
    classes: NDArray | None
    notes: list[str]

    def features(self) -> Iterator[tuple[str, NDArray]]:
        """Name and values ``(N,)`` of every feature; NaN where a cell is empty."""
        for name, column in zip(self.table.column_names, self.table.columns, strict=True):
            yield name, as_numbers(name, column)


def read_csv(path: Path, labels: str | None, drop: Sequence[str]) -> Columns:
    """The columns of a csv file. Separator and header line are found out and noted.

    Args:
        path: The file, UTF-8.
        labels: Name of the classes' column; without a header line columns are called 1, 2, ...
        drop: Names of columns that are no features.
    """
    from pyarrow import csv as arrow_csv

    check_fits(4 * path.stat().st_size, path)  # two characters can become a number of 8 bytes
    layout = find_layout(path)
    check_names(layout.names, drop, path)
    table = arrow_csv.read_csv(
        path,
        arrow_csv.ReadOptions(column_names=layout.names, skip_rows=1 if layout.has_header else 0),
        arrow_csv.ParseOptions(delimiter=layout.separator),
        arrow_csv.ConvertOptions(strings_can_be_null=True),
    )
    header = "with a header line" if layout.has_header else "without a header line"
    separator = {",": "comma", ";": "semicolon", "\t": "tab"}[layout.separator]
    return select(table, labels, drop, [f"read as {separator}-separated {header}"])


def find_layout(path: Path) -> Layout:
    """Separator and header of a csv file, from its first two lines.

    The first line is a header unless a column of numbers begins in it. Fields that are their own
    positions, 0, 1, 2, ..., count as names: pandas writes such a header for an array.
    """
    with path.open("rb") as file:
        lines = [file.readline(FIRST_LINE_BYTES).decode("utf-8-sig") for _ in range(2)]
    if not lines[0].strip():
        raise ValueError("its first line is empty")
    separator = max(SEPARATORS, key=lines[0].count)
    first, second = (next(csv.reader([line], delimiter=separator), []) for line in lines)
    begun = [
        is_number(above) and is_number(below) and above != str(position)
        for position, (above, below) in enumerate(zip(first, second, strict=False))
    ]
    if any(begun):
        return Layout(separator, [str(position + 1) for position in range(len(first))], False)
    return Layout(separator, first, True)


def is_number(text: str) -> bool:
    """Whether a text reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_parquet(path: Path, labels: str | None, drop: Sequence[str]) -> Columns:
    """The columns of a parquet file.

    Args:
        path: The file.
        labels: Name of the classes' column.
        drop: Names of columns that are no features.
    """
    from pyarrow.parquet import ParquetFile

    # as a dictionary, because a few bytes of it can stand for any number of equal long texts
    with ParquetFile(path, read_dictionary=[labels] if labels else None) as file:
        names = file.schema_arrow.names
        check_names(names, drop, path)
        wanted = [name for name in names if name not in drop]
        for name in wanted:
            if name != labels:
                check_type(name, file.schema_arrow.field(name).type, None)
        check_fits(8 * file.metadata.num_rows * len(wanted), path)
        return select(file.read(columns=wanted), labels, drop, [])


def column_names(path: Path) -> list[str]:
    """Names of all columns of a file; none if it is of a kind without, or cannot be read."""
    from pyarrow.parquet import read_schema

    try:
        if path.suffix.lower() in (".csv", ".tsv"):
            return find_layout(path).names
        return read_schema(path).names if path.suffix.lower() == ".parquet" else []
    except (OSError, ValueError):  # reading it will say why
        return []


def check_names(names: Sequence[str], drop: Sequence[str], path: Path) -> None:
    """Refuses columns that share a name, and names to leave out that no column has."""
    (name, count), *_ = Counter(names).most_common(1) or [("", 0)]
    if count > 1:
        raise InputError(f"{path} has {count} columns named {name!r}: names must differ")
    unknown = next((name for name in drop if name not in names), None)
    if unknown is not None:
        raise InputError(f"dataset.drop={unknown} is no column of {path}: {listed(names)}")


def listed(names: Sequence[str]) -> str:
    """Some names, the first of many."""
    shown = ", ".join(names[:20])
    return f"it has {shown}, ..." if len(names) > 20 else f"it has {shown}"


def select(
    table: "pyarrow.Table", labels: str | None, drop: Sequence[str], notes: list[str]
) -> Columns:
    """Parts a table into features, classes and what is left out."""
    classes = None
    if labels in table.column_names:
        classes = as_classes(table.column(labels))
        table = table.drop_columns([labels])
    table = table.drop_columns([name for name in drop if name in table.column_names])
    for name in table.column_names:
        if counts_rows(table.column(name)):
            if name in INDEX_NAMES:
                table = table.drop_columns([name])
                notes.append(f"column {name!r} is left out: it counts the rows and has no name")
            else:
                notes.append(
                    f"column {name!r} is taken as a feature and counts the rows; "
                    f"dataset.drop=[{name}] leaves it out"
                )
        elif labels is None and name.lower() in CLASS_NAMES:
            notes.append(
                f"column {name!r} is taken as a feature; dataset.labels={name} takes it as classes"
            )
    if not table.column_names:
        raise ValueError("no column is left to be a feature")
    return Columns(table, classes, notes)


def counts_rows(column: "pyarrow.ChunkedArray") -> bool:
    """Whether a column of integers holds 0, 1, 2, ... or 1, 2, 3, ..."""
    from pyarrow import types

    if not types.is_integer(column.type) or column.null_count or len(column) < 3:
        return False
    first = column[0].as_py()
    return first in (0, 1) and bool((column.to_numpy() == first + np.arange(len(column))).all())


def as_numbers(name: str, column: "pyarrow.ChunkedArray") -> NDArray:
    """A column as floating-point numbers ``(N,)``.

    Raises:
        InputError: It holds something else, or has an empty cell.
    """
    check_type(name, column.type, column)
    if column.null_count:
        row = column.is_null().to_numpy().argmax()
        raise InputError(f"column {name!r} has no value in row {row + 1}: every cell must have one")
    return column.cast("float64").to_numpy()


def check_type(name: str, kind: "pyarrow.DataType", column: "pyarrow.ChunkedArray | None") -> None:
    """Refuses a column of anything but numbers.

    Args:
        name: Its name.
        kind: Its type.
        column: Its values if they are at hand, to show one.
    """
    from pyarrow import types

    tests = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    if any(test(kind) for test in tests):
        return
    example = ""
    if column is not None and (types.is_string(kind) or types.is_large_string(kind)):
        values = enumerate(column.to_pylist())
        row, value = next((i, v) for i, v in values if v is None or not is_number(v))
        example = f" ({value!r} in row {row + 1})"
    raise InputError(
        f"column {name!r} holds {kind}{example}: features must be numbers; "
        f"dataset.labels={name} takes it as classes, dataset.drop=[{name}] leaves it out"
    )


def as_classes(column: "pyarrow.ChunkedArray") -> NDArray:
    """A column as classes ``(N,)``."""
    from pyarrow import types

    if column.null_count:
        row = column.is_null().to_numpy().argmax()
        raise InputError(
            f"the classes have no value in row {row + 1} (NA and null count as none): "
            "every sample must have one"
        )
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
