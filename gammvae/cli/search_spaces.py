"""Search spaces by name or path, and whether every value in them can be used."""

import dataclasses
import importlib.resources
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra.errors import HydraException

from gammvae.cli.sweeps import combinations
from gammvae.config.composition import composed, user_folder
from gammvae.config.explain import explain
from gammvae.config.identity import flatten
from gammvae.config.schema import Config
from gammvae.errors import InputError
from gammvae.search.space import Space, read_space
from gammvae.system.paths import user_path

YAML = ".yaml"


def find_space(name: str, config_dir: str | None) -> Space:
    """The space of a name or of a path that ends in ``.yaml``.

    Args:
        name: Name or path.
        config_dir: Folder with the user's own configuration files, or ``None``; its spaces are the
            files ``search/*.yaml``.

    Raises:
        InputError: There is no such space, or its file is invalid.
    """
    if name.endswith(YAML):
        return read_space(user_path(name))
    folders = [Path(str(importlib.resources.files("gammvae.conf")))]
    folders += [] if config_dir is None else [user_folder(config_dir)]
    files = {path.stem: path for one in folders for path in sorted((one / "search").glob("*.yaml"))}
    if name not in files:
        raise InputError(
            f"unknown search space {name!r}: it must be one of {', '.join(files)}, or a path that "
            f"ends in {YAML}"
        )
    return read_space(files[name])


class Default(NamedTuple):
    """The configuration of the default trial.

    Attributes:
        words: Settings of every trial, as ``key=value``.
        config: All settings.
        values: Their values by key, and the names of the chosen options by group.
    """

    words: list[str]
    config: Config
    values: dict[str, Any]


def check_space(space: Space, given: Sequence[str], places: Sequence[str]) -> Default:
    """Refuses a space before anything is trained, and returns the configuration of the default.

    All choices and both ends of every range are composed, each beside the defaults of all others.

    Args:
        space: The space.
        given: Settings of every trial on the command line, which go before those of the space.
        places: Where Hydra finds the user's own configuration files, as an override.

    Raises:
        InputError: A setting is unknown, cannot be searched, or has a value that runs refuse.
    """
    keys = [key_of(word) for word in given]
    for key, word in zip(keys, given, strict=True):
        if key in space.settings:
            raise InputError(f"{word} cannot be given: the space {space.name} searches {key}")
        if key in ("run_dir", "overwrite"):
            raise InputError(f"{word} cannot be given: each run has a folder of its own")
    words = single([*(one for one in space.fixed if key_of(one) not in keys), *given])
    found = composed([*places, *words])
    for key, setting in space.settings.items():
        for value in setting.extremes():
            try:
                composed([*places, *single([*words, f"{key}={value}"])])
            except InputError as error:
                raise InputError(f"space {space.name}, {key}={value}: {error}") from error
    tree = dict(flatten(dataclasses.asdict(found.config)))
    return Default(words, found.config, {**tree, **found.choices})


def key_of(word: str) -> str:
    """The key of a ``key=value`` setting."""
    return word.lstrip("+~").partition("=")[0]


def single(words: Sequence[str]) -> list[str]:
    """The settings, if they are those of one run.

    Raises:
        InputError: They cannot be parsed, or one stands for several values.
    """
    try:
        jobs = combinations(words)
    except HydraException as error:
        raise InputError(explain(error)) from error
    if len(jobs) != 1:
        raise InputError(f"{' '.join(words)} stands for several runs: each setting must have one")
    return list(words)
