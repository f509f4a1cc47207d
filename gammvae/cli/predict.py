"""``gammvae predict``: assigns new samples to the clusters of a run."""

import argparse

from gammvae.cli.terminal import log_to_terminal
from gammvae.cli.words import split_run, words_parser
from gammvae.system.printing import say

SUMMARY = "Assign the samples of a file to clusters: gammvae predict RUN data=FILE out=FILE."


def parser() -> argparse.ArgumentParser:
    """The argument parser: a run and settings."""
    return words_parser("predict", SUMMARY, settings())


def settings() -> dict[str, str]:
    """The settings of the command and their descriptions."""
    from gammvae.cli.settings import PredictSettings, described

    return described(PredictSettings)


def run(arguments: list[str]) -> None:
    """Assigns the samples of a file to clusters, writes the result and prints a summary.

    Args:
        arguments: Command-line arguments after ``gammvae predict``.

    Raises:
        InputError: The arguments, the run or the file are invalid.
    """
    from gammvae.cli.predict_file import predict
    from gammvae.cli.settings import PredictSettings, read_settings
    from gammvae.runs.code import config_with_code
    from gammvae.runs.trained import load_trained

    given = split_run("predict", parser(), arguments)
    settings = read_settings(PredictSettings, "predict", given.words)
    log_to_terminal()
    config = config_with_code(given.directory, given.config_dir)
    trained = load_trained(given.directory, settings.device, config)
    for line in predict(given.directory, trained, settings):
        say(line)
