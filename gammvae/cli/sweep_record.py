"""The file in which the jobs of a sweep say how they ended, and what is left of it after a kill.

Jobs may run in other processes or on other machines. Each job appends a line to a file in the
sweep's folder. The process that started the sweep reads and removes this file at the end; until
then it holds a lock beside it. A file whose lock is free is of a sweep that was killed, and the
next sweep in the folder removes it.
"""

import os
import sys
import uuid
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

# Environment variable with the ID of the sweep, which its jobs inherit.
SWEEP = "GAMMVAE_SWEEP"


def record(folder: str) -> Path:
    """Path of the file of the present sweep."""
    return Path(folder) / f".sweep-{os.environ[SWEEP]}.jsonl"


def begin(folder: str) -> FileLock:
    """Removes what killed sweeps have left in the folder, and gives a new sweep an ID and a lock.

    Where files cannot be locked, the lock is not held.
    """
    remove_left_behind(Path(folder))
    end_workers()
    os.environ[SWEEP] = uuid.uuid4().hex
    lock = FileLock(record(folder).with_suffix(".lock"))
    with suppress(OSError):
        Path(folder).mkdir(parents=True, exist_ok=True)
        lock.acquire()
    return lock


def end_workers() -> None:
    """Ends the processes of an earlier sweep of this process, which would go on with its ID."""
    if loky := sys.modules.get("joblib.externals.loky"):
        loky.get_reusable_executor().shutdown(wait=True)


def end(folder: str, lock: FileLock) -> None:
    """Removes the file of the present sweep and its lock."""
    record(folder).unlink(missing_ok=True)
    Path(lock.lock_file).unlink(missing_ok=True)
    lock.release()


def remove_left_behind(folder: Path) -> None:
    """Removes the files of sweeps that were killed; those of running ones are locked."""
    for path in {path.with_suffix(".jsonl") for path in folder.glob(".sweep-*")}:
        with suppress(Timeout, OSError), FileLock(path.with_suffix(".lock"), timeout=0) as lock:
            path.unlink(missing_ok=True)
            Path(lock.lock_file).unlink(missing_ok=True)
