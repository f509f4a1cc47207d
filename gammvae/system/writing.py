"""Writes files completely or not at all, and never through a symbolic link.

A folder from somebody else may hold links under any name that the program is known to write.
"""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gammvae.errors import InputError

# Prefix of the temporary name that a file has until it is complete.
UNFINISHED = ".gammvae-"


def write_whole(path: Path, save: Callable[[IO[bytes]], Any]) -> None:
    """Writes a temporary file and renames it; if that fails, an existing file is left unchanged.

    Args:
        path: Path of the file; a symbolic link there is replaced, not followed.
        save: Function that writes to the open file.

    Raises:
        InputError: The folder no longer exists, or the path is not that of a file.
    """
    check_replaceable(path)
    temporary = unfinished(path)
    with reporting_missing_folder(path), open(temporary, "xb", opener=unlinked) as file:
        try:
            save(file)
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException as error:
            temporary.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.filename is None:
                error.filename = str(path)  # missing in the error of a full disk
            raise


def check_replaceable(path: Path) -> None:
    """Refuses to replace a folder, a device or a pipe by a file.

    Raises:
        InputError: The path is one of these.
    """
    if path.exists() and not path.is_symlink() and not path.is_file():
        raise InputError(f"{path} is not replaced: it is no file")


def write_text(path: Path, text: str) -> None:
    """Writes a text in UTF-8; see ``write_whole``."""
    write_whole(path, lambda file: file.write(text.encode()))


def append(path: Path, text: str) -> None:
    """Appends to a file, which is created if it does not exist.

    Raises:
        InputError: The folder no longer exists.
        OSError: The path is a symbolic link, or cannot be written.
    """
    with reporting_missing_folder(path), open(path, "a", encoding="utf-8", opener=unlinked) as file:
        file.write(text)


def link(source: Path, target: Path) -> None:
    """Links a file to a second path, or copies it; the file must never be changed in place."""
    temporary = unfinished(target)
    try:
        try:
            os.link(source, temporary)
        except OSError:  # another disk, or one without hard links
            with open(temporary, "xb", opener=unlinked) as copy, source.open("rb") as file:
                shutil.copyfileobj(file, copy)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def scratch(beside: Path) -> Iterator[Path]:
    """Yields a temporary folder beside a file to be written, removed at the end."""
    with (
        reporting_missing_folder(beside),
        tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=beside.parent) as folder,
    ):
        yield Path(folder)


def remove_unfinished(folder: Path) -> None:
    """Removes temporary files of killed processes from a folder that no other process uses."""
    for path in folder.glob(f"{UNFINISHED}*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def refuse_replacing(key: str, target: Path, inputs: Sequence[Path]) -> None:
    """Refuses to overwrite a file that is read.

    Args:
        key: The setting that names the target.
        target: Path to write.
        inputs: Paths to read.

    Raises:
        InputError: One of the inputs is the target.
    """
    for path in inputs:
        if path.exists() and target.exists() and os.path.samefile(path, target):
            raise InputError(f"{key}={target} would replace {path}, which is read: name another")


def refuse_existing(key: str, target: Path, overwrite: bool) -> None:
    """Refuses to overwrite a file, unless the user wants that.

    A symbolic link is no file here: ``write_whole`` replaces it and leaves what it leads to.

    Args:
        key: The setting that names the target.
        target: Path to write.
        overwrite: Whether it may be replaced.

    Raises:
        InputError: There is such a file.
    """
    if target.is_file() and not target.is_symlink() and not overwrite:
        raise InputError(f"{key}={target} exists: overwrite=true replaces it, or name another")


def unfinished(path: Path) -> Path:
    """A unique temporary path for a file while it is written."""
    return path.with_name(f"{UNFINISHED}{uuid.uuid4().hex}")


def unlinked(path: str, flags: int) -> int:
    """Opens a file, but no symbolic link; meant as the ``opener`` of ``open``."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


@contextmanager
def reporting_missing_folder(path: Path) -> Iterator[None]:
    """Raises a clear error if the folder of a file is missing or is removed while it is in use.

    Raises:
        InputError: The folder no longer exists.
    """
    try:
        yield
    except FileNotFoundError as error:
        if error.filename and Path(error.filename).parent != path.parent:
            raise
        if path.parent.is_dir():  # a folder that takes no files, as below /proc
            raise InputError(f"{path} cannot be written: {error.strerror}") from error
        raise InputError(
            f"{path.parent} does not exist: {path.name} cannot be written to it"
        ) from error
