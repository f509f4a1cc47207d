"""How OpenMP's threads wait for each other, which torch reads when it is first imported.

At the end of every parallel loop, threads that are done spin for a while before they sleep. That is
fastest on a quiet machine. If other processes use the cores, spinning keeps the very thread from
running that is waited for. ``scripts/benchmark_neighbor.py`` measures both.
"""

import os
import sys
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from gammvae.system.processes import count

# The turns that libgomp spins; the program sets it unless the user has said how to wait.
SPINS, USERS = "GOMP_SPINCOUNT", ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
# On a quiet machine: enough to lose little there, and some 60 times fewer than libgomp's default,
# for neighbors that come later. Beside other processes none.
QUIET, BUSY = "5000", "0"
# How long the cores are watched, and the share of one that others may use on a quiet machine.
SECONDS, TOLERATED = 0.1, 0.5
STAT = Path("/proc/stat")


def choose_waiting() -> None:
    """Sets how OpenMP's threads wait, before torch is imported, unless the user has."""
    if "torch" in sys.modules or any(name in os.environ for name in USERS):
        return
    if (used := cores_in_use()) is not None:
        os.environ[SPINS] = spins(used)


def spins(used: float) -> str:
    """Turns to spin if other processes use so many of the cores."""
    return BUSY if used > TOLERATED else QUIET


@cache
def cores_in_use() -> float | None:
    """How many of its cores others used when this process first asked; ``None`` where unknown.

    The processes that share a run start at the same time, and would take each other for neighbors.
    """
    return watched() if count() == 1 else 0.0


def watched() -> float | None:
    """How many of this process's cores are in use while it rests; ``None`` where unknown."""
    try:
        before = idle_and_total(STAT.read_text())
        time.sleep(SECONDS)
        after = idle_and_total(STAT.read_text())
        cores = os.sched_getaffinity(0)
    except (OSError, AttributeError, ValueError):  # not Linux, or not allowed to look
        return None
    used = 0.0
    for core in cores & before.keys() & after.keys():
        idle, total = (now - then for now, then in zip(after[core], before[core], strict=True))
        used += 1 - idle / total if total > 0 else 0.0
    return used


def idle_and_total(text: str) -> Mapping[int, tuple[int, int]]:
    """Idle and total time of every core, from the text of ``/proc/stat``; see proc_stat(5).

    Raises:
        ValueError: A field is not a number.
    """
    found = {}
    for name, *fields in (line.split() for line in text.splitlines() if line.startswith("cpu")):
        if name != "cpu":  # that line has the sum of all
            times = [int(field) for field in fields[:8]]  # later fields are part of earlier ones
            found[int(name.removeprefix("cpu"))] = (times[3] + times[4], sum(times))
    return found
