"""Tables, and their text for terminals and as Markdown.

tabulate and pandas were considered. tabulate makes every column at least two characters wider than
its header, and its booktabs format escapes all cells, so none can be bold. pandas can make a whole
cell bold, but not only the mean, and superscript marks would still require LaTeX code here.
"""

from collections.abc import Iterable
from typing import NamedTuple

from gammvae.tables.summary import table


class Entry(NamedTuple):
    """A table entry: mean, standard deviation, footnote marks, and whether it is among the best."""

    mean: str
    std: str = ""
    marks: str = ""
    bold: bool = False


class Grid(NamedTuple):
    """A table with footnotes, independent of the output format.

    Attributes:
        header: Names of the columns.
        lines: Entries of each line.
        notes: Footnotes.
        long: Index of a column whose texts are too long for a page, if there is one.
    """

    header: list[str]
    lines: list[list[Entry]]
    notes: list[str]
    long: int | None = None


def to_terminal(grid: Grid) -> str:
    """A table with columns padded with spaces; the best cells end with an exclamation mark."""
    lines = [[plain(entry) + ("!" if entry.bold else "") for entry in line] for line in grid.lines]
    notes = ["! best mean, or within one standard error of it"] if any_bold(grid) else []
    return "\n".join([table(grid.header, lines), *notes, *grid.notes])


def any_bold(grid: Grid) -> bool:
    """Whether any entry is among the best."""
    return any(entry.bold for line in grid.lines for entry in line)


def plain(entry: Entry) -> str:
    """An entry as unformatted text: mean, standard deviation and marks."""
    return entry.mean + (f" ± {entry.std}" if entry.std else "") + entry.marks


def to_markdown(grid: Grid) -> str:
    """A Markdown table as GitHub renders it; the best cells are bold."""

    def text(entry: Entry) -> str:
        words = plain(entry).replace("|", "\\|").replace("*", "\\*")
        return f"**{words}**" if entry.bold else words

    lines = [
        "| " + " | ".join(header.replace("|", "\\|") for header in grid.header) + " |",
        "|" + " --- |" * len(grid.header),
        *("| " + " | ".join(text(entry) for entry in line) + " |" for line in grid.lines),
    ]
    notes = [f"\n{note}".replace("*", "\\*") for note in grid.notes]
    return "\n".join(lines + notes) + "\n"


def listed(names: Iterable[str]) -> str:
    """Names separated by commas; those that have commas themselves are in quotes."""
    return ", ".join(f"'{name}'" if "," in name else name for name in names)
