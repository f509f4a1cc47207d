"""``gammvae table``: compares finished runs, with mean and standard deviation over seeds."""

import argparse
from pathlib import Path

from gammvae.cli.terminal import one_line_usage_errors
from gammvae.system.printing import say

SUMMARY = "Compare finished runs in a table: gammvae table [FOLDER...] [--output FILE...]."


def parser() -> argparse.ArgumentParser:
    """The argument parser: folders and flags."""
    made = argparse.ArgumentParser(prog="gammvae table", description=SUMMARY)
    made.add_argument("folders", nargs="*", type=Path, default=[Path("outputs")])
    made.add_argument(
        "--metric",
        nargs="+",
        help="one column for each, if several are given; by default acc, or, if no run has known "
        "classes, elbo or silhouette",
    )
    made.add_argument("--datasets", nargs="+", help="only these datasets, in this order")
    made.add_argument("--models", nargs="+", help="only these rows, in this order")
    made.add_argument(
        "--compare",
        nargs=2,
        metavar="MODEL",
        help="paired comparison over the seeds that both have",
    )
    made.add_argument(
        "--rank",
        action="store_true",
        help="average ranks over datasets, Friedman's test and Nemenyi's critical difference",
    )
    made.add_argument(
        "--diagram",
        nargs="+",
        type=Path,
        default=[],
        metavar="FILE",
        help="with --rank: pictures of the ranks, files that end in .svg, .png or .pdf",
    )
    made.add_argument(
        "--output", nargs="+", type=Path, default=[], help="files that end in .csv, .md or .tex"
    )
    return made


def settings() -> dict[str, str]:
    """Empty: the command has no settings."""
    return {}


def run(arguments: list[str]) -> None:
    """Prints the table and writes it to files.

    Args:
        arguments: Command-line arguments after ``gammvae table``.

    Raises:
        InputError: The arguments, or runs below the folders, are invalid.
    """
    with one_line_usage_errors():
        given = parser().parse_args(arguments)

    from gammvae.tables.publishing import Choice, publish

    choice = Choice(given.metric, given.datasets, given.models, given.compare, given.rank)
    say(publish(given.folders, choice, given.output, given.diagram))
