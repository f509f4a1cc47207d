"""Sweeps: a job that fails does not stop the others, and the last lines say what became of all.

Jobs may run in other processes or on other machines. Each adds a line to a file in the sweep's
folder, and the process that started them reads it at the end.
"""

import dataclasses
import json
import os
import sys
import traceback
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from gammvae.errors import DivergenceError, InputError, first_line
from gammvae.seeds import compare_seeds
from gammvae.terminal import DISK_ERRORS

# Names the sweep's file for the jobs, which inherit it.
SWEEP = "GAMMVAE_SWEEP"
# What the last sweep of this process came to.
JOBS: list["Job"] = []


@dataclass
class Job:
    """One job of a sweep.

    Attributes:
        overrides: What it was told on the command line.
        path: Of its run's directory; empty before that is known.
        state: ``done``, ``skipped`` because the run was finished before, or ``failed``.
        reason: Why it failed.
        refused: Whether that was bad input, rather than something that went wrong inside.
        elbo: In nats per sample, by which sweeps are judged; not a number if there is none.
    """

    overrides: str
    path: str = ""
    state: str = "done"
    reason: str = ""
    refused: bool = False
    elbo: float = nan


@contextmanager
def attempt(overrides: Sequence[str], folder: str) -> Iterator[Job]:
    """Runs one job, which may fail, and leaves a line about it in the sweep's folder.

    A failure is worded like any other, with its traceback if it is a defect of the program.
    """
    job = Job(" ".join(overrides))
    try:
        yield job
    except Exception as error:
        job.state, job.reason = "failed", first_line(error)
        on_disk = isinstance(error, OSError) and error.errno in DISK_ERRORS
        job.refused = on_disk or isinstance(error, InputError)
        if not job.refused and not isinstance(error, DivergenceError):
            traceback.print_exc()
        print(f"gammvae: {job.overrides}: {job.reason}", file=sys.stderr)
    with record(folder).open("a") as file:
        file.write(json.dumps(dataclasses.asdict(job)) + "\n")


def record(folder: str) -> Path:
    """The file of the sweep that this process belongs to."""
    return Path(folder) / f".sweep-{os.environ[SWEEP]}.jsonl"


class Collecting(Callback):
    """Told by Hydra when a sweep begins and ends: gathers what its jobs have left behind."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401
        """Names the sweep."""
        os.environ[SWEEP] = uuid.uuid4().hex

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401
        """Reads the jobs' lines."""
        path = record(config.hydra.sweep.dir)
        JOBS[:] = [Job(**json.loads(line)) for line in path.read_text().splitlines()]
        path.unlink()


def summary(jobs: Sequence[Job]) -> Iterator[str]:
    """The last lines of a sweep: comparisons of seeds, how many jobs were done, what failed."""
    groups: dict[Path, list[Path]] = {}
    for job in jobs:
        if job.state != "failed":
            groups.setdefault(Path(job.path).parent, []).append(Path(job.path))
    for parent, paths in groups.items():
        if len(paths) > 1:
            yield f"\n{parent}\n{compare_seeds(sorted(paths))}"
    states = Counter(job.state for job in jobs)
    yield (
        f"\n{len(jobs)} jobs: {states['done']} done, {states['skipped']} skipped because they were "
        f"finished before, {states['failed']} failed"
    )
    for job in jobs:
        if job.state == "failed":
            yield f"failed: {job.overrides}: {job.reason}"


def exit_code(jobs: Sequence[Job]) -> int:
    """0 if all runs are finished; 2 if all others were refused, 1 if one went wrong inside."""
    failed = [job for job in jobs if job.state == "failed"]
    return 0 if not failed else 2 if all(job.refused for job in failed) else 1
