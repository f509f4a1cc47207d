"""Compares two recipes by the figures of single runs, whose folders need not be at hand.

    python scripts/compare_rows.py FILE.csv FIRST SECOND [--figures acc nmi elbo]

FILE.csv has a row for every run: the columns dataset, recipe, seed, commit and machine, and one
for each figure, as outputs/tables/plain.csv and outputs/tables/accuracy_runs.csv have. The tables
are those of `gammvae table --compare`: runs of the same seed are a pair, and over several datasets
each dataset counts once, however many seeds it has.

Takes a second. Needs nothing else.
"""

import argparse
import sys
from pathlib import Path

from accuracy_table import Line, read
from reporting import command, command_line, document

from gammvae.system.writing import write_text
from gammvae.tables.formats import Grid, to_markdown
from gammvae.tables.grids import by_metric, comparisons
from gammvae.tables.results import Cells, Run

FIGURES = ("acc", "nmi", "ari", "elbo", "seconds")


def run_of(line: Line) -> Run:
    """The run of a row of the file."""
    figures = {name: line[name] for name in FIGURES if line.get(name) is not None}
    place = line["dataset"], line["recipe"], int(line["seed"])
    return Run(Path(), *place, figures, reason="", made={})


def cells_of(lines: list[Line]) -> Cells:
    """The cells of the tables: the runs of each recipe and dataset."""
    cells: Cells = {}
    for line in lines:
        cells.setdefault((line["recipe"], line["dataset"]), []).append(run_of(line))
    return cells


def main() -> None:
    """Prints the tables."""
    parser = command_line(__doc__)
    parser.add_argument("file", metavar="FILE.csv", type=Path, help="the figures of single runs")
    parser.add_argument("recipes", metavar="RECIPE", nargs=2, help="the first minus the second")
    parser.add_argument(
        "--figures", nargs="+", choices=FIGURES, default=["acc", "nmi", "elbo"], help="acc nmi elbo"
    )
    parser.add_argument(
        "--output", metavar="FILE.md", type=Path, help="also write the report to this file"
    )
    arguments = parser.parse_args()
    text = report(arguments)
    print(text, end="")
    if arguments.output:
        write_text(arguments.output, text)


def report(arguments: argparse.Namespace) -> str:
    """The tables as a document.

    Raises:
        SystemExit: The file does not exist or has no run of a recipe.
    """
    if not arguments.file.exists():
        sys.exit(f"{arguments.file} does not exist")
    first, second = arguments.recipes
    lines = [line for line in read(arguments.file) if line["recipe"] in (first, second)]
    for recipe in arguments.recipes:
        if all(line["recipe"] != recipe for line in lines):
            sys.exit(f"{arguments.file} has no run of {recipe!r}")
    cells, datasets = cells_of(lines), list(dict.fromkeys(line["dataset"] for line in lines))
    grids = [by_metric(cells, arguments.recipes, datasets, arguments.figures)]
    grids += [comparisons(cells, first, second, datasets, name) for name in arguments.figures]
    machines: dict[str, set[str]] = {}
    for line in lines:
        machines.setdefault(line["machine"], set()).add(line["commit"])
    how = (f"{machine}; commit {' '.join(sorted(of))}" for machine, of in machines.items())
    title = f"{first} beside {second}, computed on {', and on '.join(how)}."
    return document(title, command(), *map(shown, grids))


def shown(grid: Grid) -> str:
    """A table as Markdown."""
    return to_markdown(grid).rstrip("\n")


if __name__ == "__main__":
    main()
