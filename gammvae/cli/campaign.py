"""Computes the missing runs of tables, and rewrites each table as its rows are finished."""

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from gammvae.cli import sweeps
from gammvae.cli.plan import Plan
from gammvae.cli.train import launched, warn_of_other_processes
from gammvae.runs.contents import LOCK, RESULT
from gammvae.system.locking import is_locked
from gammvae.system.printing import say, say_above_bars
from gammvae.system.progress import meter

SECONDS_BETWEEN_LOOKS = 1.0


class Progress:
    """Shows which of the missing runs are done: a bar on a terminal, lines in a log.

    Args:
        missing: Folders of the runs to compute.
        several: Whether they are of several tables, which are then named.
    """

    def __init__(self, missing: Sequence[Path], *, several: bool) -> None:
        self.several = several
        self.missing = {str(path) for path in missing}
        # a result that is there already is damaged, or of another configuration
        self.without = [path for path in missing if not (path / RESULT).exists()]
        self.bar = meter(total=len(self.missing), unit="run", disable=None)
        self.done = 0
        self.elsewhere: set[str] = set()

    def begin(self, table: str, row: str) -> None:
        """Names the row whose runs come next, and its table if there are several."""
        text = f"{table}: {row}" if self.several else row
        self.bar.set_description(text)
        if self.bar.disable:
            say(text, sys.stderr)

    def hear(self, job: sweeps.Job) -> None:
        """Counts a run that has ended here, or notes that another process computes it."""
        if not job.in_use:
            self.count(job.path, job.state)
        elif self.bar.disable and job.path not in self.elsewhere:
            say(f"{job.path} is computed by another process, and left for the end", sys.stderr)
            self.elsewhere.add(job.path)

    def catch_up(self) -> None:
        """Counts the runs that other processes have finished."""
        for path in self.without:
            if (path / RESULT).exists():
                self.count(str(path), "done by another process")

    def count(self, path: str, state: str) -> None:
        """Counts a run that has ended, here or in another process."""
        if path not in self.missing:
            return
        self.missing.discard(path)
        self.done += 1
        self.bar.update()
        if self.bar.disable:
            total = self.done + len(self.missing)
            say(f"{self.done} of {total}: {path} {state}", sys.stderr)


@contextlib.contextmanager
def shown(missing: Sequence[Path], *, several: bool) -> Iterator[Progress]:
    """The progress of the runs that end in the context; what they print is left out.

    Args:
        missing: Folders of the runs to compute.
        several: Whether they are of several tables.
    """
    progress = Progress(missing, several=several)
    try:
        with sweeps.heard(progress.hear):
            yield progress
    finally:
        progress.bar.close()


def compute(plans: Sequence[Plan], settings: Sequence[str], folder: Path) -> list[sweeps.Job]:
    """Computes all missing runs on datasets that are there, and writes a table after each row.

    A run that fails does not stop the others. Runs that another process computes are waited for at
    the end, and computed here if it ends before they do.

    Args:
        plans: The tables, which are computed one after the other.
        settings: Arguments of ``gammvae train`` for every run.
        folder: Folder of the tables' files.

    Returns:
        The runs that were computed here, and those that failed.

    Raises:
        InputError: A table cannot be written.
    """
    todo = [path for plan in plans for _, path in plan.to_do(plan.table["datasets"])]
    if todo:
        warn_of_other_processes()
    ended: dict[str, sweeps.Job] = {}
    with shown(todo, several=len(plans) > 1) as progress:
        while True:
            for plan in plans:
                compute_rows(plan, settings, folder, progress, ended)
            progress.catch_up()
            if not (elsewhere := [path for path, job in ended.items() if job.in_use]):
                break
            wait(elsewhere)
            for path in elsewhere:
                del ended[path]
    return list(ended.values())


def compute_rows(
    plan: Plan,
    settings: Sequence[str],
    folder: Path,
    progress: Progress,
    ended: dict[str, sweeps.Job],
) -> None:
    """Computes a table's missing runs, and writes it after each row.

    Args:
        plan: The table.
        settings: Arguments of ``gammvae train`` for every run.
        folder: Folder of the tables' files.
        progress: Is told of every run.
        ended: Jobs by run directory, which are not tried again; new ones are added.

    Raises:
        InputError: The table cannot be written.
    """
    for row in plan.table["rows"]:
        progress.catch_up()
        if missing := plan.missing(row, {Path(path) for path in ended}):
            progress.begin(plan.name, row["name"])
            common = ["-m", *settings, "report=false", *row.get("overrides", ())]
            for sweep in sweeps_of(missing):
                for job in launched([*common, *sweep]):
                    progress.hear(job)  # those that ended in other processes
                    ended[job.path or job.overrides] = job
            plan.write(folder)


def wait(paths: Sequence[str]) -> None:
    """Waits until no other process uses some run directories."""
    number = f"{len(paths)} runs" if len(paths) > 1 else paths[0]
    say_above_bars(f"waiting for another process, which computes {number}")
    for path in paths:
        while is_locked(Path(path), LOCK):
            time.sleep(SECONDS_BETWEEN_LOOKS)


def sweeps_of(missing: dict[str, list[int]]) -> Iterator[list[str]]:
    """Yields arguments of ``gammvae train -m`` that sweep over a row's missing runs, and no others.

    Args:
        missing: Missing seeds by dataset. Datasets that lack the same ones are swept together.
    """
    datasets: dict[tuple[int, ...], list[str]] = {}
    for dataset, seeds in missing.items():
        datasets.setdefault(tuple(seeds), []).append(dataset)
    for lacking, names in datasets.items():
        yield [f"dataset={','.join(names)}", f"seed={','.join(map(str, lacking))}"]
