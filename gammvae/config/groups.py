"""The groups of ``conf/``, of which a run has an option each, such as ``dataset``."""

from importlib import import_module
from pathlib import Path

# Folders of conf/ that are none.
NO_GROUPS = ("tables", "search", "hydra", "__pycache__")


def packaged() -> Path:
    """The folder of the program's own configuration files."""
    return Path(str(import_module("gammvae.conf").__file__)).parent


def groups() -> list[str]:
    """Their names, sorted."""
    names = {path.name for path in packaged().iterdir() if path.is_dir()}
    return sorted(names - set(NO_GROUPS))
