"""Folders that one process uses at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from gammvae.errors import InputError, InUseError

# `is_locked` holds a lock for an instant, for which no other process should be refused.
PATIENCE_SECONDS = 0.5


@contextmanager
def locked(folder: Path, name: str, timeout: float = PATIENCE_SECONDS) -> Iterator[None]:
    """Makes a folder, unless it is there, and locks it for this process.

    Args:
        folder: The folder.
        name: Name of the file in it that is locked.
        timeout: Seconds to wait for another process that has locked it.

    Raises:
        InputError: It cannot be written.
        InUseError: Another process has locked it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / name, timeout=timeout).acquire()
    except Timeout as error:
        raise InUseError(f"{folder} is in use by another process") from error
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror}") from error
    with lock:
        yield


def is_locked(folder: Path, name: str) -> bool:
    """Whether another process has locked a folder.

    Args:
        folder: The folder, which is made if it is not there.
        name: Name of the file in it that is locked.

    Raises:
        InputError: It cannot be written.
    """
    try:
        with locked(folder, name, timeout=0):
            return False
    except InUseError:
        return True
