"""Tables in text files: csv, tsv and whatever else parts the fields of a line."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gammvae.data.formats.columns import Columns, check_names, select
from gammvae.data.formats.layout import SEPARATORS, Layout, could_be_header, find_layout, plain
from gammvae.data.formats.request import Request
from gammvae.data.formats.row_index import unnamed
from gammvae.data.rows import check_fits
from gammvae.errors import InputError

if TYPE_CHECKING:
    import pyarrow

# Bytes that arrow reads at a time; more where lines are long, because a line must lie in two of
# these blocks.
BLOCK_BYTES = 2**20
# Texts that stand for a missing value, besides those that arrow knows.
MORE_MISSING = ("?", "-", ".", "na", "N/a", "none", "None", "NONE")


def read_csv(path: Path, request: Request) -> Columns:
    """Reads a text table, whose separator, decimal mark and header line are detected.

    Args:
        path: The file, UTF-8.
        request: Which columns are wanted; without a header line they are called 1, 2, ...

    Raises:
        InputError: It has no rows, a column that is asked for is missing, or a feature is not
            numeric.
    """
    import pyarrow

    check_fits(4 * path.stat().st_size, path)  # two characters can become a number of 8 bytes
    wanted = [*request.drop, *request.known, *filter(None, [request.labels])]
    layout = find_layout(path, request.header, wanted)
    check_names(layout.names, path, request)
    source, comments = plain(path, layout)
    texts = [
        name
        for name in (request.labels, *(request.categories or ()))
        if name is not None and name in layout.names
    ]
    table = all_columns(
        source,
        layout,
        strings_can_be_null=True,
        null_values=null_values(request),
        column_types={name: pyarrow.string() for name in texts},
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


def all_columns(
    source: Path | bytes,
    layout: Layout,
    **conversion: Any,  # noqa: ANN401 - of the types of the options
) -> "pyarrow.Table":
    """All columns of a text table.

    Args:
        source: The file, or its lines without comments; see ``layout.plain``.
        layout: How its lines are read.
        conversion: Options of arrow's ``ConvertOptions``.
    """
    from pyarrow import csv as arrow_csv

    return arrow_csv.read_csv(
        io.BytesIO(source) if isinstance(source, bytes) else source,
        arrow_csv.ReadOptions(
            column_names=layout.names,
            skip_rows=layout.skipped,
            block_size=max(BLOCK_BYTES, 8 * layout.longest),
        ),
        arrow_csv.ParseOptions(delimiter=layout.separator),
        arrow_csv.ConvertOptions(decimal_point=layout.decimal, **conversion),
    )


def null_values(request: Request) -> list[str]:
    """The texts that stand for a missing value: more than arrow's if these are not refused."""
    from pyarrow import csv as arrow_csv

    usual = arrow_csv.ConvertOptions().null_values
    return usual if request.missing == "refuse" else [*usual, *MORE_MISSING]


def described(layout: Layout) -> str:
    """How a text table was read."""
    header = "with a header line" if layout.has_header else "without a header line"
    comma = " and decimal commas" if layout.decimal == "," else ""
    return f"read as {SEPARATORS[layout.separator]}-separated {header}{comma}"
