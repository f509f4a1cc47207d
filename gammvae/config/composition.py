"""Composes the configuration of ``gammvae train`` from overrides, outside of the command."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from omegaconf import open_dict

from gammvae.config.choices import check_choices
from gammvae.config.explain import explained
from gammvae.config.schema import Config
from gammvae.config.typed import to_config
from gammvae.errors import InputError
from gammvae.system.paths import user_path


class Composed(NamedTuple):
    """A configuration.

    Attributes:
        config: All settings.
        choices: Name of the chosen option of every configuration group.
    """

    config: Config
    choices: Mapping[str, str]


@contextmanager
def composing() -> Iterator[None]:
    """Initializes Hydra with the packaged configuration; turns its errors into ``InputError``."""
    ConfigStore.instance().store(name="schema", node=Config)
    outer, GlobalHydra.instance().hydra = GlobalHydra.instance().hydra, None  # the caller's own
    try:
        with explained(), initialize_config_module("gammvae.conf", version_base="1.3"):
            yield
    finally:
        GlobalHydra.instance().hydra = outer


def composed(overrides: Sequence[str]) -> Composed:
    """The configuration of ``gammvae train OVERRIDES``.

    Args:
        overrides: ``key=value`` settings of one run.

    Raises:
        InputError: A setting cannot be parsed, is unknown, or is invalid.
    """
    check_choices(overrides)
    with composing():
        found = compose("train", list(overrides), return_hydra_config=True)
    choices = found.hydra.runtime.choices
    with open_dict(found):
        del found["hydra"]
    return Composed(to_config(found), choices)


def user_folder(config_dir: str) -> Path:
    """The folder of the user's own configuration files.

    Raises:
        InputError: It is no folder.
    """
    folder = user_path(config_dir).resolve()
    if not folder.is_dir():
        raise InputError(f"--config-dir {config_dir} is not a folder")
    return folder


def search_path(config_dir: str | Path | None) -> list[str]:
    """The override that adds the user's own configuration files; none without such a folder.

    Raises:
        InputError: It is no folder.
    """
    if config_dir is None:
        return []
    return [f"hydra.searchpath=['file://{user_folder(str(config_dir))}']"]
