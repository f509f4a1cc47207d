"""Tables with named columns, csv and parquet, as features and classes."""

import io
import itertools
import json
import re
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from gammvae.config.overrides import override
from gammvae.data.cells import (
    all_differ,
    as_classes,
    as_numbers,
    counts_rows,
    first_text,
    holds_lists,
    holds_numbers,
    with_lists,
)
from gammvae.data.labels import CLASS_NAMES
from gammvae.data.layout import SEPARATORS, Layout, could_be_header, find_layout, plain
from gammvae.data.samples import check_fits
from gammvae.errors import InputError

if TYPE_CHECKING:
    import pyarrow
    from pyarrow.parquet import ParquetFile

# What pandas calls an index without a name that it writes as a column.
UNNAMED = re.compile(r"Unnamed: 0(\.\d+|_level_\d+)*|__index_level_\d+__")
# What people call the number of a row.
IDENTIFIER = re.compile(r"(.*[^a-z])?(id|ids|idx|index|level_0|row|rownames?)", re.IGNORECASE)
# Why a column is taken for the index of rows.
COUNTING, NAMELESS = "counts the rows and has no name", "has no name of its own"
OF_PANDAS = "is the index of the table that pandas wrote"
# Bytes that arrow reads at a time, more where a line is long: it must lie in two of them.
BLOCK_BYTES = 2**20
# Columns that one advice names at most.
ADVISED = 20


@dataclass(frozen=True)
class Keys:
    """What a command calls the settings of a file; empty where it has none such."""

    path: str = "dataset.path"
    array: str = "dataset.array"
    labels: str = "dataset.labels"
    drop: str = "dataset.drop"
    header: str = "dataset.header"
    index: str = "dataset.index"


@dataclass(frozen=True)
class Request:
    """What the user says of a file besides its path.

    Attributes:
        array: Name of the samples' array, in a file that holds several.
        labels: Name of the classes' column or array, or the path of another file.
        drop: Columns that are no features.
        spare: Columns that are none if they are there.
        known: Names that columns are likely to have.
        header: Whether the first line of a text table holds names; ``None``: it is found out.
        index: What becomes of a row index without a name: ``None``: it is left out; ``keep``: a
            feature; ``counting``: left out if it counts the rows.
        keys: What to call all this in messages.
    """

    array: str | None = None
    labels: str | None = None
    drop: Sequence[str] = ()
    spare: Sequence[str] = ()
    known: Sequence[str] = ()
    header: bool | None = None
    index: str | None = None
    keys: Keys = Keys()

    def advice(self, *settings: tuple[str, Any, str]) -> str:
        """What can be set instead, behind a semicolon.

        Args:
            settings: Key, value and effect of each; those without a key are left out.
        """
        parts = [f"{override(key, value)} {effect}" for key, value, effect in settings if key]
        return f"; {', '.join(parts)}" if parts else ""


class Columns(NamedTuple):
    """Columns of numbers that are features, and the classes.

    Attributes:
        table: Of pyarrow, with the features.
        classes: ``(N,)``, or ``None`` if the file has no such column.
        notes: What a user should know about how the file was read.
        names: Of all columns of the file.
        hint: How a text table that was found to have no header is said to have one, or nothing.
    """

    table: "pyarrow.Table"
    classes: NDArray | None
    notes: list[str]
    names: Sequence[str]
    hint: str = ""

    def features(self) -> Iterator[NDArray]:
        """Values ``(N,)`` of every feature."""
        for name, column in zip(self.table.column_names, self.table.columns, strict=True):
            yield as_numbers(name, column)


def read_csv(path: Path, request: Request) -> Columns:
    """The columns of a text table. Separator and header line are found out and noted.

    Args:
        path: The file, UTF-8.
        request: Without a header line columns are called 1, 2, ...
    """
    import pyarrow
    from pyarrow import csv as arrow_csv

    check_fits(4 * path.stat().st_size, path)  # two characters can become a number of 8 bytes
    wanted = [*request.drop, *request.known, *filter(None, [request.labels])]
    layout = find_layout(path, request.header, wanted)
    check_names(layout.names, path, request)
    source, comments = plain(path, layout)
    classes = request.labels in layout.names
    table = arrow_csv.read_csv(
        io.BytesIO(source) if isinstance(source, bytes) else source,
        arrow_csv.ReadOptions(
            column_names=layout.names,
            skip_rows=layout.skipped,
            block_size=max(BLOCK_BYTES, 8 * layout.longest),
        ),
        arrow_csv.ParseOptions(delimiter=layout.separator),
        arrow_csv.ConvertOptions(
            strings_can_be_null=True,
            decimal_point=layout.decimal,
            column_types={request.labels: pyarrow.string()} if classes else None,
        ),
    )
    if not len(table):
        raise InputError(f"{path} has a line of names and no rows below it")
    hint = ""
    if request.header is None and not layout.has_header:
        hint = request.advice((request.keys.header, True, "takes its first line as names"))
    notes = [described(layout) + hint]
    if comments:
        notes += [f"lines of comments that are skipped: {comments}"]
    if hint and could_be_header(layout):
        notes += ["the numbers of its first line could be names"]
    columns = select(table, request, unnamed(layout.names), notes, layout)
    return columns._replace(hint=hint)


