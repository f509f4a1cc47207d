"""Writes the reference of all settings when the site is built, so that it cannot go stale."""

import dataclasses
import inspect
import re
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin

import yaml
from configuration import OWN, UNNAMED, Configuration, Option, read_configuration

from gammvae.config.ranges import REPARAMETERIZATIONS, RULES
from gammvae.config.schema import Config

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

INTRODUCTION = """\
# Settings

All settings of `gammvae train`, to be given as `NAME=VALUE`. This page is generated from the types,
the ranges and the comments in `conf/`.

*Default* is the value without further settings. Where it depends on the dataset, two values are
given: that of `dataset=file`, for your own data, and that of `dataset=digits`, which is used if no
dataset is named. Benchmarks of images choose `recipe=images`, all others `recipe=features`. Options
such as these bring other values, and a value on the command line comes before all of them. `null`
means no value; the description says what then happens.
"""

ENVIRONMENT = """\
## Environment variables {#environment-variables}

| Variable | Meaning |
| --- | --- |
| `GAMMVAE_DATA` | folder of dataset files: the default of [`dataset.root`](#dataset.root) |
| `GAMMVAE_CACHE` | folder of prepared datasets: the default of [`dataset.cache`](#dataset.cache) |
| `GAMMVAE_MIRROR` | server to download from: the default of [`dataset.mirror`](#dataset.mirror) |
| `OMP_NUM_THREADS` | number of threads of a run; otherwise PyTorch chooses, usually one per core |
| `GOMP_SPINCOUNT`, `OMP_WAIT_POLICY` | how threads wait; gammvae chooses unless one is set |
"""

WORDS = {str: "text", int: "integer", float: "number", bool: "`true` or `false`", NoneType: "null"}
PLURALS = {str: "texts", int: "integers"}
# These have no default: they differ in every dataset.
OF_ONE_DATASET = ("dataset.loader", "dataset.about.")
RANGES = {key: rule.text for key, rule in RULES.items()} | {
    "model.reparameterization": "; ".join(
        f"with model.family={family}: one of {', '.join(names)}"
        for family, names in REPARAMETERIZATIONS.items()
    )
}
# What refers to another setting, or to an environment variable.
REFERENCE = re.compile(r"\$\{(?P<setting>\.?[\w.]+)\}")
VARIABLE = re.compile(r'\$\{oc\.env:(?P<name>\w+),"?(?P<otherwise>[^"}]+)"?\}')


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Adds the page to the site."""
    from mkdocs.structure.files import File

    text = page(read_configuration())
    files.append(File.generated(config, "reference/settings.md", content=text))
    return files


def page(configuration: Configuration) -> str:
    """The page as Markdown."""
    sections = list(dict.fromkeys(key.partition(".")[0] for key in configuration.types))
    nested = {key.partition(".")[0] for key in configuration.types if "." in key}
    groups = list(dict.fromkeys(option.group for option in configuration.options))
    parts = [INTRODUCTION, "## General {#general}\n"]
    parts += [entry(key, configuration) for key in configuration.types if "." not in key]
    parts += [section(name, configuration) for name in sections if name in nested]
    parts += [section(name, configuration) for name in groups if name not in nested]
    return "\n".join([*parts, ENVIRONMENT])


def section(name: str, configuration: Configuration) -> str:
    """A group's options, and the settings in it."""
    schema = {field.name: field.type for field in dataclasses.fields(Config)}
    texts = configuration.texts
    about = texts.get(name) or texts.get(f"defaults.{name}")
    if name in configuration.chosen[OWN] and name in schema:
        about = (inspect.getdoc(schema[name]) or "").partition("\n\n")[0]
    parts = [f"## {name} {{#{name.replace('/', '-')}}}\n", f"{escaped(about or '')}\n"]
    parts += [choice(one, configuration) for one in configuration.options if one.group == name]
    keys = [key for key in configuration.types if key.startswith(f"{name}.")]
    return "\n".join(parts + [entry(key, configuration) for key in keys])


