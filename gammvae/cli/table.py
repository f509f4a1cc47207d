"""``gammvae table``: finished runs side by side, with mean and standard deviation over seeds."""

import argparse
from pathlib import Path

from gammvae.cli.terminal import one_line_usage_errors
from gammvae.printing import say

SUMMARY = "Gather finished runs into a table, gammvae table [FOLDER...] [--output FILE...]."


def parser() -> argparse.ArgumentParser:
    """Of folders and flags."""
    made = argparse.ArgumentParser(prog="gammvae table", description=SUMMARY)
    made.add_argument("folders", nargs="*", type=Path, default=[Path("outputs")])
    made.add_argument("--metric", nargs="+", default=["acc"], help="several: one column each")
    made.add_argument("--datasets", nargs="+", help="only these, in this order")
    made.add_argument("--models", nargs="+", help="only these rows, in this order")
    made.add_argument("--compare", nargs=2, metavar="MODEL", help="paired over common seeds")
    made.add_argument(
        "--output", nargs="+", type=Path, default=[], help="files that end in .csv, .md or .tex"
    )
    return made


def settings() -> dict[str, str]:
    """Nothing: a table is made from what runs have stored."""
    return {}


def run(arguments: list[str]) -> None:
    """Prints the table, and writes it to files.

    Args:
        arguments: What follows ``gammvae table``.

    Raises:
        InputError: The arguments, or runs below the folders, cannot be used.
    """
    with one_line_usage_errors():
        given = parser().parse_args(arguments)

    from gammvae.tables.publishing import Choice, publish

    choice = Choice(given.metric, given.datasets, given.models, given.compare)
    say(publish(given.folders, choice, given.output))
