"""``gammvae``: finds the command that is asked for and runs it."""

import argparse
import os
import sys
from collections.abc import Mapping
from typing import Protocol

from gammvae import __version__
from gammvae.cli import datasets, evaluate, predict, report, sample, table, train
from gammvae.cli.terminal import exit_codes, open_streams
from gammvae.errors import InputError
from gammvae.printing import say


class Command(Protocol):
    """What the module of a command holds.

    Importing one must stay fast, or ``gammvae --help`` becomes slow: what takes long to import is
    imported inside the functions.
    """

    SUMMARY: str  # one line, for ``gammvae --help``

    def parser(self) -> argparse.ArgumentParser:
        """Of the arguments that follow the command."""

    def settings(self) -> Mapping[str, str]:
        """What may be set by ``key=value`` words, with a description of each.

        Those of the configuration in ``conf/``, which ``train`` and ``datasets`` take, are not
        repeated.
        """

    def run(self, arguments: list[str]) -> None:
        """Runs the command.

        Args:
            arguments: What follows the command.

        Raises:
            InputError: The arguments, or files that they name, cannot be used.
        """


COMMANDS: dict[str, Command] = {
    "train": train,
    "evaluate": evaluate,
    "sample": sample,
    "predict": predict,
    "report": report,
    "datasets": datasets,
    "table": table,
}


def main() -> None:
    """Runs ``gammvae``: exit code 0, 2 for bad input, 1 for anything that went wrong inside."""
    open_streams()
    with exit_codes():
        try:
            os.getcwd()
        except FileNotFoundError as error:
            raise InputError("the current folder is gone: change to another one") from error
        dispatch(sys.argv[1:])


def dispatch(arguments: list[str]) -> None:
    """Runs the command that the first argument names.

    Raises:
        InputError: There is no such command.
    """
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        say(usage())
    elif arguments[0] == "--version":
        say(f"gammvae {__version__}")
    elif arguments[0] in COMMANDS:
        COMMANDS[arguments[0]].run(arguments[1:])
    else:
        raise InputError(f"unknown command {arguments[0]!r}: it must be {', '.join(COMMANDS)}")


def usage() -> str:
    """The text of ``gammvae --help``."""
    lines = [f"  {name:<10} {command.SUMMARY}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: gammvae COMMAND [ARGUMENTS]",
            "",
            "Deep clustering with a Gamma mixture variational autoencoder.",
            "",
            *lines,
            "",
            "gammvae train --help lists what can be set; gammvae --version prints the version.",
        ]
    )
