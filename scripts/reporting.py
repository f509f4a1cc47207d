"""Prints and writes the tables of all benchmarks in the same way.

A report begins with a title, the command, the machine and the versions; Markdown tables and
paragraphs follow. Rows are printed as they come. The file given by ``--output`` is rewritten with
every row, so an interrupted benchmark keeps the rows it has.
"""

import argparse
import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

import joblib
import numpy as np
import torch
from numpy.typing import NDArray

import gammvae
from gammvae.devices import processor
from gammvae.system.printing import say
from gammvae.system.provenance import commit
from gammvae.system.writing import write_text
from gammvae.tables.formats import Entry, Grid, to_markdown

ROOT = Path(__file__).parents[1]
TABLES = ROOT / "outputs" / "tables"

Row = Sequence[str | Entry]


def command_line(text: str | None, *parents: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """An argument parser whose ``--help`` begins with the full docstring of its script."""
    return argparse.ArgumentParser(
        description=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=parents,
        allow_abbrev=False,
    )


def machine_option() -> argparse.ArgumentParser:
    """The option ``--machine``."""
    options = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    words = "description of the machine; by default its processor, cores and GPU"
    options.add_argument("--machine", metavar="TEXT", default=machine(), help=words)
    return options


def added_datasets() -> argparse.ArgumentParser:
    """The option ``--also``, for datasets that a benchmark does not have itself."""
    options = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    options.add_argument(
        "--also",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "SETTING"),
        help="a dataset of your own: its name and the settings with which gammvae train reads it",
    )
    return options


def report_options() -> argparse.ArgumentParser:
    """The options of all benchmarks that write one report: ``--machine`` and ``--output``."""
    options = argparse.ArgumentParser(
        add_help=False, allow_abbrev=False, parents=[machine_option()]
    )
    options.add_argument(
        "--output", metavar="FILE.md", type=Path, help="also write the report to this file"
    )
    return options


def command() -> str:
    """The command line of this call, without ``--machine`` and ``--output``."""
    _, rest = report_options().parse_known_args(sys.argv[1:])
    return shlex.join(("python", f"scripts/{Path(sys.argv[0]).name}", *rest))


def machine() -> str:
    """Description of the machine: GPU if there is one, available cores and processor."""
    cores = f"{joblib.cpu_count()} cores of {processor()}"
    return f"{torch.cuda.get_device_name()} and {cores}" if torch.cuda.is_available() else cores


def mean_and_deviation(values: NDArray[np.float64], digits: int = 2) -> str:
    """A cell: mean and standard deviation over seeds ``(n,)``; of one seed, its value."""
    deviation = f" ± {values.std(ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{values.mean():.{digits}f}{deviation}"


def made_with(description: str, packages: Sequence[str] = ()) -> str:
    """One paragraph with machine, threads and versions.

    Args:
        description: Description of the machine.
        packages: Packages to list in addition to gammvae, Python and torch.

    Raises:
        PackageNotFoundError: A package is not installed.
    """
    here = commit()
    versions = [
        f"gammvae {gammvae.__version__}" + (f" ({here})" if here else ""),
        f"Python {platform.python_version()}",
        f"torch {torch.__version__}",
        *(f"{name} {version(name)}" for name in packages),
    ]
    threads = torch.get_num_threads()
    count = f"{threads} thread{'s' if threads > 1 else ''}"
    return f"Machine: {description}; {count}. Versions: {', '.join(versions)}."


def markdown(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """A Markdown table in the format of ``gammvae table``."""
    lines = [[cell if isinstance(cell, Entry) else Entry(cell) for cell in row] for row in rows]
    return to_markdown(Grid(list(columns), lines, [])).rstrip("\n")


def document(title: str, shown: str, *blocks: str) -> str:
    """A complete document: title, command and blocks, separated by empty lines."""
    return "\n\n".join(filter(None, (title, f"    $ {shown}", *blocks))) + "\n"


class Report:
    """Report of one benchmark, printed and written as it grows.

    Args:
        arguments: Parsed command line that includes ``report_options``.
        title: What is measured, on which data, with which seeds and repetitions.
        packages: Packages to list in addition to gammvae, Python and torch.
    """

    def __init__(
        self, arguments: argparse.Namespace, title: str, packages: Sequence[str] = ()
    ) -> None:
        self.output: Path | None = arguments.output
        self.title, self.command = title, command()
        self.blocks: list[str] = [made_with(arguments.machine, packages)]
        self._show(document(title, self.command, *self.blocks).rstrip("\n"))

    def paragraph(self, text: str) -> None:
        """Appends a paragraph."""
        self.blocks.append(text)
        self._show(f"\n{text}")

    def table(self, columns: Sequence[str], rows: Iterable[Row]) -> None:
        """Appends a table row by row."""
        known: list[Row] = []
        self.paragraph(markdown(columns, known))
        for row in rows:
            known.append(row)
            self.blocks[-1] = markdown(columns, known)
            self._show(self.blocks[-1].splitlines()[-1])

    def _show(self, text: str) -> None:
        """Prints new text, and rewrites the file with the whole report."""
        say(text)
        sys.stdout.flush()
        if self.output:
            write_text(self.output, document(self.title, self.command, *self.blocks))
