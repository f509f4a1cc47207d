"""Files that are written whole or not at all, and never through a symbolic link.

A folder that somebody else packed may hold links under any name that a program is known to write.
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

# What is being written has a name of its own that begins so, until it is whole.
UNFINISHED = ".gammvae-"


def write_whole(path: Path, save: Callable[[IO[bytes]], Any]) -> None:
    """Writes a file beside its place and renames it; what was there stays if anything goes wrong.

    Args:
        path: Of the file; a symbolic link there is replaced, not followed.
        save: Is given the open file.

    Raises:
        InputError: Its folder is gone.
    """
    check_replaceable(path)
    temporary = unfinished(path)
    with there(path), open(temporary, "xb", opener=unlinked) as file:
        try:
            save(file)
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException as error:
            temporary.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.filename is None:
                error.filename = str(path)  # which a full disk does not say
            raise


def check_replaceable(path: Path) -> None:
    """Refuses to put a file in the place of a folder, a device or a pipe.

    Raises:
        InputError: Something of that kind is there.
    """
    if path.exists() and not path.is_symlink() and not path.is_file():
        raise InputError(f"{path} is not replaced: it is no file")


def write_text(path: Path, text: str) -> None:
    """Writes a text as ``write_whole`` does, in UTF-8."""
    write_whole(path, lambda file: file.write(text.encode()))


def append(path: Path, text: str) -> None:
    """Adds to the end of a file, which is made if there is none.

    Raises:
        InputError: Its folder is gone.
        OSError: It is a symbolic link, or cannot be written.
    """
    with there(path), open(path, "a", encoding="utf-8", opener=unlinked) as file:
        file.write(text)


def link(source: Path, target: Path) -> None:
    """Puts a file, which is only ever replaced as a whole, in a second place as well."""
    temporary = unfinished(target)
    try:
        try:
            os.link(source, temporary)
        except OSError:  # another disk, or one without links
            with open(temporary, "xb", opener=unlinked) as copy, source.open("rb") as file:
                shutil.copyfileobj(file, copy)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def scratch(beside: Path) -> Iterator[Path]:
    """A folder of its own on the disk of a file that is to be made, removed at the end."""
    with there(beside), tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=beside.parent) as folder:
        yield Path(folder)


def remove_unfinished(folder: Path) -> None:
    """Removes what killed processes left in a folder that no other process works in."""
    for path in folder.glob(f"{UNFINISHED}*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def refuse_replacing(key: str, target: Path, inputs: Sequence[Path]) -> None:
    """Refuses to write over what is read.

    Args:
        key: The setting that names the target.
        target: What would be written.
        inputs: What is read.

    Raises:
        InputError: One of them is the target.
    """
    for path in inputs:
        if path.exists() and target.exists() and os.path.samefile(path, target):
            raise InputError(f"{key}={target} would replace {path}, which is read: name another")


def unfinished(path: Path) -> Path:
    """The name, of nothing else, of a file while it is written."""
    return path.with_name(f"{UNFINISHED}{uuid.uuid4().hex}")


def unlinked(path: str, flags: int) -> int:
    """Opens a file that is no symbolic link, for the ``opener`` of ``open``."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


@contextmanager
def there(path: Path) -> Iterator[None]:
    """Says so if the folder of a file is removed while it is in use."""
    try:
        yield
    except FileNotFoundError as error:
        if path.parent.is_dir():
            raise
        raise InputError(f"{path.parent} is gone: {path.name} cannot be written to it") from error
