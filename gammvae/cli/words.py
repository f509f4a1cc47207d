"""Arguments of commands that use finished runs: runs, ``key=value`` settings and one flag."""

import argparse
import re
import textwrap
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gammvae.cli.terminal import one_line_usage_errors
from gammvae.errors import InputError

if TYPE_CHECKING:
    from gammvae.runs.directory import RunDirectory


SETTING = re.compile(r"[a-z_.]+=")
QUOTED = re.compile(r"""([a-z_.]+)=(['"])((?:(?!\2).)*)\2""", re.DOTALL)


class Words(NamedTuple):
    """The arguments of a command.

    Attributes:
        words: Runs and ``key=value`` settings, in the given order.
        config_dir: Folder with the user's own configuration files, or ``None``.
    """

    words: list[str]
    config_dir: str | None


class RunAndWords(NamedTuple):
    """The arguments of a command that uses one run.

    Attributes:
        directory: Directory of the run.
        words: ``key=value`` settings, in the given order.
        config_dir: Folder with the user's own configuration files, or ``None``.
    """

    directory: "RunDirectory"
    words: list[str]
    config_dir: str | None


def words_parser(
    command: str, summary: str, settings: Mapping[str, str], first: str = "RUN"
) -> argparse.ArgumentParser:
    """The argument parser of a command that takes runs, settings and ``--config-dir``.

    Args:
        command: Name of the command.
        summary: What it does, in one line.
        settings: Descriptions of its settings, by key; ``--help`` lists them.
        first: What it takes before settings.
    """
    parser = argparse.ArgumentParser(
        prog=f"gammvae {command}",
        description=summary,
        epilog="\n".join(["settings:", *(listed(key, text) for key, text in settings.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(settings=tuple(settings))
    parser.add_argument("words", nargs="*", metavar=f"{first} [SETTING=VALUE]")
    parser.add_argument(
        "--config-dir",
        "-cd",
        metavar="FOLDER",
        help="folder of your own YAML files, such as dataset/*.yaml",
    )
    return parser


def listed(key: str, text: str) -> str:
    """A setting and its description, laid out as argparse lays out its options."""
    indent = " " * 24
    head = f"  {key}=".ljust(24)
    lines = textwrap.fill(text, 78, initial_indent=indent, subsequent_indent=indent)
    return head + lines[24:] if len(head) == 24 else f"{head}\n{lines}"


def split(parser: argparse.ArgumentParser, arguments: list[str]) -> Words:
    """Separates runs and settings from the flag.

    Args:
        parser: Result of ``words_parser``.
        arguments: Command-line arguments after the command.

    Returns:
        The words, of which values of the command's own settings are without quotes around them.

    Raises:
        InputError: There is an unknown flag, or ``--config-dir`` lacks its value.
    """
    with one_line_usage_errors():
        given = parser.parse_intermixed_args(arguments)
    return Words([unquoted(word, given.settings) for word in given.words], given.config_dir)


def unquoted(word: str, settings: Container[str]) -> str:
    """``key=value`` for ``key="value"`` or ``key='value'``, as ``train`` takes them, too.

    Args:
        word: An argument.
        settings: Keys of the settings whose quotes are removed.
    """
    quoted = QUOTED.fullmatch(word)
    return f"{quoted[1]}={quoted[3]}" if quoted and quoted[1] in settings else word


def runs_and_settings(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Words that name runs, and those that are settings unless there is such a path."""
    settings = [word for word in words if SETTING.match(word) and not Path(word).exists()]
    return [word for word in words if word not in settings], settings


def split_run(command: str, parser: argparse.ArgumentParser, arguments: list[str]) -> RunAndWords:
    """Separates the run, which comes first, from the settings that follow it.

    Args:
        command: Name of the command, for messages.
        parser: Result of ``words_parser``.
        arguments: Command-line arguments after the command.

    Raises:
        InputError: No run is given, or the arguments cannot be parsed.
    """
    from gammvae.runs.directory import RunDirectory

    words, config_dir = split(parser, arguments)
    if not words or words[0] in runs_and_settings(words)[1]:
        raise InputError(f"{command} needs a run directory: gammvae {command} RUN [SETTING=VALUE]")
    return RunAndWords(RunDirectory(words[0]), words[1:], config_dir)
