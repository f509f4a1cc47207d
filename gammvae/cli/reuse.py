"""The configuration of a finished run, without the parts that cannot be trusted.

A run's folder may come from an untrusted source. It must not decide which code is called, which
addresses are contacted and where files are written. Loader and published files therefore come from
the dataset's own YAML file, which ships with the program or is in a folder that the user gives, and
so do functions for layers, families, augmentations and methods.
"""

import logging
from dataclasses import replace

from gammvae.cli.catalog import USERS_OWN, Catalog
from gammvae.cli.places import Places
from gammvae.config.overrides import shell_word
from gammvae.config.schema import Config
from gammvae.config.sections import DatasetConfig
from gammvae.data.by_name import store_of
from gammvae.errors import InputError
from gammvae.runs.code import config_with_code
from gammvae.runs.contents import CONFIG
from gammvae.runs.directory import RunDirectory

log = logging.getLogger(__name__)


def usable_config(directory: RunDirectory, where: Places, config_dir: str | None) -> Config:
    """The stored configuration of a run, made safe for loading its data.

    Args:
        directory: Directory of the run.
        where: Values of some of the settings in ``PLACES``.
        config_dir: Folder with the user's own configuration files, or ``None``.

    Raises:
        InputError: The dataset is unknown, or its loader differs from the run's.
    """
    config = config_with_code(directory, config_dir)
    known = dataset_of(config, directory, config_dir)
    settings = {
        "loader": known.loader,
        "about": known.about,
        **{name: getattr(known, name) for name in ("root", "cache", "mirror", "download")},
        **{key.removeprefix("dataset."): where[key] for key in where if key != "device"},
    }
    dataset = replace(config.dataset, **settings)
    former = config.dataset.root
    if former != dataset.root and store_of(dataset).missing():
        again = shell_word(f"dataset.root={former}")
        log.warning("dataset files are searched for in %s; the run used %s", dataset.root, again)
    return replace(config, dataset=dataset, device=str(where.get("device", config.device)))


def dataset_of(config: Config, directory: RunDirectory, config_dir: str | None) -> DatasetConfig:
    """The dataset of a run as its own YAML file configures it.

    Raises:
        InputError: No dataset has this name, or its loader differs from the run's.
    """
    path, name = directory / CONFIG, config.dataset.name
    catalog = Catalog(config_dir, [])
    if name not in (*catalog.names(), *USERS_OWN):
        raise InputError(
            f"{path} names the dataset {name!r}, which does not come with gammvae: "
            "--config-dir FOLDER must name the folder of its YAML, as for train"
        )
    known = catalog.config(name, "n_clusters=1").dataset  # any number serves
    for key, value in config.dataset.loader.items():
        if known.loader.get(key) != value:
            raise InputError(
                f"{path} has dataset.loader.{key}={value!r}, the dataset {name} has "
                f"{known.loader.get(key)!r}: only the loader in the dataset's own YAML is called; "
                "--config-dir FOLDER can give a folder with another YAML"
            )
    return known
