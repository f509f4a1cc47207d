"""Sweeps: a failed job does not stop the others, and a summary shows how every job ended."""

import dataclasses
import itertools
import json
import logging
import os
import re
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from math import nan
from pathlib import Path
from typing import Any, NamedTuple, cast

from filelock import FileLock
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from gammvae.cli.sweep_record import begin, end, record
from gammvae.cli.terminal import DISK_ERRORS
from gammvae.config.candidates import as_text
from gammvae.errors import DivergenceError, InputError, InUseError, first_line
from gammvae.system.printing import say_above_bars
from gammvae.system.writing import append
from gammvae.tables.seeds import compare_seeds

log = logging.getLogger(__name__)

# Largest number of values of one setting. More are a typing error: their jobs would take years.
MOST_VALUES = 10_000
# An argument that can sweep over values; flags and their values cannot.
SWEPT = re.compile(r"[^-=][^=]*=.*", re.DOTALL)

# Jobs of this process's last sweep.
JOBS: list["Job"] = []
# Environment variable, inherited by processes of a launcher, that leaves out what jobs print.
QUIET = "GAMMVAE_QUIET"
# Functions that are called with every job that ends in this process.
LISTENERS: list[Callable[["Job"], None]] = []


@dataclass
class Job:
    """One job of a sweep.

    Attributes:
        overrides: Settings of the job, as on the command line.
        path: Run directory; empty until it is known.
        state: ``done``, ``skipped`` (the run was already finished), ``failed``, or ``lost`` (its
            process was killed).
        reason: Reason for a failure.
        refused: Whether the failure is due to invalid input, not to an error in the program.
        in_use: Whether it failed because another process uses the run's directory.
        elbo: ELBO in nats per sample, by which Hydra's sweepers compare jobs; NaN if there is none.
    """

    overrides: str
    path: str = ""
    state: str = "done"
    reason: str = ""
    refused: bool = False
    in_use: bool = False
    elbo: float = nan


@contextmanager
def heard(hear: Callable[[Job], None]) -> Iterator[None]:
    """Calls a function with every job that ends in this process; leaves out what sweeps print."""
    LISTENERS.append(hear)
    os.environ[QUIET] = "1"
    try:
        with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
            yield
    finally:
        LISTENERS.remove(hear)
        del os.environ[QUIET]


@contextmanager
def attempt(overrides: Sequence[str], folder: str) -> Iterator[Job]:
    """Runs one job, which may fail, and appends a line about it to the sweep's file.

    A failure is printed as for a single run, with a traceback if it is an error in the program.
    """
    job = Job(" ".join(overrides))
    try:
        yield job
    except Exception as error:
        job.state, job.reason = "failed", first_line(error)
        on_disk = isinstance(error, OSError) and error.errno in DISK_ERRORS
        job.refused = on_disk or isinstance(error, InputError)
        job.in_use = isinstance(error, InUseError)
        if not job.refused and not isinstance(error, DivergenceError):
            traceback.print_exc()
        if not (job.in_use and QUIET in os.environ):
            say_above_bars(f"gammvae: {job.overrides}: {job.reason}")
    append(record(folder), json.dumps(dataclasses.asdict(job)) + "\n")
    for hear in LISTENERS:
        hear(job)


class Collecting(Callback):
    """Callback of Hydra that records the start of a sweep."""

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:  # noqa: ANN401
        """Begins the sweep's record, and notes its planned jobs."""
        folder = config.hydra.sweep.dir
        jobs = planned(given(config.hydra.overrides.task))
        SWEEPS.append(Sweep(folder, jobs, begin(folder)))


def given(overrides: Any) -> list[str]:  # noqa: ANN401 - a list to Hydra's types, else a ListConfig
    """Overrides as the user wrote them, with interpolations such as ``${seed}`` unresolved."""
    return cast(list[str], OmegaConf.to_container(overrides, resolve=False))


