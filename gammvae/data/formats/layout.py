"""Detects from the first lines of a text table how it must be read.

arrow parses the table, but must be told all of this. The libraries that were considered detect
less: csv.Sniffer, clevercsv and pandas (``sep=None``) take decimal commas for separators or text;
pandas and polars take the first line as names unless told otherwise; DuckDB detects separator and
header, but neither decimal commas nor spaces as separators.
"""

import csv
import itertools
import mmap
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gammvae.errors import InputError

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "space"}
# How much of a file is examined: rows, lines of comments, bytes, and fields of each line.
LINES, COMMENT_LINES, LINE_BYTES, FIELDS = 12, 100, 2**24, 200
COMMENT = "#"
# Texts that stand for a missing value.
MISSING = ("", "na", "n/a", "nan", "null", "none", "?", "-", ".")
# What arrow reads as a number; Python's float accepts more, such as 1_1 or a no-break space.
NUMBER = re.compile(r"[ \t]*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?[ \t]*", re.ASCII | re.IGNORECASE)


class Layout(NamedTuple):
    """How the lines of a text table must be read.

    Attributes:
        separator: A key of ``SEPARATORS``; several spaces count as one.
        decimal: ``.`` or ``,``.
        names: Of all columns; numbers from 1 if the file has none, ``""`` for row names of R.
        skipped: Number of lines before the first row.
        comments: Number of comments among these, without one that holds the names.
        has_header: Whether the names come from the file.
        first: The fields of the first line that is no comment.
        longest: Length of the longest of the first lines, in characters.
    """

    separator: str
    decimal: str
    names: list[str]
    skipped: int
    comments: int
    has_header: bool
    first: list[str]
    longest: int


def find_layout(path: Path, header: bool | None, wanted: Sequence[str]) -> Layout:
    """Detects separator, decimal mark and header of a text table.

    Unless ``header`` is given, the first line is a header if it looks like one, or if it contains
    one of the ``wanted`` names. The numbers 0, 1, 2, ... count as names, because pandas writes them
    above the columns of an array.

    Args:
        path: The file, UTF-8; comments may come before the table.
        header: Whether the first line holds names; ``None``: it is detected.
        wanted: Names of columns that the user mentions.

    Raises:
        InputError: It has no rows.
        ValueError: It is empty.
    """
    comments, start, lines = first_lines(path)
    separator, decimal = find_separator(lines)
    rows = fields(lines, separator)
    first, second = next(rows), next(rows, [])
    numbered = [str(position + 1) for position in range(len(first))]
    known = first, max(map(len, lines))
    if header is None:
        header = is_header(first, second, decimal) or any(
            name in first and name not in numbered for name in wanted
        )
    commented = next(fields([comments[-1].removeprefix("# ")], separator)) if comments else []
    if not header and len(commented) == len(first) > 1:
        return Layout(separator, decimal, commented, start, len(comments) - 1, True, *known)
    if not header:
        return Layout(separator, decimal, numbered, start, len(comments), False, *known)
    if not second:
        raise InputError(f"{path} has a line of names and no rows below it")
    # R writes no name above the names of rows.
    shifted = len(second) == len(first) + 1 and second[-1] != ""
    names = ["", *first] if shifted else first
    start += 1 + sum(name.count("\n") for name in first)
    return Layout(separator, decimal, unique(names), start, len(comments), True, *known)


def first_lines(path: Path) -> tuple[list[str], int, list[str]]:
    """Reads the beginning of a file.

    If all lines look like comments, as hexadecimal colors do, none of them is one.

    Returns:
        The comments, the number of lines before the first row, and the first rows.
    """
    with path.open("rb") as file:
        lines = list(itertools.takewhile(len, (file.readline(LINE_BYTES) for _ in range(2))))
        while len(lines) < COMMENT_LINES and sum(map(len, lines)) < LINE_BYTES:
            if not (line := file.readline(LINE_BYTES)):
                break
            lines.append(line)
    text = [line.decode("utf-8-sig" if i == 0 else "utf-8") for i, line in enumerate(lines)]
    if not text or not text[0].strip():
        raise ValueError("its first line is empty")
    comments = list(itertools.takewhile(lambda line: line.startswith(COMMENT), text))
    if not any(line.strip() for line in text[len(comments) :]):
        comments = []
    start = next(i for i, line in enumerate(text) if i >= len(comments) and line.strip())
    rows = [line for line in text[start:] if line.strip()]
    return [line.strip() for line in comments], start, rows[:LINES]


def fields(lines: Sequence[str], separator: str) -> Iterator[list[str]]:
    """Yields the fields of each line; several spaces count as one."""
    if separator == " ":
        lines = [re.sub(r"[ \t]+", " ", line.strip()) for line in lines]
    return csv.reader(lines, delimiter=separator)


