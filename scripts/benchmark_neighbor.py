"""Measures what another busy process costs a step of training, for several ways to wait.

    python scripts/benchmark_neighbor.py [--spins default chosen 0] [--rounds 3] [--steps 40]

OpenMP's threads wait for each other at the end of every parallel loop. They spin first, because
that answers fastest, and sleep afterwards. Where another process occupies a core, spinning keeps
the thread that is waited for from running. GOMP_SPINCOUNT sets how many turns they spin. Each way
is measured in processes of its own, on the quiet machine and beside one process that never rests;
the ways take turns, and the figures are medians over the rounds.

``chosen`` is what gammvae does: it looks at the cores before it starts, see
gammvae/system/waiting.py.

Takes four minutes on two cores with nothing beside it. Needs no data: the samples are random.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from reporting import Report, command_line, report_options

from gammvae.devices import choose_device
from gammvae.system import waiting
from gammvae.training.precision import choose_precision

BUSY = "while True: pass"


def worker(steps: int) -> None:
    """Prints the mean milliseconds of a step in this process."""
    from speed_rounds import BATCH, FEATURES, training

    torch.manual_seed(0)
    x = torch.rand(BATCH, FEATURES)
    once = training(x, 1.0, choose_precision("auto", choose_device("cpu")), compiled=True)
    for _ in range(5):
        once()
    seconds = []
    for _ in range(steps):
        began = time.perf_counter()
        once()
        seconds.append(time.perf_counter() - began)
    print(1000 * statistics.mean(seconds))


@contextmanager
def neighbor(busy: bool) -> Iterator[None]:
    """Runs a process beside this one that never rests, or none."""
    process = subprocess.Popen([sys.executable, "-c", BUSY]) if busy else None
    try:
        yield
    finally:
        if process:
            process.kill()
            process.wait()


def measured(spins: str, busy: bool, steps: int) -> float:
    """Mean milliseconds of a step.

    Args:
        spins: A value of ``GOMP_SPINCOUNT``; ``default``: unset; ``chosen``: as the program does.
        busy: Whether another process never rests.
        steps: How many are measured.
    """
    environment = {name: value for name, value in os.environ.items() if name not in waiting.USERS}
    command = [sys.executable, str(Path(__file__)), "--worker", "--steps", str(steps)]
    with neighbor(busy):
        if spins == "chosen":
            time.sleep(1)
            environment[waiting.SPINS] = waiting.spins(waiting.watched() or 0.0)
        elif spins != "default":
            environment[waiting.SPINS] = spins
        output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return float(output.stdout)


def main() -> None:
    """Prints the table."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("--spins", nargs="+", default=["default", "chosen", "15000", "5000", "0"])
    parser.add_argument("--rounds", type=int, default=3, help="that the medians are of (3)")
    parser.add_argument("--steps", type=int, default=40, help="of a round (40)")
    parser.add_argument("--worker", action="store_true", help="measure in this process")
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.steps)
        return
    title = (
        f"Milliseconds of a step of training, medians of {arguments.rounds} rounds of "
        f"{arguments.steps} steps; seed 0."
    )
    report = Report(arguments, title)
    found: dict[tuple[str, bool], list[float]] = {}
    for _ in range(arguments.rounds):
        for spins in arguments.spins:
            for busy in (False, True):
                figure = measured(spins, busy, arguments.steps)
                found.setdefault((spins, busy), []).append(figure)
    medians = {key: statistics.median(values) for key, values in found.items()}
    base = medians[arguments.spins[0], False]
    report.table(
        ["GOMP_SPINCOUNT", "quiet, ms", "beside one busy process, ms", "ratio", "quiet / first"],
        (
            [
                spins,
                f"{medians[spins, False]:.1f}",
                f"{medians[spins, True]:.1f}",
                f"{medians[spins, True] / medians[spins, False]:.2f}",
                f"{medians[spins, False] / base:.2f}",
            ]
            for spins in arguments.spins
        ),
    )


if __name__ == "__main__":
    main()
