"""Tables as text for terminals, Markdown and LaTeX.

tabulate and pandas were considered. tabulate makes every column at least two characters wider than
its header, and its booktabs format escapes all cells, so none can be bold. pandas can make a whole
cell bold, but not only the mean, and superscript marks would still require LaTeX code here.
"""

from collections.abc import Iterable
from typing import NamedTuple

from gammvae.tables.summary import table

LATEX = {ord(special): f"\\{special}" for special in "&%$#_{}"} | {
    ord("\\"): r"\textbackslash{}",
    ord("~"): r"\textasciitilde{}",
    ord("^"): r"\textasciicircum{}",
}


class Entry(NamedTuple):
    """A table entry: mean, standard deviation, footnote marks, and whether it is among the best."""

    mean: str
    std: str = ""
    marks: str = ""
    bold: bool = False


class Grid(NamedTuple):
    """A table with footnotes, independent of the output format."""

    header: list[str]
    lines: list[list[Entry]]
    notes: list[str]


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


def to_latex(grid: Grid) -> str:
    """A LaTeX tabular for booktabs; the best means are bold, marks superscripts, notes below."""

    def text(entry: Entry) -> str:
        mean = latex(entry.mean)
        words = rf"\textbf{{{mean}}}" if entry.bold else mean
        return words + (rf" $\pm$ {entry.std}" if entry.std else "") + superscript(entry.marks)

    lines = [
        r"% needs \usepackage{booktabs}",
        rf"\begin{{tabular}}{{{'l' * len(grid.header)}}}",
        r"\toprule",
        " & ".join(latex(header) for header in grid.header) + r" \\",
        r"\midrule",
        *(" & ".join(text(entry) for entry in line) + r" \\" for line in grid.lines),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    if grid.notes:
        lines += latex_notes(rf"{latex(note)}\par" for note in grid.notes)
    return "\n".join(lines) + "\n"


def latex_notes(lines: Iterable[str]) -> list[str]:
    """Lines of LaTeX as notes in small type, as wide as the text, which need no package."""
    begin = r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize"
    return [begin, *lines, r"\end{minipage}"]


def latex(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return text.translate(LATEX)


def superscript(marks: str) -> str:
    """Marks as a superscript."""
    return f"$^{{{marks}}}$" if marks else ""


def listed(names: Iterable[str]) -> str:
    """Names separated by commas; those that have commas themselves are in quotes."""
    return ", ".join(f"'{name}'" if "," in name else name for name in names)
