"""``gammvae report``: shows one or more finished runs in one HTML file."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from gammvae.cli.terminal import log_to_terminal
from gammvae.cli.words import runs_and_settings, split, words_parser
from gammvae.errors import InputError, blaming
from gammvae.system.paths import user_path
from gammvae.system.printing import say

if TYPE_CHECKING:
    from gammvae.cli.places import Places
    from gammvae.report.subject import Subject
    from gammvae.runs.directory import RunDirectory

SUMMARY = "Show finished runs in one HTML file: gammvae report RUN [RUN...] [out=FILE]."


def parser() -> argparse.ArgumentParser:
    """The argument parser: runs and settings."""
    return words_parser("report", SUMMARY, settings())


def settings() -> dict[str, str]:
    """The settings of the command and their descriptions."""
    from gammvae.cli.places import PLACES

    text = "the HTML file; by default report.html, in the folder of one run or else in this one"
    return {"out": text, **PLACES}


def run(arguments: list[str]) -> None:
    """Writes the report and prints its path.

    Args:
        arguments: Command-line arguments after ``gammvae report``.

    Raises:
        InputError: The arguments, a run or its data are invalid.
    """
    from gammvae.cli.places import places
    from gammvae.report.html import write_report
    from gammvae.runs.contents import REPORT
    from gammvae.runs.directory import RunDirectory

    parsed = split(parser(), arguments)
    named, words = runs_and_settings(parsed.words)
    directories = [RunDirectory(run) for word in named for run in runs_in(Path(word))]
    if not directories:
        raise InputError("report needs a run directory: gammvae report RUN [RUN...] [out=FILE]")
    given = [word.removeprefix("out=") for word in words if word.startswith("out=")]
    default = directories[0] / REPORT if len(directories) == 1 else Path(REPORT)
    target = user_path(given[-1]) if given else default
    for directory in directories:
        directory.check_output("out", target, REPORT)
    log_to_terminal()
    where = places([word for word in words if not word.startswith("out=")])
    subjects = [loaded(directory, where, parsed.config_dir) for directory in directories]
    target.parent.mkdir(parents=True, exist_ok=True)
    write_report(subjects, target)
    say(target)


def runs_in(folder: Path) -> list[Path]:
    """The folder of a run itself, or of a search the runs of the default and of the best trial.

    Raises:
        InputError: It is a search whose files are damaged, or whose runs are not there.
    """
    from gammvae.search.names import JSON
    from gammvae.search.stored import default_and_best

    return default_and_best(folder / JSON) if (folder / JSON).is_file() else [folder]


def loaded(directory: "RunDirectory", where: "Places", config_dir: str | None) -> "Subject":
    """A finished run with its model and its data.

    Args:
        directory: Directory of the run.
        where: See ``reuse.usable_config``.
        config_dir: Folder with the user's own configuration files, or ``None``.

    Raises:
        InputError: The run is unfinished or damaged, or its data cannot be loaded.
    """
    from gammvae.cli.reuse import usable_config
    from gammvae.runs.contents import CONFIG
    from gammvae.training.experiment import Experiment

    result = directory.read_result()
    config = usable_config(directory, where, config_dir)
    with blaming(directory / CONFIG):
        experiment = Experiment(config, directory)
    experiment.method.restore()
    return experiment.subject(result)
