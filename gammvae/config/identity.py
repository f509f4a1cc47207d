"""The settings that can change the result, by which two runs are compared."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from gammvae.config.ranges import CODE
from gammvae.config.schema import Config

# Settings that do not change the result. Whether two runs use the same data is decided by the
# digest of the data, not by these paths.
VOLATILE = (
    *(f"dataset.{name}" for name in ("root", "cache", "download", "mirror", "about")),
    *(f"dataset.{name}" for name in ("header", "index", "channels")),
    *(
        "device",
        "compile",
        "output_root",
        "run_dir",
        "pretrained",
        "overwrite",
        "report",
        "tracking",
        "tracking_folder",
        "tracking_project",
        "score_every",
    ),
)


# Settings of later versions at the values that earlier runs were made with; these are left out, so
# that runs with and without the setting are the same.
AS_BEFORE = {
    "dataset.missing": "refuse",
    "dataset.categorical": "refuse",
    "dataset.network": None,
    **dict.fromkeys(CODE),
}


def identity(config: Config) -> dict[str, Any]:
    """The settings that can change the result, as flat keys such as ``train.epochs`` and values."""
    return lasting(dataclasses.asdict(config))


def lasting(tree: dict[str, Any]) -> dict[str, Any]:
    """Like ``identity``, for a configuration given as nested dictionaries."""
    return {
        key: value
        for key, value in flatten(tree)
        if not f"{key}.".startswith(tuple(f"{name}." for name in VOLATILE))
        and (key not in AS_BEFORE or value != AS_BEFORE[key])
    }


def flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields ``("a.b", value)`` for every leaf of nested dictionaries."""
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
