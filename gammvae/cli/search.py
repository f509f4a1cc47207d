"""``gammvae search``: tries settings, and judges them without classes."""

import argparse
import importlib.util
import logging

from gammvae.cli.terminal import log_to_terminal
from gammvae.cli.words import split, words_parser
from gammvae.errors import InputError

SUMMARY = "Search for settings without classes: gammvae search SPACE [SETTING=VALUE...]."


def parser() -> argparse.ArgumentParser:
    """The argument parser: a space, settings and a flag."""
    made = words_parser("search", SUMMARY, settings(), "SPACE")
    more = "Settings of gammvae train apply to all trials. The folder may hold search/*.yaml."
    made.epilog = f"{made.epilog}\n\n{more}"
    return made


def settings() -> dict[str, str]:
    """The settings of the command and their descriptions."""
    from gammvae.cli.settings import SearchSettings, described

    return described(SearchSettings)


def run(arguments: list[str]) -> None:
    """Computes the trials that are left, and prints and writes all.

    Args:
        arguments: Command-line arguments after ``gammvae search``.

    Raises:
        InputError: The arguments, the space or the data are invalid, the default fails, or a
            package is missing.
    """
    from gammvae.cli.search_spaces import find_space
    from gammvae.cli.settings import SearchSettings, read_settings

    words, config_dir = split(parser(), arguments)
    if not words or "=" in words[0]:
        raise InputError("search needs a space: gammvae search SPACE [SETTING=VALUE...]")
    keys = tuple(f"{key}=" for key in settings())
    own = [word for word in words[1:] if word.startswith(keys)]
    given = read_settings(SearchSettings, "search", own)
    if importlib.util.find_spec("optuna") is None:
        raise InputError("search needs the package optuna: pip install 'gammvae[search]'")
    space = find_space(words[0], config_dir)
    log_to_terminal(logging.WARNING)

    from gammvae.cli.searching import Searching

    others = [word for word in words[1:] if word not in own]
    Searching(space, given, others, config_dir).run()