def described(layout: Layout) -> str:
    """How a text table was read."""
    header = "with a header line" if layout.has_header else "without a header line"
    comma = " and decimal commas" if layout.decimal == "," else ""
    return f"read as {SEPARATORS[layout.separator]}-separated {header}{comma}"


def read_parquet(path: Path, request: Request) -> Columns:
    """The columns of a parquet file; a column of lists that are equally long is a matrix."""
    from pyarrow.parquet import ParquetFile, read_schema

    labels = request.labels
    # as a dictionary, because a few bytes of it can stand for any number of equal long texts
    texts = [labels] if labels and labels in read_schema(path).names else None
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
    """How many values the wanted columns of a parquet file hold, those in lists included."""
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


def unnamed(names: Sequence[str]) -> set[str]:
    """The columns that are a row index, by their names: without one, at the front or by pandas."""
    first = itertools.takewhile(re.compile(r"(Unnamed: \d+)?").fullmatch, names)
    return {*first, *filter(UNNAMED.fullmatch, names)}


def index_of_pandas(metadata: Mapping[bytes, bytes]) -> set[str]:
    """The columns of a parquet file that were the index of the table that pandas wrote."""
    try:
        index = json.loads(metadata[b"pandas"])["index_columns"]
        return {name for name in index if isinstance(name, str)}
    except (KeyError, TypeError, ValueError, RecursionError):  # by another program, or none
        return set()


def remark_on_index(name: str, why: str, kind: "pyarrow.DataType", request: Request) -> str:
    """Says that a column is left out as the index of rows, and what takes it if that is possible.

    Args:
        name: Of the column.
        why: It is taken for one.
        kind: Its type.
        request: What is asked for.
    """
    taken = ""
    if holds_numbers(kind):
        taken = request.advice((request.keys.index, "keep", "takes it as a feature"))
    return f"column {name!r} is left out: it {why}{taken}"


def check_names(names: Sequence[str], path: Path, request: Request) -> None:
    """Refuses columns that share a name, and names to leave out that no column has."""
    (name, count), *_ = Counter(names).most_common(1) or [("", 0)]
    if count > 1:
        raise InputError(f"{path} has {count} columns named {name!r}: names must differ")
    unknown = next((name for name in request.drop if name not in names), None)
    if unknown is not None:
        raise InputError(f"{request.keys.drop}={unknown} is no column of {path}: {listed(names)}")


def listed(names: Sequence[str]) -> str:
    """Some names, the first of many."""
    shown = ", ".join(names[:20])
    return f"it has {shown}, ..." if len(names) > 20 else f"it has {shown}"


def select(
    table: "pyarrow.Table",
    request: Request,
    index: Container[str],
    notes: list[str],
    layout: Layout | None = None,
) -> Columns:
    """Parts a table into features, classes and what is left out.

    Args:
        table: Of a file.
        request: What is asked for.
        index: Columns that are a row index.
        notes: About the file.
        layout: Of its lines, if it is a text table.
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
    return Columns(table, classes, notes, names)


def is_index(name: str, unnamed: bool, counts: bool, request: Request) -> bool:
    """Whether a column is left out as a row index."""
    if request.index == "counting":
        return counts and name in ("", "Unnamed: 0", "__index_level_0__")
    return unnamed or (counts and name == "")


def remarks(table: "pyarrow.Table", request: Request) -> Iterator[str]:
    """What looks odd about features: that they count the rows, or are called classes."""
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


def check_types(
    columns: "Sequence[tuple[str, pyarrow.DataType, pyarrow.ChunkedArray | None]]",
    request: Request,
    layout: Layout | None = None,
) -> None:
    """Refuses columns of anything but numbers.

    Args:
        columns: Name, type and, if they are at hand, values of each.
        request: What was asked for.
        layout: Of a text table.

    Raises:
        InputError: There is one.
    """
    bad = [one for one in columns if not (holds_numbers(one[1]) or holds_lists(one[1]))]
    if not bad:
        return
    name, kind, column = bad[0]
    row, example = None, ""
    if column is not None and layout is not None:
        row, example = first_text(column, layout.decimal)
    settings: list[tuple[str, Any, str]] = []
    if len(bad) == 1 and request.labels is None:
        settings += [(request.keys.labels, name, "takes it as classes")]
    if len(bad) <= ADVISED:
        them = "it" if len(bad) == 1 else f"all {len(bad)} such columns"
        names = [*request.drop, *(name for name, *_ in bad)]
        settings += [(request.keys.drop, names, f"leaves {them} out")]
    if layout is not None and row == 0 and not layout.has_header:
        settings += [(request.keys.header, True, "takes the first line as names")]
    raise InputError(
        f"column {name!r} holds {kind}{example}: features must be numbers"
        + request.advice(*settings)
    )