class Sweep(NamedTuple):
    """A sweep in progress: its folder, the overrides of all its jobs, and its record's lock."""

    folder: str
    planned: list[str]
    lock: FileLock


# Sweeps started by this process whose jobs have not been gathered yet.
SWEEPS: list[Sweep] = []


def without_repetitions(arguments: Sequence[str]) -> list[str]:
    """The arguments of a sweep without repeated values, or those of a single run.

    Raises:
        InputError: A sweep has no values or too many, or a flag is given that excludes ``-m``.
    """
    if not {"-m", "--multirun"} & set(arguments):
        return [as_text(one) for one in arguments]
    if others := {"--cfg", "-c", "--info", "-i", "--run", "-r"} & set(arguments):
        raise InputError(f"{min(others)} does not go with -m: it is for a single run")
    return [once(one) if SWEPT.fullmatch(one) else one for one in arguments]


def once(word: str) -> str:
    """Removes repeated values: ``key=1,2,1`` becomes ``key=1,2``.

    Raises:
        InputError: The values cannot be listed, or there are none or too many.
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
    log.warning("%s: repeated values are used once", word)
    return f"{word.partition('=')[0]}={','.join(different)}"


def planned(overrides: Sequence[str]) -> list[str]:
    """The overrides of every job of a sweep; an empty list if they cannot be known in advance."""
    try:
        return [" ".join(job) for job in combinations(overrides)]
    except HydraException:  # values depend on files, or are chosen by a sweeper
        return []


def combinations(overrides: Sequence[str]) -> list[list[str]]:
    """The overrides of every job of a sweep, as Hydra writes them.

    Raises:
        HydraException: They cannot be parsed, or cannot be known in advance.
    """
    parsed = OverridesParser.create().parse_overrides(list(overrides))
    (batch,) = BasicSweeper.split_arguments(parsed, None)
    return batch


def launch(sweep: Callable[[], Any]) -> None:
    """Runs a sweep and gathers its jobs, or runs a single job.

    If a process of the sweep is killed, its other processes end as well. The sweep is then
    restarted until a restart finishes no further job; the remaining jobs count as lost.
    """
    finished = -1
    try:
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
                log.warning("a process of the sweep was killed; the other jobs continue")
    finally:  # also if it was interrupted
        while SWEEPS:
            folder, _, lock = SWEEPS.pop()
            end(folder, lock)


def gather() -> None:
    """Reads the file of a sweep into ``JOBS``; planned jobs without a line are lost.

    Raises:
        InputError: The sweep has no jobs.
    """
    if not SWEEPS:
        return
    folder, jobs, lock = SWEEPS.pop()
    path = record(folder)
    lines = path.read_text().splitlines() if path.exists() else []
    end(folder, lock)
    before = {job.overrides: job for job in JOBS if job.state == "done"}
    known = {job.overrides: job for job in (Job(**json.loads(line)) for line in lines)} | before
    lost = {one: Job(one, state="lost") for one in jobs if one not in known}
    JOBS[:] = [*known.values(), *lost.values()]
    if not JOBS:
        raise InputError("the sweep has no jobs: nothing matches its settings")


def summary(jobs: Sequence[Job]) -> Iterator[str]:
    """Yields the summary of a sweep: comparisons of seeds, numbers of jobs, failures."""
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
    yield from failures(jobs)


def failures(jobs: Sequence[Job]) -> Iterator[str]:
    """Yields a line for every job that failed or was lost."""
    for job in jobs:
        if job.state == "failed":
            yield f"failed: {job.overrides}: {job.reason}"
        elif job.state == "lost":
            yield f"lost: {job.overrides}: its process was killed; the same command continues it"


def exit_code(jobs: Sequence[Job]) -> int:
    """0 if all runs are finished, 2 if all failures are due to invalid input, otherwise 1."""
    failed = [job for job in jobs if job.state in ("failed", "lost")]
    return 0 if not failed else 2 if all(job.refused for job in failed) else 1
