"""The part of a configuration that can change the result, to tell whether two runs are the same."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from gammvae.config.schema import Config

# Settings that may differ between two calls that compute the same run. Whether the data are the
# same is decided by their digest.
VOLATILE = (
    *(f"dataset.{name}" for name in ("root", "cache", "download", "mirror", "about")),
    *(f"dataset.{name}" for name in ("header", "index", "channels")),
    *("device", "output_root", "run_dir", "pretrained", "overwrite", "report", "tracking"),
)


def identity(config: Config) -> dict[str, Any]:
    """The configuration as flat keys and values, without what cannot change the result."""
    return lasting(dataclasses.asdict(config))


def lasting(tree: dict[str, Any]) -> dict[str, Any]:
    """The same of a configuration that is given as nested dictionaries."""
    return {
        key: value
        for key, value in flatten(tree)
        if not f"{key}.".startswith(tuple(f"{name}." for name in VOLATILE))
    }


def flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields ``("a.b", value)`` for every leaf of nested dictionaries."""
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
