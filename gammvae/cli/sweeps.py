"""Sweeps: a job that fails does not stop the others, and a summary tells how all of them ended.

Jobs may run in other processes or on other machines. Each adds a line to a file in the sweep's
folder, and the process that started them reads it at the end.
"""

import dataclasses
import itertools
import json
import logging
import os
import re
import sys
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any, NamedTuple

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from gammvae.cli.terminal import DISK_ERRORS
from gammvae.errors import DivergenceError, InputError, first_line
from gammvae.printing import say
from gammvae.tables.seeds import compare_seeds
from gammvae.writing import append

log = logging.getLogger(__name__)

# Most values of one setting; more are a slip of the keyboard, and their jobs would take years.
MOST_VALUES = 10_000
# A word of the command line that can sweep over values; flags and their values cannot.
SWEPT = re.compile(r"[^-=][^=]*=.*", re.DOTALL)

# Names the sweep's file for the jobs, which inherit it.
SWEEP = "GAMMVAE_SWEEP"
# The jobs of the last sweep of this process.
JOBS: list["Job"] = []


@dataclass
class Job:
    """One job of a sweep.

    Attributes:
        overrides: Its settings, as on the command line.
        path: Of its run's directory; empty before that is known.
        state: ``done``, ``skipped`` because the run was finished before, ``failed``, or ``lost``
            with the process that was to run it.
        reason: Why it failed.
        refused: Whether that was bad input, rather than something that went wrong inside.
        elbo: In nats per sample, by which Hydra's sweepers compare jobs; not a number if there is
            none.
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

    A failure is printed as for a single run, with its traceback if it is a defect of the program.
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
        say(f"gammvae: {job.overrides}: {job.reason}", sys.stderr)
    append(record(folder), json.dumps(dataclasses.asdict(job)) + "\n")


def record(folder: str) -> Path:
    """The file of the sweep that this process belongs to."""
    return Path(folder) / f".sweep-{os.environ[SWEEP]}.jsonl"


class Collecting(Callback):
    """Called by Hydra when a sweep begins."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401
        """Names the sweep, and notes which jobs it will have."""
        os.environ[SWEEP] = uuid.uuid4().hex
        SWEEPS.append(Sweep(config.hydra.sweep.dir, planned(config.hydra.overrides.task)))


class Sweep(NamedTuple):
    """A sweep that was begun: its folder, and the overrides of all its jobs."""

    folder: str
    planned: list[str]


# Sweeps that this process began and whose jobs it has not gathered.
SWEEPS: list[Sweep] = []


def without_repetitions(arguments: Sequence[str]) -> list[str]:
    """The arguments of a sweep with every value once.

    Raises:
        InputError: A setting is swept over no values, or something else is asked for as well.
    """
    if not {"-m", "--multirun"} & set(arguments):
        return list(arguments)
    if others := {"--cfg", "-c", "--info", "-i", "--run", "-r"} & set(arguments):
        raise InputError(f"{min(others)} does not go with -m: it is about a single run")
    return [once(one) if SWEPT.fullmatch(one) else one for one in arguments]


def once(word: str) -> str:
    """``key=1,2,1`` as ``key=1,2``.

    Raises:
        InputError: The values cannot be listed, or are none or too many.
    """
    swept = OverridesParser.create().parse_override(word)
    if not swept.is_discrete_sweep() or isinstance(swept.value(), Glob):
        return word
    try:
        values = list(itertools.islice(swept.sweep_string_iterator(), MOST_VALUES + 1))
    except (ValueError, ArithmeticError) as error:
        raise InputError(f"{word} cannot be swept over: {first_line(error)}") from error
    if not 0 < len(values) <= MOST_VALUES:
        many = f"more than {MOST_VALUES:,}" if values else "no"
        raise InputError(f"{word} sweeps over {many} values: it must have 1 to {MOST_VALUES:,}")
    different = list(dict.fromkeys(values))
    if different == values:
        return word
    log.warning("%s: values that are given twice are taken once", word)
    return f"{word.partition('=')[0]}={','.join(different)}"


def planned(overrides: Sequence[str]) -> list[str]:
    """The overrides of every job of a sweep as its jobs are told them, if only values are swept."""
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        (batch,) = BasicSweeper.split_arguments(parsed, None)
    except HydraException:  # of names that are looked for, or of numbers that a sweeper chooses
        return []
    return [" ".join(job) for job in batch]


def launch(sweep: Callable[[], Any]) -> None:
    """Runs a sweep and gathers its jobs, or runs a single job.

    If a process of the sweep is killed, its other processes end as well. The sweep is then begun
    again, as long as that finishes any job; jobs that remain count as lost.
    """
    SWEEPS.clear()
    finished = -1
    while True:
        try:
            sweep()
            gather()
            return
        except BrokenProcessPool:
            gather()
            before, finished = finished, sum(job.state in ("done", "skipped") for job in JOBS)
            if finished == before:
                return
            log.warning("a process of the sweep was killed; the other jobs go on")


def gather() -> None:
    """Reads the lines of a sweep's jobs; jobs that left none are lost.

    Raises:
        InputError: The sweep has no jobs.
    """
    if not SWEEPS:
        return
    folder, jobs = SWEEPS.pop()
    path = record(folder)
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    before = {job.overrides: job for job in JOBS if job.state == "done"}
    known = {job.overrides: job for job in (Job(**json.loads(line)) for line in lines)} | before
    lost = {one: Job(one, state="lost") for one in jobs if one not in known}
    JOBS[:] = [*known.values(), *lost.values()]
    if not JOBS:
        raise InputError("the sweep has no jobs: nothing is as its settings ask for")


def summary(jobs: Sequence[Job]) -> Iterator[str]:
    """The last lines of a sweep: comparisons of seeds, how many jobs were done, what failed."""
    groups: dict[Path, set[Path]] = {}
    for job in jobs:
        if job.state in ("done", "skipped"):
            groups.setdefault(Path(job.path).parent, set()).add(Path(job.path))
    for parent, paths in groups.items():
        if len(paths) > 1:
            yield f"\n{parent}\n{compare_seeds(sorted(paths))}"
    states = Counter(job.state for job in jobs)
    lost = f", {states['lost']} lost" if states["lost"] else ""
    yield (
        f"\n{len(jobs)} jobs: {states['done']} done, {states['skipped']} skipped because they were "
        f"finished before, {states['failed']} failed{lost}"
    )
    for job in jobs:
        if job.state == "failed":
            yield f"failed: {job.overrides}: {job.reason}"
        elif job.state == "lost":
            yield f"lost: {job.overrides}: its process was killed; the same command goes on with it"


def exit_code(jobs: Sequence[Job]) -> int:
    """0 if all runs are finished; 2 if all others were refused, 1 if one went wrong inside."""
    failed = [job for job in jobs if job.state in ("failed", "lost")]
    return 0 if not failed else 2 if all(job.refused for job in failed) else 1