def choice(option: Option, configuration: Configuration) -> str:
    """An option with what its file says, and the file itself to be unfolded."""
    mark = default_mark(option, configuration.chosen)
    source = "\n".join(f"        {line}" for line in option.file.read_text().splitlines())
    return (
        f"`{option.choice}`{mark}\n\n:   {escaped(option.comments.head)}\n\n"
        f'    ??? abstract "conf/{option.group}/{option.file.name}"\n'
        f"        ```yaml\n{source}\n        ```\n"
    )


def default_mark(option: Option, chosen: dict[str, dict[str, str]]) -> str:
    """Whether an option is chosen if no other one of its group is named, and with which dataset."""
    takers = [name for name, choices in chosen.items() if choices.get(option.group) == option.name]
    if len(takers) == len(chosen) or option.choice == f"dataset={UNNAMED}":
        return " (default)"
    if not takers or option.group == "dataset":
        return ""
    return f" (default with `dataset={takers[0]}`)"


def entry(key: str, configuration: Configuration) -> str:
    """A setting under a heading of its own: what it does, its type, range and default."""
    lines = [f"### `{key}` {{#{key}}}\n", f"{escaped(configuration.texts.get(key, ''))}\n"]
    lines.append(f"- Type: {in_words(configuration.types[key])}")
    if key in RANGES:
        lines.append(f"- Range: {RANGES[key]}")
    if key in configuration.defaults[UNNAMED] and not key.startswith(OF_ONE_DATASET):
        lines.append(f"- Default: {default(key, configuration)}")
    return "\n".join(lines) + "\n"


def default(key: str, configuration: Configuration) -> str:
    """A setting's default, or its values with both datasets; and the values that options bring."""
    values = {name: shown(found[key], key) for name, found in configuration.defaults.items()}
    depends = values[OWN] != values[UNNAMED]
    found: dict[str, list[str]] = {}
    for name in values if depends else ():
        found.setdefault(values[name], []).append(f"`dataset={name}`")
    for option in configuration.options:
        # Where the value depends on the dataset, an option of both is not what brings it.
        common = depends and default_mark(option, configuration.chosen) == " (default)"
        if key in option.values and not key.endswith(".name") and not common:
            found.setdefault(shown(option.values[key], key), []).append(f"`{option.choice}`")
    if not depends:
        found.pop(values[OWN], None)
    first = [] if depends else [values[OWN]]
    by = {value: ", ".join(dict.fromkeys(options)) for value, options in found.items()}
    return "; ".join(first + [f"{value} with {options}" for value, options in by.items()])


def shown(value: object, key: str) -> str:
    """A value as YAML writes it; a reference in words."""
    if found := REFERENCE.fullmatch(str(value)):
        named = found["setting"]
        section = key.rpartition(".")[0]
        return f"the value of `{section + named if named.startswith('.') else named}`"
    if found := VARIABLE.fullmatch(str(value)):
        return f"`${found['name']}` if it is set, otherwise `{found['otherwise']}`"
    if str(value).startswith("${by_dataset:"):
        return "a value for each dataset"
    if key == "train.optimizer" and value:
        return "one of its own"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
    return f"`{text.removesuffix(chr(10)).removesuffix('...').strip()}`"


def in_words(kind: Any) -> str:  # noqa: ANN401 - of any kind that a field may have
    """A type in words."""
    if isinstance(kind, UnionType):
        return " or ".join(in_words(part) for part in get_args(kind))
    if get_origin(kind) is list:
        return f"list of {PLURALS[get_args(kind)[0]]}"
    if kind is Any:
        return "integer or text"
    is_mapping = get_origin(kind) is dict or dataclasses.is_dataclass(kind)
    return "mapping" if is_mapping else WORDS[kind]


def escaped(text: str) -> str:
    """Text with no HTML and no links for Markdown to find, but for what is between backticks."""
    parts = re.split(r"(`+[^`]+`+)", text)
    marks = str.maketrans({"<": "&lt;", "[": "&#91;"})
    return "".join(part if n % 2 else part.translate(marks) for n, part in enumerate(parts))