def find_separator(lines: Sequence[str]) -> tuple[str, str]:
    """The separator and decimal mark that give most numbers, and equally many fields a line.

    If there are none, the separator that is most frequent in the first line.
    """
    best, share = None, -1.0
    for separator in filter(lines[0].__contains__, SEPARATORS):
        try:
            rows = list(fields(lines, separator))
        except csv.Error:  # a field beyond the parser's limit: this is not the separator
            continue
        widths = {len(row) for row in rows[1:]} or {len(rows[0])}
        if len(widths) > 1 or max(widths) < 2 or len(rows[0]) not in (max(widths), max(widths) - 1):
            continue
        cells = [cell for row in rows[1:] or rows for cell in row[:FIELDS] if cell.strip()]
        decimal = decimal_mark(cells) if separator != "," else "."
        found = sum(is_number(cell, decimal) for cell in cells) / max(1, len(cells))
        if found > share:
            best, share = (separator, decimal), found
    count = lines[0].count
    usual = [separator for separator in ",;\t" if count(separator)]
    return best or (max(usual or SEPARATORS, key=count), ".")


def decimal_mark(cells: Sequence[str]) -> str:
    """The comma if some cells have a decimal comma and none has a decimal point, else the point."""
    commas = any("," in cell and is_number(cell, ",") for cell in cells)
    return "," if commas and not any("." in cell and is_number(cell) for cell in cells) else "."


def is_number(text: str, decimal: str = ".") -> bool:
    """Whether a text is a finite number."""
    if decimal != ".":
        text = text.replace(".", " .").replace(decimal, ".")
    return NUMBER.fullmatch(text) is not None


def is_header(first: Sequence[str], second: Sequence[str], decimal: str) -> bool:
    """Whether the fields of the first line are names, judged by those of the second.

    They are if, above the numbers of the second line, texts outnumber numbers or there are no
    numbers. The positions 0, 1, 2, ..., which pandas writes above an array, count as neither.
    """
    if not second:
        return not all(is_number(one, decimal) for one in first)
    nameless = sum(1 for _ in itertools.takewhile(lambda one: one == "", first))
    above = [
        one
        for position, (one, below) in enumerate(zip(first, second, strict=False), -nameless)
        if is_number(below, decimal) and one != str(position)
    ]
    numbers = sum(is_number(one, decimal) for one in above)
    texts = sum(one.strip().lower() not in MISSING for one in above) - numbers
    return texts > numbers or not numbers


def could_be_header(layout: Layout) -> bool:
    """Whether the numbers of the first line increase, as years or wavelengths in a header do."""
    numbers = [one for one in layout.first if is_number(one, layout.decimal)]
    values = [float(one.replace(layout.decimal, ".")) for one in numbers]
    rising = all(one < other for one, other in itertools.pairwise(values))
    return not layout.has_header and rising and len(values) > 3


def unique(names: Sequence[str]) -> list[str]:
    """The names, where unnamed columns at the front are named as pandas names them."""
    unnamed = sum(1 for _ in itertools.takewhile(lambda name: name == "", names))
    more = [f"Unnamed: {position}" for position in range(1, unnamed)]
    return [*names[:1], *more, *names[max(1, unnamed) :]]


def without_comments(text: bytes, layout: Layout) -> tuple[bytes, int]:
    """Empties the lines of a text table that are comments.

    Args:
        text: The table, without quotes.
        layout: How it is read.

    Returns:
        The table, and the number of comments below the first row.
    """
    lines = re.compile(rb"(?<=\n)# [^\n]*")
    shortened, count = lines.subn(b"", text)
    above = text.split(b"\n", layout.skipped)[: layout.skipped]
    return shortened, count - sum(line.startswith(b"# ") for line in above[1:])


def with_single_spaces(text: bytes) -> bytes:
    """A text table without quotes, with single spaces and none at the ends of lines."""
    if b"  " in text or b"\t" in text:
        text = re.sub(rb"[ \t]+", b" ", text)
    if b" \n" in text or b" \r" in text or text.endswith(b" "):
        text = re.sub(rb" +(?=\r?\n|\r?\Z)", b"", text)
    return re.sub(rb"(?<=\n) +|\A +", b"", text) if b"\n " in text or text[:1] == b" " else text


def plain(path: Path, layout: Layout) -> tuple[Path | bytes, int]:
    """A text table in a form that arrow can read, with all lines at their places.

    Args:
        path: The file.
        layout: How it is read.

    Returns:
        The file, or its content with single spaces and without comments; and the number of
        comments, without one that holds the names.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        # Quotes may enclose spaces and ends of lines: then the file is left as it is.
        commented = content.find(b"\n# ") >= 0
        if (layout.separator != " " and not commented) or content.find(b'"') >= 0:
            return path, layout.comments
        text = content[:]
    text, count = without_comments(text, layout) if commented else (text, 0)
    if layout.separator == " ":
        text = with_single_spaces(text)
    return text, layout.comments + count
