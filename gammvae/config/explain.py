"""Rewrites errors of Hydra and OmegaConf as one line that says how to fix the command."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, get_args, get_origin

from hydra.errors import HydraException, OverrideParseException
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)
from yaml import MarkedYAMLError

from gammvae.config import overrides, ranges
from gammvae.config.groups import groups
from gammvae.config.kinds import in_words, kind_of, options
from gammvae.errors import InputError, nearest

# What Hydra asserts of a setting in a section that is null, without its name.
NULL_SECTION = "Unexpected type for root: NoneType"
CODE = " or ".join(ranges.CODE)


@contextmanager
def explained() -> Iterator[None]:
    """Turns errors of Hydra and OmegaConf, and of YAML files, in the context into one line.

    Raises:
        InputError: There was one.
    """
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(explain(error)) from error
    except MarkedYAMLError as error:
        raise InputError(unreadable(error)) from error
    except AttributeError as error:  # OmegaConf's, of a mapping in place of null
        found = re.search(r"full_key: (\S+)", str(error))
        if not found or found[1] not in ranges.CODE:
            raise
        raise InputError(
            f"{found[1]} cannot be given in braces: +{found[1]}._target_=MODULE.FUNCTION names the "
            "function, and its arguments are given likewise"
        ) from error
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
        return unparsed(error.override)
    for answer in (several, missing, in_file, wrong_type, unknown, unavailable):
        if found := answer(error, text):
            return found
    if error.__cause__ is not None:
        text += ": " + " ".join(str(error.__cause__).split())
    return re.sub(r" (Config search path|full_key|object_type|reference_type).*", "", text)


def unparsed(override: str) -> str:
    """Message for an argument that is not in Hydra's grammar."""
    key, equals, value = override.partition("=")
    if not equals:
        return f"{override} cannot be parsed: a setting has the form KEY=VALUE"
    if value[:1] == "{":
        return f"{override} cannot be parsed: settings in braces have the form {{NAME:VALUE}}"
    items = [item.strip() for item in value[1:-1].split(",")]
    quotable = items if value[:1] + value[-1:] == "[]" else value
    return f"{override} cannot be parsed; with quotes it reads {overrides.override(key, quotable)}"


def several(_: Exception, text: str) -> str:
    """Message for several values of a setting in a single run, with what else they could mean."""
    found = re.search(r"(?:Ambiguous value for argument|Sweep parameters) '([^=]+)=(.*?)' ", text)
    if not found:
        return ""
    key, value = found.groups()
    kind, parts = kind_of(key), []
    kinds = [kind, *get_args(kind)]
    if "Ambiguous" in text:  # a range is neither
        if str in kinds:
            parts.append(f"{overrides.override(key, value)} is one text, ")
        if any(get_origin(one) is list for one in kinds):
            parts.append(f"{overrides.override(key, value.split(','))} is a list, ")
    last = "and -m runs every one" if parts else "-m runs every one"
    return f"{key}={value} stands for several values: {''.join(parts)}{last}"


def missing(error: Exception, text: str) -> str:
    """Message for a setting that must be given."""
    # Two values refer to each other because neither was given.
    found = re.search(r"Recursive interpolation detected full_key: (\S+)", text)
    if found is None and isinstance(error, MissingMandatoryValue):
        found = re.search(r"full_key: (\S+)", text) or re.search(r"value: (\S+)", text)
    if found is None:
        return ""
    key = found[1]
    if key.endswith("n_clusters"):
        key = key.removeprefix("dataset.")
        return f"{key} is missing: {key}=VALUE must be given, or {key}=auto has the data choose it"
    if key == "dataset.likelihood":
        return f"{key} is missing: the dataset's YAML file must say auto, bernoulli or normal"
    return f"{key} is missing: {key}=VALUE must be given"


