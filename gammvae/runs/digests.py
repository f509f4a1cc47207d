"""Digests of a run's files, which reveal damage and changes."""

import hashlib
from pathlib import Path

from gammvae.errors import InputError, reading
from gammvae.runs.contents import CHOICE, DIGESTS, OUTPUTS, RESULT, WEIGHTS
from gammvae.runs.parsing import parse
from gammvae.runs.readers import check_ordinary, content
from gammvae.runs.records import DIGESTS_JSON


def file_digest(path: Path) -> str:
    """The digest of a file, as ``sha256:hexadecimal``.

    Raises:
        InputError: The file cannot be read or is not a regular file.
    """
    with reading(path):
        check_ordinary(path)
        with path.open("rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def digests_of(folder: Path, result: str) -> dict[str, str]:
    """The digests that a finished run stores, by file name.

    Args:
        folder: Directory of the run, with all files except the result.
        result: Content of the result, which is written last.
    """
    kept = [name for name in (*OUTPUTS, *WEIGHTS, CHOICE) if (folder / name).exists()]
    digests = {name: file_digest(folder / name) for name in kept}
    return digests | {RESULT: "sha256:" + hashlib.sha256(result.encode()).hexdigest()}


def read_digests(folder: Path) -> dict[str, str] | None:
    """The stored digests by file name; ``None`` for runs of versions that stored none.

    Raises:
        InputError: The file of digests is damaged.
    """
    path = folder / DIGESTS
    if not path.exists():
        return None
    return parse(DIGESTS_JSON, content(path), path)


def check_digest(folder: Path, name: str) -> None:
    """Refuses an output that is missing or was changed since the run wrote it.

    For runs of versions that stored no digests, only checks that the file exists.

    Args:
        folder: Directory of the run.
        name: Name of the file.

    Raises:
        InputError: The file is missing, or its digest differs from the stored one.
    """
    path, digests = folder / name, read_digests(folder)
    if not path.exists():
        raise InputError(f"{path} is missing")
    if digests is None:
        return
    expected = digests.get(name)
    if expected is None and name in (RESULT, *OUTPUTS):
        raise InputError(f"{folder / DIGESTS} is damaged: it lacks {name}")
    if expected is not None and file_digest(path) != expected:
        raise InputError(
            f"{path} is damaged or was changed: its digest is not the one in {DIGESTS}"
        )
