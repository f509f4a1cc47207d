"""The command ``gammvae datasets``: its arguments, and which function of the catalog they call."""

import argparse

from gammvae.cli.terminal import log_to_terminal, one_line_usage_errors
from gammvae.errors import InputError, nearest
from gammvae.system.printing import say

SUMMARY = "List datasets and their state; fetch or check them: datasets fetch|check NAME...|all."
ACTIONS = ("list", "fetch", "check")


def parser() -> argparse.ArgumentParser:
    """The argument parser: an action, dataset names and settings."""
    made = argparse.ArgumentParser(prog="gammvae datasets", description=SUMMARY)
    made.add_argument("words", nargs="*", help="list (default), fetch NAME... or check NAME...")
    made.add_argument(
        "--config-dir", "-cd", metavar="FOLDER", help="folder that holds your dataset/*.yaml"
    )
    made.epilog = "Settings such as dataset.root=FOLDER or device=cpu may follow."
    return made


def settings() -> dict[str, str]:
    """Empty: the command has no settings beyond those in ``conf/``."""
    return {}


def run(arguments: list[str]) -> None:
    """Lists, fetches or checks datasets.

    Args:
        arguments: Command-line arguments after ``gammvae datasets``.

    Raises:
        InputError: The arguments are invalid, or a dataset is missing, damaged or unknown.
    """
    with one_line_usage_errors():
        given = parser().parse_intermixed_args(arguments)
    overrides = [word for word in given.words if "=" in word]
    action, *names = [word for word in given.words if "=" not in word] or ["list"]
    if action not in ACTIONS:
        near = nearest(action, ACTIONS)
        raise InputError(f"unknown action {action!r}: {near}it must be list, fetch or check")
    if action != "list" and not names:
        raise InputError(f"datasets {action} needs a name: gammvae datasets {action} NAME")
    log_to_terminal()

    from gammvae.cli.catalog import Catalog, check, fetch, overview

    catalog = Catalog(given.config_dir, overrides)
    if names == ["all"]:
        names = catalog.names()
    if action == "list":
        say(overview(catalog))
    elif action == "fetch":
        for line in fetch(catalog, names):
            say(line)
    else:
        for name in names:
            say(check(catalog, name))
