"""Sends a run from its directory to a tracker. ``metrics.jsonl`` stays what counts."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gammvae.config.identity import identity
from gammvae.errors import InputError
from gammvae.runs.contents import (
    ASSIGNMENTS,
    CHOICE,
    CONFIG,
    DATA,
    DIGESTS,
    GENERATION,
    LOG,
    METRICS,
    REPORT,
    RESULT,
    STATUS,
)
from gammvae.runs.readers import check_ordinary
from gammvae.runs.stored_run import StoredRun
from gammvae.runs.tracker import Ending, Tracker

# Files that are sent; weights are not.
ARTIFACTS = (
    *(CONFIG, METRICS, RESULT, ASSIGNMENTS, REPORT, STATUS),
    *(CHOICE, DATA, DIGESTS, GENERATION, LOG),
)


def send(run: StoredRun, tracker: Tracker) -> None:
    """Sends settings, curves, figures and files of a finished or failed run.

    Args:
        run: Directory of the run.
        tracker: Where to send it.

    Raises:
        InputError: The run has neither finished nor failed, or a file is damaged.
    """
    if not run.path.exists():
        raise InputError(f"{run.path} does not exist")
    finished = (run / RESULT).exists()
    if not finished and run.read_status() is None:
        raise InputError(f"{run.path} is not a finished run: the command that made it continues it")
    parameters, records = identity(run.read_config()), run.read_metrics()
    result = run.read_result() if finished else None
    files = artifacts(run)
    tracker.start(str(run.path))
    ending: Ending = "failed"
    try:
        tracker.parameters(parameters)
        send_records(tracker, 0, records)
        if result is not None:
            send_result(tracker, len(records), result)
        tracker.artifacts(files)
        if result is not None:
            ending = "finished"
    finally:
        tracker.end(ending)


def send_records(tracker: Tracker, before: int, records: Iterable[Mapping[str, Any]]) -> None:
    """Sends lines of ``metrics.jsonl``.

    Every line is a step, and its figures have the stage in front: ``train/elbo``.

    Args:
        tracker: Where to send them.
        before: Number of lines above them.
        records: The lines.
    """
    for step, record in enumerate(records, before + 1):
        tracker.metrics(step, figures(record["stage"], record))


def send_result(tracker: Tracker, lines: int, result: Mapping[str, Any]) -> None:
    """Sends the figures of a finished run as ``final/acc`` and so on, one step later.

    Args:
        tracker: Where to send them.
        lines: Number of lines of ``metrics.jsonl``.
        result: The result of the run.
    """
    found = {**result["metrics"], "n_clusters": result["n_clusters"]}  # the data may choose it
    tracker.metrics(lines + 1, figures("final", found))


def figures(prefix: str, values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among some values, with a prefix to their names; ``epoch`` is none of them."""
    return {
        f"{prefix}/{name}": float(value)
        for name, value in values.items()
        if isinstance(value, int | float) and name != "epoch"
    }


def artifacts(run: StoredRun) -> list[Path]:
    """The files of a run that are sent.

    Raises:
        InputError: One is not an ordinary file but, for example, a link to another.
    """
    paths = [run / name for name in ARTIFACTS if (run / name).is_symlink() or (run / name).exists()]
    for path in paths:
        check_ordinary(path)
        if path.is_symlink():
            raise InputError(f"{path} is a link: a run's own files are sent, no others")
    return paths
