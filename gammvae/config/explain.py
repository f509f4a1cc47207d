"""Rewrites errors of Hydra and OmegaConf as one line that says how to fix the command."""

import dataclasses
import re
from typing import Any

from hydra.errors import OverrideParseException

from gammvae.config import overrides
from gammvae.config.schema import Config


def options(key: str) -> list[str]:
    """Sorted names of the settings below a key; an empty list if the key is not a group.

    Args:
        key: Key such as ``train``; empty for the top level.
    """
    node: Any = Config
    for name in filter(None, key.split(".")):
        types = {field.name: field.type for field in dataclasses.fields(node)}
        node = types.get(name)
        if not dataclasses.is_dataclass(node):
            return []
    return sorted(field.name for field in dataclasses.fields(node))


def explain(error: Exception) -> str:
    """One-line message for an error of Hydra or OmegaConf, with valid names if one is unknown."""
    text = " ".join(str(error).split()).removeprefix("In 'train': ")
    if isinstance(error, OverrideParseException):
        key, equals, value = error.override.partition("=")
        items = [item.strip() for item in value[1:-1].split(",")]
        quotable = items if value[:1] + value[-1:] == "[]" else value
        quoted = f"; with quotes it reads {overrides.override(key, quotable)}" if equals else ""
        return f"{error.override} cannot be parsed: {text.partition(' See http')[0]}{quoted}"
    ambiguous = re.match(
        r"Ambiguous value for argument '([^=]+)=(.*)'\s+1\. To use", str(error), re.DOTALL
    )
    if ambiguous:
        key, value = ambiguous.groups()
        return (
            f"{key}={value} stands for several values: {overrides.override(key, value)} is one "
            f"text, {overrides.override(key, value.split(','))} is a list, and -m runs every one"
        )
    # Two values refer to each other because neither was given.
    missing = re.search(r"Recursive interpolation detected full_key: (\S+)", text)
    if missing:
        key = missing[1].removeprefix("dataset.")
        return f"{key} is missing: {key}=VALUE must be given"
    unknown = re.match(r"Could not override '([^']+)'", text)
    if unknown:
        parent, _, name = unknown[1].rpartition(".")
        if valid := options(parent):
            return f"unknown option {unknown[1]}: {parent or 'train'} has {', '.join(valid)}"
    if launcher := re.search(r"'hydra/launcher/(joblib|submitit_\w+)'", text):
        name = "joblib" if launcher[1] == "joblib" else "slurm"
        return f"hydra/launcher={name} needs a package: pip install 'gammvae[{name}]'"
    if error.__cause__ is not None:
        text += ": " + " ".join(str(error.__cause__).split())
    return re.sub(r" (Config search path|full_key|object_type|reference_type).*", "", text)
