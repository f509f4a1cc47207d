"""``gammvae sample``: generates new samples from the clusters of a run."""

import argparse

from gammvae.cli.words import split_run, words_parser
from gammvae.system.printing import say

SUMMARY = "Generate new samples from a run's clusters: gammvae sample RUN [cluster=3] [n=64] ..."


def parser() -> argparse.ArgumentParser:
    """The argument parser: a run and settings."""
    return words_parser("sample", SUMMARY, settings())


def settings() -> dict[str, str]:
    """The settings of the command and their descriptions."""
    from gammvae.cli.settings import SampleSettings, described

    return described(SampleSettings)


def run(arguments: list[str]) -> None:
    """Generates samples, writes them and prints the paths of the files.

    Args:
        arguments: Command-line arguments after ``gammvae sample``.

    Raises:
        InputError: The arguments or the run are invalid.
    """
    from gammvae.cli.sample_clusters import sample
    from gammvae.cli.settings import SampleSettings, read_settings
    from gammvae.runs.code import config_with_code
    from gammvae.runs.trained import load_trained

    given = split_run("sample", parser(), arguments)
    settings = read_settings(SampleSettings, "sample", given.words)
    config = config_with_code(given.directory, given.config_dir)
    trained = load_trained(given.directory, settings.device, config)
    for line in sample(given.directory, trained, settings):
        say(line)
