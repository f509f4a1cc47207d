"""Rewrites errors of Hydra and OmegaConf as one line that says how to fix the command."""

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args

from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import OmegaConfBaseException

from gammvae.config import overrides, schema
from gammvae.config.schema import Config
from gammvae.errors import InputError

# What Hydra asserts of a setting in a section that is null, without its name.
NULL_SECTION = "Unexpected type for root: NoneType"
CODE = " or ".join(schema.CODE)


def options(key: str) -> list[str]:
    """Sorted names of the settings below a key; an empty list if the key is not a group.

    Args:
        key: Key such as ``train``; empty for the top level.
    """
    node: Any = Config
    for name in filter(None, key.split(".")):
        types = {field.name: field.type for field in dataclasses.fields(node)}
        node = types.get(name)
        node = next(filter(dataclasses.is_dataclass, get_args(node)), node)  # or null
        if not dataclasses.is_dataclass(node):
            return []
    return sorted(field.name for field in dataclasses.fields(node))


@contextmanager
def explained() -> Iterator[None]:
    """Turns errors of Hydra and OmegaConf in the context into one line.

    Raises:
        InputError: There was one.
    """
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(explain(error)) from error
    except AssertionError as error:
        if str(error) != NULL_SECTION:
            raise
        raise InputError(
            "a section that is null has no settings: +optimizer@train.optimizer=adam gives some to "
            f"train.optimizer, which others can then change, and an option of yours to {CODE}"
        ) from error


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
        advice = ", or n_clusters=auto has the data choose it" if key == "n_clusters" else ""
        return f"{key} is missing: {key}=VALUE must be given{advice}"
    if own := re.match(r"Error merging override train\.optimizer=(\S+)", text):
        return (
            f"train.optimizer={own[1]} is no optimizer: +optimizer@train.optimizer={own[1]} is one"
        )
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
