"""Safely reads bytes, YAML and arrays from untrusted files.

Nothing in such a file is executed, and no reference in it is followed. A file that is larger or
more deeply nested than any that gammvae writes is refused before it exhausts memory.
"""

import stat
import zipfile
from collections import Counter
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from gammvae.errors import InputError, reading
from gammvae.system.memory import memory_of_machine

# Limits: bytes of a text; bytes, depth and number of events of a YAML file; digits of a number.
TEXT_BYTES = 2**26
YAML_BYTES, YAML_DEPTH, YAML_NODES, NUMBER_LENGTH = 2**20, 20, 2**17, 40


def content(path: Path, most: int = TEXT_BYTES) -> bytes:
    """The content of a file.

    Args:
        path: Path of the file.
        most: Largest allowed size in bytes.

    Raises:
        InputError: The path is not a regular file, or the file is too large or cannot be read.
    """
    with reading(path):
        check_ordinary(path, most)
        return path.read_bytes()


def check_ordinary(path: Path, most: int | None = None) -> None:
    """Refuses a file that is too large or not regular, such as a pipe that would never end.

    Args:
        path: Path of the file.
        most: Largest allowed size in bytes; unlimited by default.

    Raises:
        InputError: The path is not a regular file, or the file is too large.
        OSError: The file does not exist.
    """
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise InputError(f"{path} is not a file")
    if most is not None and about.st_size > most:
        raise InputError(f"{path} has {about.st_size:,} bytes: it may have {most:,}")


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file without aliases and custom tags.

    Raises:
        InputError: The file cannot be read, is not a mapping, or exceeds the limits above.
    """
    text = content(path, YAML_BYTES)
    with reading(path):
        depth = 0
        for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent):  # a few nested aliases can expand to any size
                raise InputError(f"{path} is damaged: it holds the alias *{event.anchor}")
            if isinstance(event, yaml.ScalarEvent) and is_long_number(event):
                raise InputError(
                    f"{path} is damaged: it holds a number of {len(event.value)} digits"
                )
            if depth > YAML_DEPTH or number > YAML_NODES:
                raise InputError(f"{path} is damaged: it is deeper or longer than valid files")
        found = yaml.load(text, UniqueKeys)
        if not isinstance(found, dict):
            raise InputError(f"{path} is damaged: it holds no mapping of settings to values")
        return found


class UniqueKeys(yaml.SafeLoader):
    """Refuses a mapping that has a key twice, of which PyYAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """The mapping of a node.

        Raises:
            ConstructorError: A key is there twice.
        """
        found = super().construct_mapping(node, deep)
        if len(found) < len(node.value):
            keys = Counter(self.construct_object(key, deep=True) for key, _ in node.value)
            twice = keys.most_common(1)[0][0]
            raise yaml.constructor.ConstructorError(problem=f"it holds {twice!r} twice")
        return found


def is_long_number(event: yaml.ScalarEvent) -> bool:
    """Whether a value is a number with so many digits that parsing it would be slow."""
    if len(event.value) <= NUMBER_LENGTH or not event.implicit[0]:
        return False
    tag = yaml.resolver.Resolver().resolve(yaml.ScalarNode, event.value, event.implicit)
    return tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def read_arrays(path: Path, most: int | None = None) -> dict[str, NDArray]:
    """The arrays in a ``.npz`` file, by name.

    Args:
        path: Path of the file.
        most: Largest allowed size of all arrays in bytes; by default half of the machine's memory.

    Raises:
        InputError: The file is not a ``.npz`` file, holds pickled objects, or is too large.
    """
    with reading(path):
        check_ordinary(path)
        check_unpacked(path, most)
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)


def check_unpacked(path: Path, most: int | None = None) -> None:
    """Refuses a zip archive that is damaged or unpacks to too many bytes.

    Args:
        path: Path of the archive.
        most: Largest allowed unpacked size in bytes; by default half of the machine's memory.

    Raises:
        InputError: The archive unpacks to more, or a part does not match its checksum.
        BadZipFile: The file is not a zip archive.
    """
    if most is None:
        most = memory_of_machine() // 2
    with zipfile.ZipFile(path) as archive:
        size = sum(info.file_size for info in archive.infolist())
        if size > most:
            raise InputError(f"{path} unpacks to {size:,} bytes: it may have {most:,}")
        if (part := archive.testzip()) is not None:
            raise InputError(f"{path} is damaged: {part} does not match its checksum")


def check_array(
    arrays: Mapping[str, NDArray], name: str, kinds: str, shape: tuple[int | None, ...], path: Path
) -> NDArray:
    """An array of a file, checked for type, shape and finite values.

    Args:
        arrays: All arrays of the file, by name.
        name: Name of the array to check.
        kinds: Allowed kinds of type, as in numpy's ``dtype.kind``, such as ``"if"``.
        shape: Required shape; ``None`` allows any length of an axis.
        path: Path of the file, for messages.

    Raises:
        InputError: The array is missing, or has another type or shape or non-finite values.
    """
    if name not in arrays:
        raise InputError(f"{path} is damaged: it holds no array {name}")
    array = arrays[name]
    lengths = zip(array.shape, shape, strict=False)
    fits = len(array.shape) == len(shape) and all(b in (None, a) for a, b in lengths)
    if array.dtype.kind not in kinds or not fits:
        wanted = "x".join("any" if size is None else str(size) for size in shape)
        raise InputError(
            f"{path} is damaged: {name} is of type {array.dtype} and shape {array.shape}, "
            f"not of kind {kinds} and shape {wanted or 'of a single value'}"
        )
    if array.dtype.kind in "fc" and not np.isfinite(array).all():
        raise InputError(f"{path} is damaged: {name} holds a value that is not finite")
    return array
