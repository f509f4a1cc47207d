"""The settings of ``gammvae train``: types, defaults, options, and the comments on them."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast, get_type_hints

import yaml
from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from yaml_comments import Comments, read_comments

from gammvae.config.schema import Config

CONF = Path(__file__).parents[2] / "conf"

# Tables of gammvae reproduce and spaces of gammvae search, which are no settings of a run.
NO_SETTINGS = (CONF / "tables", CONF / "search")
# Defaults depend on the dataset: these are one's own data, and what is taken if none is named.
OWN, UNNAMED = "file", "digits"


class Option(NamedTuple):
    """A file of a group: ``model=dec`` is ``conf/model/dec.yaml``.

    Attributes:
        group: The folder below ``conf/``, with ``/`` between its parts.
        name: The file's name without its ending.
        comments: What the file says.
        values: What it sets, by dotted name from the top of the configuration.
    """

    group: str
    name: str
    comments: Comments
    values: dict[str, Any]

    @property
    def choice(self) -> str:
        """How it is chosen on the command line."""
        return f"{self.group}={self.name}"

    @property
    def file(self) -> Path:
        """Where it is."""
        return CONF / self.group / f"{self.name}.yaml"


class Configuration(NamedTuple):
    """All that can be set.

    Attributes:
        types: Of every setting by its dotted name, in the order of the schema.
        defaults: Values without further settings, by dataset and setting, references as written.
        chosen: The option of each group that is then chosen, by dataset and group.
        options: Of all groups.
        texts: What the comments say of settings, sections and groups.
    """

    types: dict[str, Any]
    defaults: dict[str, dict[str, Any]]
    chosen: dict[str, dict[str, str]]
    options: list[Option]
    texts: dict[str, str]

    def undescribed(self) -> list[str]:
        """The settings and options that no comment describes."""
        keys = [key for key in self.types if key not in self.texts]
        return keys + [option.choice for option in self.options if not option.comments.head]


def read_configuration() -> Configuration:
    """Everything, from ``conf/`` and the schema."""
    types = setting_types(Config)
    options = list(all_options(types))
    defaults, chosen = {}, {}
    for dataset in (OWN, UNNAMED):
        defaults[dataset], chosen[dataset] = composed(dataset, types)
    return Configuration(types, defaults, chosen, options, texts(options, chosen[OWN]))


def setting_types(schema: type, prefix: str = "") -> dict[str, Any]:
    """The types of a dataclass's fields and of those nested in it, by dotted name."""
    found: dict[str, Any] = {}
    for name, kind in get_type_hints(schema).items():
        if dataclasses.is_dataclass(kind):
            found |= setting_types(cast(type, kind), f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = kind
    return found


def all_options(types: dict[str, Any]) -> Iterator[Option]:
    """The files of all groups, by name."""
    files = (path for path in CONF.rglob("*/*.yaml") if path.parent not in NO_SETTINGS)
    for path in sorted(files):
        group = path.parent.relative_to(CONF).as_posix()
        comments = read_comments(path)
        tree = yaml.safe_load(path.read_text())
        prefix = "" if comments.is_global else f"{group}."
        yield Option(group, path.stem, comments, values(tree, types, prefix))


def values(tree: dict[str, Any], types: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of nested dictionaries that are settings, by dotted name."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if key in types:
            found[key] = value
        elif isinstance(value, dict):
            found |= values(value, types, f"{key}.")
    return found


def composed(dataset: str, types: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of ``gammvae train dataset=DATASET``, and the options that it chooses."""
    ConfigStore.instance().store(name="schema", node=Config)
    with initialize_config_module("gammvae.conf", version_base="1.3"):
        config = compose("train", [f"dataset={dataset}"], return_hydra_config=True)
    tree = cast(dict[str, Any], OmegaConf.to_container(config, resolve=False))
    return values(tree, types), tree["hydra"]["runtime"]["choices"]


def texts(options: list[Option], chosen: dict[str, str]) -> dict[str, str]:
    """The comments by dotted name: of ``train.yaml``, else of a default option, else of any."""
    found = dict(read_comments(CONF / "train.yaml").keys)
    for option in sorted(options, key=lambda option: option.name != chosen.get(option.group)):
        prefix = "" if option.comments.is_global else f"{option.group}."
        found = {f"{prefix}{key}": text for key, text in option.comments.keys.items()} | found
    return found
