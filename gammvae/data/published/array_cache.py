"""A cache of arrays that take long to prepare, valid until their source changes."""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict

from gammvae.data.published.downloads import digest
from gammvae.system.paths import user_path

log = logging.getLogger(__name__)

Arrays = dict[str, NDArray]


class Source(TypedDict):
    """``source.json``: the digest of what arrays were prepared from, and of each array by name."""

    source: str
    arrays: dict[Annotated[str, Field(pattern=r"^\w+$")], str]


SOURCE: TypeAdapter[Source] = TypeAdapter(Source)


def prepared(cache: str, name: str, source: str, prepare: Callable[[], Arrays]) -> Arrays:
    """Arrays by name, from ``<cache>/<name>`` if they were prepared from the same source.

    Each array is a ``.npy`` file; ``source.json`` holds the digests of source and arrays. If the
    cache is not writable, nothing is stored.

    Args:
        cache: Folder of all prepared arrays.
        name: Of their folder in the cache.
        source: Digest of everything that they depend on.
        prepare: Computes them.
    """
    folder = user_path(cache) / name
    arrays = read(folder, source)
    if arrays is not None:
        return arrays
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.with_name(f".{name}.lock")).acquire()
    except OSError as error:
        log.warning("%s cannot be written (%s); nothing is kept there", folder, error.strerror)
        return prepare()
    with lock:
        arrays = read(folder, source)  # another process may have been faster
        if arrays is None:
            arrays = prepare()
            write(folder, source, arrays)
        return arrays


def read(folder: Path, source: str) -> Arrays | None:
    """The cached arrays; ``None`` if they are missing, damaged or of another source."""
    try:
        about = SOURCE.validate_json((folder / "source.json").read_bytes())
        if about["source"] != source:
            return None
        arrays = {}
        for name, expected in about["arrays"].items():
            path = folder / f"{name}.npy"
            if digest(path, expected) != expected:
                raise ValueError(f"{path} does not have the digest {expected}")
            arrays[name] = np.load(path, allow_pickle=False)
        return arrays
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("%s is damaged (%s) and is prepared anew", folder, error)
        return None


def write(folder: Path, source: str, arrays: Arrays) -> None:
    """Writes the arrays to a new folder, which then replaces the old one."""
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        digests = {}
        for name, array in arrays.items():
            np.save(temporary / f"{name}.npy", array, allow_pickle=False)
            digests[name] = digest(temporary / f"{name}.npy", "sha256:")
        about = {"source": source, "arrays": digests}
        (temporary / "source.json").write_text(json.dumps(about, indent=2) + "\n")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
