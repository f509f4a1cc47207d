"""Computes the missing runs of tables, and rewrites each table as its rows are finished."""

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gammvae.cli import sweeps
from gammvae.cli.plan import Plan
from gammvae.cli.train import launched, warn_of_other_processes
from gammvae.system.printing import say
from gammvae.system.progress import meter
from gammvae.tables.described import Row


class Progress:
    """Shows which of the missing runs are done: a bar on a terminal, lines in a log.

    Args:
        missing: Folders of the runs to compute.
    """

    def __init__(self, missing: Sequence[Path]) -> None:
        self.missing = {str(path) for path in missing}
        self.bar = meter(total=len(self.missing), unit="run", disable=None)
        self.done = 0

    def begin(self, table: str, row: str) -> None:
        """Names the row whose runs come next."""
        self.bar.set_description(f"{table}: {row}")
        if self.bar.disable:
            say(f"{table}: {row}", sys.stderr)

    def hear(self, job: sweeps.Job) -> None:
        """Counts a run that has ended."""
        if job.path not in self.missing:
            return
        self.missing.discard(job.path)
        self.done += 1
        self.bar.update()
        if self.bar.disable:
            total = self.done + len(self.missing)
            say(f"{self.done} of {total}: {job.path} {job.state}", sys.stderr)


@contextlib.contextmanager
def shown(missing: Sequence[Path]) -> Iterator[Progress]:
    """The progress of the runs that end in the context; what they print is left out."""
    progress = Progress(missing)
    sweeps.LISTENERS.append(progress.hear)
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            yield progress
    finally:
        sweeps.LISTENERS.remove(progress.hear)
        progress.bar.close()


def compute(plans: Sequence[Plan], settings: Sequence[str], folder: Path) -> list[sweeps.Job]:
    """Computes all missing runs on datasets that are there, and writes a table after each row.

    A run that fails does not stop the others.

    Args:
        plans: The tables, which are computed one after the other.
        settings: Arguments of ``gammvae train`` for every run.
        folder: Folder of the tables' files.

    Returns:
        The runs that were computed, and those that failed.

    Raises:
        InputError: A table cannot be written.
    """
    todo = [path for plan in plans for _, path in plan.to_do(plan.table["datasets"])]
    if todo:
        warn_of_other_processes()
    jobs = []
    with shown(todo) as progress:
        for plan in plans:
            for row in plan.table["rows"]:
                if missing := plan.missing(row):
                    progress.begin(plan.name, row["name"])
                    ended = launched(arguments(row, missing, settings))
                    for job in ended:  # those that ended in other processes
                        progress.hear(job)
                    jobs += ended
                    plan.write(folder)
    return jobs


def arguments(row: Row, missing: dict[str, list[int]], settings: Sequence[str]) -> list[str]:
    """The arguments of ``gammvae train`` that compute a row's missing runs.

    Where datasets lack different seeds, finished runs are among them, which the sweep skips.

    Args:
        row: The row.
        missing: Missing seeds by dataset.
        settings: Arguments for every run.
    """
    seeds = sorted({seed for lacking in missing.values() for seed in lacking})
    swept = [f"dataset={','.join(missing)}", f"seed={','.join(map(str, seeds))}"]
    return ["-m", *settings, "report=false", *row.get("overrides", ()), *swept]
