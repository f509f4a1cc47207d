"""The functions that a configuration names, and those of stored runs, which are not called.

A setting such as ``architecture.layers`` names a function of the user by ``_target_``, with
arguments beside it. A run's folder may come from an untrusted source, so what its configuration
names is marked as ``Stored``. It is called only where the user's own configuration names the same.
"""

import hashlib
import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from traceback import extract_tb
from typing import Any

from gammvae.config.ranges import CODE
from gammvae.config.schema import Config
from gammvae.errors import DivergenceError, InputError, first_line

TARGET = "_target_"


class Stored(dict[str, Any]):
    """A setting that names a function, as a run stores it."""


def function_of(key: str, target: str) -> Callable[..., Any]:
    """The function or class that a setting names, such as ``module.function``.

    Args:
        key: The setting, for the message.
        target: Its ``_target_``.

    Raises:
        InputError: It cannot be imported.
    """
    try:
        module, _, attribute = target.rpartition(".")
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"{key}.{TARGET}={target} cannot be imported: {error}") from error


def made(key: str, setting: Mapping[str, Any], **offered: Any) -> Any:  # noqa: ANN401 - the user's
    """What the function that a setting names returns.

    Args:
        key: The setting, for messages.
        setting: Its value: ``_target_`` and arguments.
        offered: Arguments that the function is given if it has parameters of these names.

    Raises:
        InputError: The setting is a stored one, or its function cannot be imported, does not take
            its arguments, or raises something.
    """
    check_own({key: setting})
    arguments = dict(setting)
    target = arguments.pop(TARGET)
    function = function_of(key, target)
    try:
        signature = inspect.signature(function)
        taken = {name: offered[name] for name in offered if name in signature.parameters}
        signature.bind(**{**taken, **arguments})
    except (TypeError, ValueError) as error:
        raise InputError(f"{key} does not suit {target}: {error}") from error
    with named(key, target, function):
        return function(**{**taken, **arguments})


@contextmanager
def named(key: str, target: str, function: Callable[..., Any]) -> Iterator[None]:
    """Turns what a function of the user raises in the context into one line; the cause stays.

    Args:
        key: The setting that names it, for the message.
        target: Its ``_target_``.
        function: The function.

    Raises:
        InputError: It has raised something, as which an ``InputError`` passes unchanged.
    """
    try:
        yield
    except (InputError, DivergenceError):
        raise
    except Exception as error:
        try:
            file = inspect.getsourcefile(function)
        except TypeError:  # not written in Python
            file = None
        lines = [one.lineno for one in extract_tb(error.__traceback__) if one.filename == file]
        where = f" in {file}, line {lines[-1]}" if lines else ""
        raise InputError(
            f"{key}.{TARGET}={target} raised {type(error).__name__}{where}: {first_line(error)}"
        ) from error


def check_own(code: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuses settings that name functions as a run stores them.

    Raises:
        InputError: There is such a setting.
    """
    for key, setting in code.items():
        if isinstance(setting, Stored):
            raise InputError(
                f"{key}.{TARGET}={setting[TARGET]} is code that does not come with gammvae: "
                "--config-dir FOLDER (config_dir in Python) must name the folder of its YAML, as "
                "for train"
            )


def code_of(config: Config) -> dict[str, dict[str, Any]]:
    """The settings of a configuration that name functions, by key."""
    found = {key: attrgetter(key)(config) for key in CODE}
    return {key: value for key, value in found.items() if value is not None}


def with_code(config: Config, code: Mapping[str, dict[str, Any]]) -> Config:
    """The configuration with these values of the settings that name functions."""
    for key, value in code.items():
        section, name = key.split(".")
        config = replace(config, **{section: replace(getattr(config, section), **{name: value})})
    return config


def as_stored(config: Config) -> Config:
    """The configuration with all functions marked as not to be called."""
    return with_code(config, {key: Stored(value) for key, value in code_of(config).items()})


def agreed(config: Config, own: Mapping[str, dict[str, Any]]) -> Config:
    """A stored configuration with those functions that the user's own configuration names.

    Numbers are taken from the run, so that runs of a sweep over them can be used.

    Args:
        config: Configuration of a run, as stored.
        own: Settings that name functions, from the user's own configuration, by key.

    Raises:
        InputError: A function or an argument differs from the user's.
    """
    code: dict[str, dict[str, Any]] = {}
    for key, stored in code_of(config).items():
        known = own.get(key, {})
        for name in sorted(stored.keys() | known.keys()):
            here, there = known.get(name), stored.get(name)
            if here != there and not (isinstance(there, int | float) and name != TARGET):
                raise InputError(
                    f"the run has {key}.{name}={there!r}, your own configuration has {here!r}: "
                    "only code that your own configuration names is called; --config-dir FOLDER "
                    "(config_dir in Python) can give a folder with another YAML"
                )
        code[key] = dict(stored)
    return with_code(config, code)


def digest_of_code(config: Config, keys: tuple[str, ...]) -> str:
    """Digest of the files that define the functions of these settings; empty if there are none."""
    code = code_of(config)
    functions = [function_of(key, str(code[key][TARGET])) for key in keys if key in code]
    files = sorted({inspect.getsourcefile(one) or "" for one in functions} - {""})
    content = b"".join(Path(file).read_bytes() for file in files)
    return hashlib.sha256(content).hexdigest() if files else ""
