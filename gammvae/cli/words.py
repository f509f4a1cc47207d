"""The arguments of commands that use finished runs: runs, ``key=value`` words and one flag."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gammvae.cli.terminal import one_line_usage_errors
from gammvae.errors import InputError

if TYPE_CHECKING:
    from gammvae.runs.directory import RunDirectory


class Words(NamedTuple):
    """The arguments of a command.

    Attributes:
        words: Runs and ``key=value`` settings, in the given order.
        config_dir: The user's own folder of configurations, or ``None``.
    """

    words: list[str]
    config_dir: str | None


class RunAndWords(NamedTuple):
    """The arguments of a command that uses one run.

    Attributes:
        directory: Of the run.
        words: ``key=value`` settings, in the given order.
        config_dir: The user's own folder of configurations, or ``None``.
    """

    directory: "RunDirectory"
    words: list[str]
    config_dir: str | None


def words_parser(command: str, summary: str) -> argparse.ArgumentParser:
    """The parser of a command that takes words and ``--config-dir``."""
    parser = argparse.ArgumentParser(prog=f"gammvae {command}", description=summary)
    parser.add_argument("words", nargs="*", metavar="RUN [SETTING=VALUE]")
    parser.add_argument("--config-dir", "-cd", metavar="FOLDER", help="with your dataset/*.yaml")
    return parser


def split(parser: argparse.ArgumentParser, arguments: list[str]) -> Words:
    """Separates the words of a command from its flag.

    Args:
        parser: From ``words_parser``.
        arguments: What follows the command.

    Raises:
        InputError: There is another flag, or the flag lacks its value.
    """
    with one_line_usage_errors():
        given = parser.parse_intermixed_args(arguments)
    return Words(given.words, given.config_dir)


def split_run(command: str, parser: argparse.ArgumentParser, arguments: list[str]) -> RunAndWords:
    """Separates the run, which comes first, from the settings that follow it.

    Args:
        command: For messages.
        parser: From ``words_parser``.
        arguments: What follows the command.

    Raises:
        InputError: No run is given, or the arguments cannot be parsed.
    """
    from gammvae.runs.directory import RunDirectory

    words, config_dir = split(parser, arguments)
    if not words or (re.match(r"[a-z_.]+=", words[0]) and not Path(words[0]).exists()):
        raise InputError(f"{command} needs a run directory: gammvae {command} RUN [SETTING=VALUE]")
    return RunAndWords(RunDirectory(words[0]), words[1:], config_dir)
