"""Names of files and folders: that of a run, and those made from settings."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gammvae.config.identity import VOLATILE
from gammvae.config.schema import Config

# Overrides that are already in the path, or cannot change the result.
NOT_IN_NAME = ("dataset", "model", "seed", *VOLATILE)
MAX_NAME = 120


def run_path(config: Config, choices: Mapping[str, str], overrides: Sequence[str]) -> Path:
    """``<output_root>/<dataset>/<model>/<other overrides>/seed=<seed>``.

    Args:
        config: Configuration of the run.
        choices: Name of the chosen option of every configuration group.
        overrides: Overrides on the command line, as ``key=value``.
    """
    others = sorted(
        override.lstrip("+")
        for override in overrides
        if override.lstrip("+~").partition("=")[0] not in NOT_IN_NAME
    )
    parent = Path(config.output_root) / choices["dataset"] / choices["model"]
    return parent / file_name(",".join(others)) / f"seed={config.seed}"


def file_name(text: str) -> str:
    """The text as name of a file or folder; different texts have different names."""
    readable = re.sub(r"[^\w.,=+~-]+", "_", text)[:MAX_NAME]
    if readable == text:
        return text
    return f"{readable}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def was_cut(name: str) -> bool:
    """Whether a folder's name, as ``run_path`` makes it, lacks some of the settings."""
    return re.fullmatch(rf".{{{MAX_NAME}}}-[0-9a-f]{{8}}", name) is not None
