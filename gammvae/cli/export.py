"""``gammvae export``: a finished run as a program or a table, for use without gammvae."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gammvae.cli.table_writer import TABLES
from gammvae.cli.terminal import log_to_terminal
from gammvae.cli.words import split_run, words_parser
from gammvae.errors import InputError
from gammvae.system.paths import user_path
from gammvae.system.printing import say

if TYPE_CHECKING:
    from gammvae.cli.settings import ExportSettings

SUMMARY = "Write a run as a program or a table: gammvae export RUN out=FILE."
PROGRAMS = (".pt2", ".onnx")


def parser() -> argparse.ArgumentParser:
    """The argument parser: a run and settings."""
    return words_parser("export", SUMMARY, settings())


def settings() -> dict[str, str]:
    """The settings of the command and their descriptions."""
    from gammvae.cli.places import PLACES
    from gammvae.cli.settings import ExportSettings, described

    return {**described(ExportSettings), **PLACES}


def run(arguments: list[str]) -> None:
    """Writes the files and prints what is in them.

    Args:
        arguments: Command-line arguments after ``gammvae export``.

    Raises:
        InputError: The arguments, the run or its data are invalid, or a file to write exists.
    """
    from gammvae.cli.places import PLACES, places
    from gammvae.cli.settings import ExportSettings, read_settings

    directory, words, config_dir = split_run("export", parser(), arguments)
    keys = tuple(f"{key}=" for key in PLACES)
    where = places([word for word in words if word.startswith(keys)])
    others = [word for word in words if not word.startswith(keys)]
    given = read_settings(ExportSettings, "export", others)
    target = user_path(given.out)
    kind = check_kind(target, given)
    directory.check_output("out", target)
    log_to_terminal()
    if kind in PROGRAMS:
        from gammvae.cli.export_programs import export_programs

        lines = export_programs(directory, target, given, where, config_dir)
    else:
        from gammvae.cli.export_table import export_table

        lines = export_table(directory, target, given, where, config_dir)
    for line in lines:
        say(line)


def check_kind(target: Path, given: "ExportSettings") -> str:
    """The ending of the file to write.

    Raises:
        InputError: It is unknown, or a setting has no use for this kind.
    """
    kind = target.suffix.lower()
    if kind not in (*PROGRAMS, *TABLES):
        raise InputError(
            f"out={given.out} is of unknown kind: it must end in {', '.join(PROGRAMS + TABLES)}"
        )
    for name in ("embedding", "columns"):
        if kind in PROGRAMS and getattr(given, name):
            raise InputError(f"{name}=true has no use: out={given.out} is a program, no table")
    return kind
