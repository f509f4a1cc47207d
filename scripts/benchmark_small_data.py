"""Measures runs on small data: their seconds, and their accuracy beside that of longer runs.

    python scripts/benchmark_small_data.py [--former] [--pairs]

Small tables get a narrow network, a higher learning rate and fewer steps than others, and so do the
digits; gammvae/config/sizing.py has the rule. The first table has the seconds of two commands in a
process of its own with one thread: a table of 116 samples and 9 features, taken from
scikit-learn's breast cancer data, and the digits. With --former, also those of the settings that
they had before. CPU seconds are those of the whole process, with imports and report.

With --pairs, the second table compares accuracies on the same seeds. They are those of the recipe
"default" and of "wide and long" or, for the digits, "slow and long", which
scripts/benchmark_accuracy.py computes into accuracy_runs.csv. The rule was chosen on the datasets
marked so, with seeds 0 and 1; the others had no part in it. Also writes small_data.csv beside
--output if that is given.

Takes one minute, or six with --former. Needs nothing else.
"""

import csv
import os
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from accuracy_table import read
from benchmark_accuracy import EVERYTHING
from reporting import Report, Row, command_line, report_options
from sklearn.datasets import load_breast_cancer

SAMPLES, FEATURES = 116, 9
# By dataset: the recipe with the settings that it had before.
FORMER = {"table": "wide and long", "digits": "slow and long"}
# Sets on which the rule was chosen. glass is missing, because it had no figures before.
CHOSEN_ON = ("breast_cancer", "iris", "vehicle", "wine")
TIMES = ("data", "settings", "seconds", "CPU seconds", "ACC")
PAIRS = ("dataset", "part", "seeds", "ACC", "ACC of longer runs", "difference", "s", "s before")


def table(folder: Path) -> list[str]:
    """Writes the small table; returns the settings that read it."""
    data = load_breast_cancer()
    chosen = np.random.default_rng(0).choice(len(data.data), SAMPLES, replace=False)
    x, labels = folder / "table.npy", folder / "labels.npy"
    np.save(x, data.data[chosen, :FEATURES])
    np.save(labels, data.target[chosen])
    given = [f"dataset.path={x}", f"dataset.labels={labels}"]
    return ["dataset=file", *given, "n_clusters=2", "preprocess=standardize"]


def timed(settings: list[str], folder: Path) -> list[str]:
    """Seconds and CPU seconds of ``gammvae train`` in a process of its own, and its ACC."""
    words = [sys.executable, "-m", "gammvae", "train", *settings, f"run_dir={folder}"]
    began = time.perf_counter()
    with subprocess.Popen(
        words,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.read().splitlines()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"gammvae train ended with {process.returncode}")
    head, _, figures, *_ = (line.split() for line in printed)
    seconds = time.perf_counter() - began, used.ru_utime + used.ru_stime
    return [*(f"{value:.1f}" for value in seconds), figures[head.index("ACC")]]


def times(former: bool) -> Iterator[Row]:
    """Yields the rows of the first table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for data, settings in {"table": table(folder), "digits": ["dataset=digits"]}.items():
            for recipe in ("default", FORMER[data]) if former else ("default",):
                run = folder / f"{data} {recipe}"
                yield [data, recipe, *timed([*settings, *EVERYTHING[recipe]], run)]


def pairs() -> list[Row]:
    """The rows of the second table: mean ACC and seconds over the seeds that both recipes have."""
    known: dict[tuple[str, str], dict[float, dict]] = defaultdict(dict)
    for line in read("accuracy_runs.csv"):
        known[line["dataset"], line["recipe"]][line["seed"]] = line
    rows = []
    for (dataset, recipe), longer in known.items():
        now = known.get((dataset, "default"), {})
        if recipe in FORMER.values() and (common := [seed for seed in longer if seed in now]):
            part = "chosen on" if dataset in CHOSEN_ON else "held back"
            mine, other = (
                [np.mean([runs[seed][name] for seed in common]) for name in ("acc", "seconds")]
                for runs in (now, longer)
            )
            figures = [f"{mine[0]:.4f}", f"{other[0]:.4f}", f"{mine[0] - other[0]:+.4f}"]
            seeds = " ".join(f"{seed:.0f}" for seed in common)
            rows.append([dataset, part, seeds, *figures, f"{mine[1]:.0f}", f"{other[1]:.0f}"])
    return rows


def main() -> None:
    """Prints the tables."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("--former", action="store_true", help="also time the former settings")
    parser.add_argument("--pairs", action="store_true", help="compare accuracies, see above")
    arguments: Namespace = parser.parse_args()
    report = Report(arguments, "Seconds and accuracy of runs on small data.", ["scikit-learn"])
    report.table(TIMES, times(arguments.former))
    if not arguments.pairs:
        return
    report.paragraph(
        "Mean ACC over the seeds that both have; accuracy_runs.csv names machine and commit of "
        "every run, and the seconds were taken beside other work:"
    )
    rows = pairs()
    report.table(PAIRS, rows)
    for part in ("chosen on", "held back"):
        differences = [float(str(row[5])) for row in rows if row[1] == part]
        report.paragraph(
            f"Mean difference over the {len(differences)} datasets of the part '{part}': "
            f"{np.mean(differences):+.4f}."
        )
    if arguments.output:
        with arguments.output.with_suffix(".csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([PAIRS, *rows])


if __name__ == "__main__":
    main()
