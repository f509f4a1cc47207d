"""Tables by name: those that come with gammvae, and those in a folder of the user's own."""

import importlib.resources
from collections.abc import Sequence
from pathlib import Path

from gammvae.config.composition import user_folder
from gammvae.errors import InputError, nearest
from gammvae.tables.described import Description, read_description

EVERY = "all"


def table_files(config_dir: str | None) -> dict[str, Path]:
    """The files of all tables, by name.

    Args:
        config_dir: Folder with the user's own configuration files, or ``None``; its tables are the
            files ``tables/*.yaml``.

    Raises:
        InputError: The folder does not exist, or a table in it has a name that is taken.
    """
    shipped = yaml_files(Path(str(importlib.resources.files("gammvae.conf"))))
    mine = {} if config_dir is None else yaml_files(user_folder(config_dir))
    for name, path in mine.items():
        if name in (*shipped, EVERY):
            raise InputError(
                f"{path} cannot be used: the name {name} is taken, so its file must have another"
            )
    return shipped | mine


def yaml_files(folder: Path) -> dict[str, Path]:
    """The tables in a folder of configuration files, by name."""
    return {path.stem: path for path in sorted((folder / "tables").glob("[!.]*.yaml"))}


def read_tables(names: Sequence[str], config_dir: str | None) -> dict[str, Description]:
    """The descriptions of some tables, by name.

    Args:
        names: Names of tables; ``all``, or no name, stands for all of them.
        config_dir: Folder with the user's own configuration files, or ``None``.

    Raises:
        InputError: A table is unknown or its file is invalid.
    """
    files = table_files(config_dir)
    for name in names:
        if name not in (*files, EVERY):
            known = ", ".join([*files, EVERY])
            near = nearest(name, [*files, EVERY])
            raise InputError(f"unknown table {name!r}: {near}it must be one of {known}")
    chosen = files if not names or EVERY in names else dict.fromkeys(names)
    return {name: read_description(files[name]) for name in chosen}
