"""The configuration of a finished run, as far as it is trusted.

A run's folder may come from anybody. What decides which code is called, which addresses are asked
and where files are written is therefore not taken from it: loader and published files are those of
the dataset's own YAML, shipped with the program or in a folder that the user names.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from gammvae.cli.catalog import USERS_OWN, Catalog
from gammvae.config.overrides import shell_word
from gammvae.config.schema import Config, DatasetConfig
from gammvae.data.loaders import store_of
from gammvae.errors import InputError
from gammvae.runs.contents import CONFIG
from gammvae.runs.directory import RunDirectory

log = logging.getLogger(__name__)

# What may be set when a finished run is used again: where its data lie and where to compute.
PLACES = {
    "device": "where to compute: auto, cpu, cuda, cuda:N or mps; by default as the run did",
    "dataset.root": "the folder of dataset files",
    "dataset.cache": "the folder of prepared datasets",
    "dataset.mirror": "another server to download from",
    "dataset.download": "whether missing files are downloaded: true or false",
    "dataset.path": "the file that the run was trained on, if it was moved",
}
Places = dict[str, str | bool]
SWITCH = {"true": True, "false": False}


def usable_config(directory: RunDirectory, where: Places, config_dir: str | None) -> Config:
    """The stored configuration of a run, with which its data can be loaded.

    Args:
        directory: Of the run.
        where: What is set of the ``PLACES``.
        config_dir: The user's own folder of configurations, or ``None``.

    Raises:
        InputError: The dataset is not known here, or its loader is another one.
    """
    config = directory.read_config()
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
        log.warning("files are looked for in %s; the run's were named by %s", dataset.root, again)
    return replace(config, dataset=dataset, device=str(where.get("device", config.device)))


def places(words: Sequence[str]) -> Places:
    """What ``key=value`` words set; a value is taken as it stands.

    Raises:
        InputError: A key is none of ``PLACES``, or a switch is neither true nor false.
    """
    found: Places = {}
    for word in words:
        key, equals, value = word.partition("=")
        if key not in PLACES or not equals:
            raise InputError(f"{word} cannot be set: it must be one of {', '.join(PLACES)}")
        if key == "dataset.download" and value not in SWITCH:
            raise InputError(f"{word} is out of range: it must be true or false")
        found[key] = SWITCH[value] if key == "dataset.download" else value
    return found


def dataset_of(config: Config, directory: RunDirectory, config_dir: str | None) -> DatasetConfig:
    """The dataset of a run as its own YAML has it.

    Raises:
        InputError: There is none of its name, or it is loaded otherwise than the run's was.
    """
    path, name = directory / CONFIG, config.dataset.name
    catalog = Catalog(config_dir, [])
    if name not in (*catalog.names(), USERS_OWN):
        raise InputError(
            f"{path} names the dataset {name!r}, which does not come with gammvae: "
            "--config-dir FOLDER must name the folder of its YAML, as for train"
        )
    known = catalog.config(name, f"n_clusters={config.n_clusters}").dataset
    for key, value in config.dataset.loader.items():
        if known.loader.get(key) != value:
            raise InputError(
                f"{path} has dataset.loader.{key}={value!r}, the dataset {name} has "
                f"{known.loader.get(key)!r}: only what its own YAML says is called, and "
                "--config-dir FOLDER can name the folder of another"
            )
    return known
