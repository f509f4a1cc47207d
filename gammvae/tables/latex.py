"""Tables as LaTeX, which needs the packages booktabs and graphicx."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

from gammvae.tables.formats import Entry, Grid

ESCAPED = {ord(special): f"\\{special}" for special in "&%$#_{}"} | {
    ord("\\"): r"\textbackslash{}",
    ord("~"): r"\textasciitilde{}",
    ord("^"): r"\textasciicircum{}",
    ord("<"): r"\textless{}",
    ord(">"): r"\textgreater{}",
    ord("|"): r"\textbar{}",
}
PACKAGES = r"% needs \usepackage{booktabs,graphicx}"
# A table that is wider than the text is shrunk to it.
BEGIN = r"\noindent\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"
# Lines of a table that fit on a page, with its notes.
MOST_LINES = 40


def to_latex(grid: Grid) -> str:
    """A table for booktabs; the best means are bold, marks superscripts, notes below.

    It is as wide as the text at most. One that is longer than a page is several, each of some
    datasets. Long texts are below, and numbers in their place.
    """
    grid = with_numbers(grid)
    parts = [tabular(grid.header, lines) for lines in pages(grid)]
    notes = "\n".join(notes_below(rf"{escaped(note)}\par" for note in grid.notes))
    return "\n".join([PACKAGES, "\n\n".join(parts), *([notes] if grid.notes else [])]) + "\n"


def with_numbers(grid: Grid) -> Grid:
    """The table with numbers in place of long texts, which become notes."""
    if (column := grid.long) is None:
        return grid
    texts = list(dict.fromkeys(line[column].mean for line in grid.lines))
    lines = [
        [*line[:column], Entry(f"[{texts.index(line[column].mean) + 1}]"), *line[column + 1 :]]
        for line in grid.lines
    ]
    notes = [f"[{number}] {text}" for number, text in enumerate(texts, 1)]
    return Grid(grid.header, lines, [*grid.notes, *notes])


def pages(grid: Grid) -> Iterator[list[list[Entry]]]:
    """Yields the lines of tables that fit on a page, as far as lines of a dataset do."""
    if len(grid.lines) <= MOST_LINES:
        yield grid.lines
        return
    page: list[list[Entry]] = []
    for _, group in groupby(grid.lines, key=lambda line: line[0].mean):
        lines = list(group)
        if page and len(page) + len(lines) > MOST_LINES:
            yield page
            page = []
        page += lines
    yield page


def tabular(header: Iterable[str], lines: Iterable[Iterable[Entry]]) -> str:
    """One table, without notes."""
    head = [escaped(text) for text in header]
    return "\n".join(
        [
            BEGIN,
            rf"\begin{{tabular}}{{{'l' * len(head)}}}",
            r"\toprule",
            " & ".join(head) + r" \\",
            r"\midrule",
            *(" & ".join(map(words, line)) + r" \\" for line in lines),
            r"\bottomrule",
            r"\end{tabular}}",
        ]
    )


def words(entry: Entry) -> str:
    """An entry as LaTeX."""
    mean = re.sub(r"(?<![\w.])-(?=\d)", "$-$", escaped(entry.mean))
    text = rf"\textbf{{{mean}}}" if entry.bold else mean
    std = rf" $\pm$ {entry.std}" if entry.std else ""
    return text + std + (f"$^{{{entry.marks}}}$" if entry.marks else "")


def notes_below(lines: Iterable[str]) -> list[str]:
    """Lines of LaTeX as notes in small type, as wide as the text."""
    begin = r"\par\smallskip\noindent\begin{minipage}{\linewidth}\footnotesize"
    return [begin, *lines, r"\end{minipage}"]


def escaped(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return text.translate(ESCAPED)
