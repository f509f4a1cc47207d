"""Writes the reference of all settings when the site is built, so that it cannot go stale."""

import dataclasses
import inspect
import re
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, get_args, get_origin

import yaml
from configuration import Configuration, Option, read_configuration

from gammvae.config.ranges import RULES
from gammvae.config.schema import Config

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

INTRODUCTION = """\
# Settings

All settings of `gammvae train`, to be given as `NAME=VALUE`. This page is generated from the types,
the ranges and the comments in `conf/`.

*Default* is the value in `gammvae train` without further words, which clusters the digits. Options
such as `recipe=features` bring other values, and a value on the command line comes before both.
"""

WORDS = {str: "text", int: "integer", float: "number", bool: "`true` or `false`", NoneType: "null"}
PLURALS = {str: "texts", int: "integers"}
# These have no default: they differ in every dataset.
OF_ONE_DATASET = ("dataset.loader", "dataset.about.")


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
    return "\n".join(parts)


def section(name: str, configuration: Configuration) -> str:
    """A group's options, and the settings in it."""
    schema = {field.name: field.type for field in dataclasses.fields(Config)}
    texts = configuration.texts
    about = texts.get(name) or texts.get(f"defaults.{name}")
    if name in configuration.chosen and name in schema:
        about = (inspect.getdoc(schema[name]) or "").partition("\n\n")[0]
    parts = [f"## {name} {{#{name.replace('/', '-')}}}\n", f"{escaped(about or '')}\n"]
    parts += [choice(one, configuration) for one in configuration.options if one.group == name]
    keys = [key for key in configuration.types if key.startswith(f"{name}.")]
    return "\n".join(parts + [entry(key, configuration) for key in keys])


def choice(option: Option, configuration: Configuration) -> str:
    """An option with what its file says, and the file itself to be unfolded."""
    mark = " (default)" if option.name == configuration.chosen.get(option.group) else ""
    source = "\n".join(f"        {line}" for line in option.file.read_text().splitlines())
    return (
        f"`{option.choice}`{mark}\n\n:   {escaped(option.comments.head)}\n\n"
        f'    ??? abstract "conf/{option.group}/{option.file.name}"\n'
        f"        ```yaml\n{source}\n        ```\n"
    )


def entry(key: str, configuration: Configuration) -> str:
    """A setting under a heading of its own: what it does, its type, range and default."""
    lines = [f"### `{key}` {{#{key}}}\n", f"{escaped(configuration.texts.get(key, ''))}\n"]
    lines.append(f"- Type: {in_words(configuration.types[key])}")
    if key in RULES:
        lines.append(f"- Range: {RULES[key].text}")
    if key in configuration.defaults and not key.startswith(OF_ONE_DATASET):
        default = shown(configuration.defaults[key])
        lines.append(f"- Default: {default}{other_values(key, default, configuration.options)}")
    return "\n".join(lines) + "\n"


def other_values(key: str, default: str, options: list[Option]) -> str:
    """The values other than the default's that options bring."""
    found: dict[str, list[str]] = {}
    for option in options:
        if key in option.values and not key.endswith(".name"):
            found.setdefault(shown(option.values[key]), []).append(f"`{option.choice}`")
    found.pop(default, None)
    return "".join(f"; {value} with {', '.join(names)}" for value, names in found.items())


def shown(value: object) -> str:
    """A value as YAML writes it."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
    return f"`{text.removesuffix(chr(10)).removesuffix('...').strip()}`"


def in_words(kind: Any) -> str:  # noqa: ANN401 - of any kind that a field may have
    """A type in words."""
    if isinstance(kind, UnionType):
        return " or ".join(in_words(part) for part in get_args(kind))
    if get_origin(kind) is list:
        return f"list of {PLURALS[get_args(kind)[0]]}"
    return "mapping" if get_origin(kind) is dict else WORDS[kind]


def escaped(text: str) -> str:
    """Text with no HTML and no links for Markdown to find, but for what is between backticks."""
    parts = re.split(r"(`+[^`]+`+)", text)
    marks = str.maketrans({"<": "&lt;", "[": "&#91;"})
    return "".join(part if n % 2 else part.translate(marks) for n, part in enumerate(parts))
