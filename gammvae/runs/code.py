"""The configuration of a stored run with those functions that the user's own YAML files name."""

import re
from pathlib import Path

from gammvae.config.code import agreed, code_of
from gammvae.config.composition import composed, search_path
from gammvae.config.schema import Config
from gammvae.errors import InputError, blaming
from gammvae.runs.contents import CONFIG
from gammvae.runs.stored_run import StoredRun


def config_with_code(run: StoredRun, config_dir: str | Path | None) -> Config:
    """The stored configuration of a run, whose functions can be called if the user's YAML has them.

    Args:
        run: The run; its folder may come from an untrusted source.
        config_dir: Folder with the user's own configuration files; without it no function that the
            run names can be called.

    Raises:
        InputError: The user's files have no such option, or one with another function.
    """
    config = run.read_config()
    sections = sorted({key.partition(".")[0] for key in code_of(config)})
    if config_dir is None or not sections:
        return config
    with blaming(run / CONFIG):
        words = [f"{section}={option(config, section)}" for section in sections]
        return agreed(config, code_of(composed([*search_path(config_dir), *words]).config))


def option(config: Config, section: str) -> str:
    """The name of the option of a section, which is that of its YAML file.

    Raises:
        InputError: It cannot be the name of a file in a configuration folder.
    """
    name: str = getattr(config, section).name
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise InputError(f"{section}.name={name!r} is not the name of an option")
    return name
