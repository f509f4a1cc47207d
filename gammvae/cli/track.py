"""``gammvae track``: sends finished runs to an experiment tracker."""

import argparse

from gammvae.cli.terminal import log_to_terminal
from gammvae.cli.words import runs_and_settings, split, words_parser
from gammvae.errors import InputError
from gammvae.system.paths import user_path
from gammvae.system.printing import say

SUMMARY = "Send finished runs to a tracker: gammvae track RUN [RUN...] to=mlflow."


def parser() -> argparse.ArgumentParser:
    """The argument parser: runs and settings."""
    return words_parser("track", SUMMARY, settings())


def settings() -> dict[str, str]:
    """The settings of the command and their descriptions."""
    from gammvae.cli.settings import TrackSettings, described

    return described(TrackSettings)


def run(arguments: list[str]) -> None:
    """Sends runs, in the given order.

    Args:
        arguments: Command-line arguments after ``gammvae track``.

    Raises:
        InputError: The arguments or a run are invalid, or a package is missing.
    """
    from gammvae.cli.settings import TrackSettings, read_settings
    from gammvae.runs.sending import send
    from gammvae.runs.stored_run import StoredRun
    from gammvae.runs.trackers import check_installed, tracker_of

    words, _ = split(parser(), arguments)
    paths, others = runs_and_settings(words)
    given = read_settings(TrackSettings, "track", others)
    runs = [StoredRun(path) for path in paths]
    if not runs:
        raise InputError("track needs a run directory: gammvae track RUN [RUN...] to=mlflow")
    log_to_terminal()
    check_installed(given.to, "to")
    tracker = tracker_of(given.to, user_path(given.folder), given.project)
    for one in runs:
        send(one, tracker)
        say(f"{one.path} is in {given.to}, project {given.project}")