def in_file(_: Exception, text: str) -> str:
    """Message for a file of the user's own folder that does not hold what it must."""
    found = re.match(r"In '([^']+)': \w+ raised while composing config: (.*)", text)
    if not found:
        return ""
    file, reason = found.groups()
    valid = options(file.rpartition("/")[0].replace("/", "."))
    if key := re.search(r"Key '([^']+)' not in '", reason):
        near = nearest(key[1], valid)
        return f"{file}.yaml has the unknown setting {key[1]}: {near}it takes {', '.join(valid)}"
    if "Merge error" in reason:
        return f"{file}.yaml does not hold settings: it must have lines such as name: VALUE"
    return f"{file}.yaml: {re.sub(' full_key:.*', '', reason)}"


def wrong_type(error: Exception, text: str) -> str:
    """Message for a value of another type than its setting has."""
    if own := re.match(r"Error merging override train\.optimizer=(\S+)", text):
        return (
            f"train.optimizer={own[1]} is no optimizer: +optimizer@train.optimizer={own[1]} is one"
        )
    inner = error.__cause__
    if given := re.match(r"Error merging override [+]*([^=]+)=(.*)", text):
        if given[2].startswith("{") and isinstance(inner, ValidationError) and inner.full_key:
            return wrong_type(inner, " ".join(str(inner).split()))
        key, word = given[1], f"{given[1]}={given[2]}"
    elif isinstance(error, ValidationError) and error.full_key:
        key = error.full_key.partition("[")[0]
        value = re.search(r"[Vv]alue:? '?(.*?)'? (?:of type|is not|full_key)", text)
        word = f"{key}={value[1]}" if value else key
    else:
        return ""
    if below := options(key):
        names = ", ".join(f"{key}.{name}" for name in below)
        return f"{word} is of the wrong type: {key} is a section, with the settings {names}"
    words = in_words(kind_of(key))
    return f"{word} is of the wrong type: it must be {words}" if words else ""


def unknown(error: Exception, text: str) -> str:
    """Message for a setting or an option that does not exist, with those that do."""
    if option := re.search(
        r"Could not find '(\S+)/([^/\s]+)' Available options in '\S+': (.*)", text
    ):
        group, name, rest = option.groups()
        if group == "hydra/launcher":
            return ""
        names = rest.partition(" Config search path")[0].split()
        return (
            f"unknown option {group}={name}: {nearest(name, names)}{group} has {', '.join(names)}"
        )
    cause: Any = error.__cause__ or error
    found = re.match(r"Could not override '([^']+)'", text)
    key = found[1] if found else getattr(cause, "full_key", None)
    if not key or not (found or isinstance(cause, ConfigKeyError | ConfigAttributeError)):
        return ""
    if options(key) and (inside := re.search(r"Key '([^']+)' not in '", str(cause))):  # in braces
        key = f"{key}.{inside[1]}"
    parent, _, name = key.rpartition(".")
    while parent and kind_of(parent) is None:  # it is unknown itself
        key = parent
        parent, _, name = key.rpartition(".")
    valid, more = options(parent), ""
    if not parent:
        valid = sorted({*valid, *groups()})
    if not valid and kind_of(parent) is not None and cause.parent_node is not None:  # free names
        valid, more = sorted(map(str, cause.parent_node)), f"; +{key}=VALUE adds it"
    if not valid or name in valid:
        return ""
    return (
        f"unknown option {key}: {nearest(name, valid)}{parent or 'train'} has "
        f"{', '.join(valid)}{more}"
    )


def unavailable(_: Exception, text: str) -> str:
    """Message for a launcher whose package is not installed."""
    launcher = re.search(r"'hydra/launcher/(joblib|submitit_\w+)'", text)
    if not launcher:
        return ""
    name = "joblib" if launcher[1] == "joblib" else "slurm"
    return f"hydra/launcher={name} needs a package: pip install 'gammvae[{name}]'"


def unreadable(error: MarkedYAMLError) -> str:
    """Message for a file that is no YAML, with the place where it ceases to be."""
    mark = error.problem_mark
    where = f"{mark.name}, line {mark.line + 1}" if mark else "a file"
    return f"{where}: this is no YAML: {error.problem or error.context}"
