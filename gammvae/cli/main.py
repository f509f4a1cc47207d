"""The ``gammvae`` program: runs the command that its first argument names."""

import argparse
import os
import sys
from collections.abc import Mapping
from typing import Protocol

from gammvae import __version__
from gammvae.cli import (
    completion,
    datasets,
    evaluate,
    export,
    predict,
    report,
    reproduce,
    sample,
    search,
    table,
    track,
    train,
)
from gammvae.cli.terminal import exit_codes, open_streams
from gammvae.errors import InputError, nearest
from gammvae.system.compiled import choose_cache
from gammvae.system.printing import say
from gammvae.system.processes import count, prepare
from gammvae.system.waiting import choose_waiting


class Command(Protocol):
    """Interface of a command's module.

    ``gammvae --help`` imports every such module, so importing one must be fast: slow imports go
    inside its functions.
    """

    SUMMARY: str  # one line, for ``gammvae --help``

    def parser(self) -> argparse.ArgumentParser:
        """The parser of the arguments after the command."""

    def settings(self) -> Mapping[str, str]:
        """The ``key=value`` settings of the command and their descriptions.

        Settings in ``conf/``, which ``train`` and ``datasets`` accept, are not included.
        """

    def run(self, arguments: list[str]) -> None:
        """Runs the command.

        Args:
            arguments: Command-line arguments after the command.

        Raises:
            InputError: The arguments are invalid, or the files that they name.
        """


COMMANDS: dict[str, Command] = {
    "train": train,
    "evaluate": evaluate,
    "sample": sample,
    "predict": predict,
    "export": export,
    "report": report,
    "datasets": datasets,
    "table": table,
    "track": track,
    "reproduce": reproduce,
    "search": search,
    "completion": completion,
}


def main() -> None:
    """Runs ``gammvae``; the exit code is 2 for invalid input and 1 for other errors."""
    open_streams()
    with exit_codes():
        try:
            os.getcwd()
        except FileNotFoundError as error:
            raise InputError(
                "the current folder no longer exists: change to another one"
            ) from error
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
        if count() > 1 and arguments[0] != "train":
            raise InputError(f"{arguments[0]} runs in one process: start it without torchrun")
        prepare()  # this and the next two before the command imports torch
        choose_waiting()
        choose_cache()
        COMMANDS[arguments[0]].run(arguments[1:])
    else:
        near = nearest(arguments[0], COMMANDS)
        raise InputError(
            f"unknown command {arguments[0]!r}: {near}it must be {', '.join(COMMANDS)}"
        )


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
            "gammvae train --help lists all settings; gammvae --version prints the version.",
        ]
    )
