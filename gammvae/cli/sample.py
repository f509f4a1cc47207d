"""``gammvae sample``: new samples of a run's clusters."""

import argparse

from gammvae.cli.words import split_run, words_parser
from gammvae.printing import say

SUMMARY = "Draw new samples of a run's clusters, gammvae sample RUN [cluster=3] [n=64] ..."


def parser() -> argparse.ArgumentParser:
    """Of a run and settings."""
    return words_parser("sample", SUMMARY)


def settings() -> dict[str, str]:
    """What may be set, with a description of each."""
    from gammvae.cli.settings import SampleSettings, described

    return described(SampleSettings)


def run(arguments: list[str]) -> None:
    """Draws samples, writes them and prints where they are.

    Args:
        arguments: What follows ``gammvae sample``.

    Raises:
        InputError: The arguments or the run cannot be used.
    """
    from gammvae.cli.sample_clusters import sample
    from gammvae.cli.settings import SampleSettings, read_settings
    from gammvae.runs.trained import load_trained

    given = split_run("sample", parser(), arguments)
    settings = read_settings(SampleSettings, "sample", given.words)
    trained = load_trained(given.directory, settings.device)
    for line in sample(given.directory, trained, settings):
        say(line)
