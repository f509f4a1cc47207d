"""Measures runs on small data: their seconds, and their accuracy beside that of longer runs.

    python scripts/benchmark_small_data.py [--former] [--iris] [--pairs]

Small tables get a narrow network, a higher learning rate and fewer steps than others; the digits
fewer steps than other images. gammvae/config/sizing.py has the rule.

The first table has the seconds of two commands, each in a process of its own with one thread: a
table of 116 samples and 9 features, taken from scikit-learn's breast cancer data, and the digits.
CPU seconds are those of the whole process, with imports and report. --former adds the settings
that both had before.

--iris compares autoencoders of iris: their reconstruction in the last tenth of the steps, in nats
per sample, and the share of modularity that the graph's partition loses when it is refined by full
covariances, in the graph of the features and in one of the samples. More than 5 % is rejected.

--pairs compares accuracies on the same seeds. They are those of the recipe "default" and of "wide
and long" or, for the digits, "slow and long", which scripts/benchmark_accuracy.py computes into
accuracy_runs.csv. The rule was chosen on the datasets marked so; the others had no part in it. This
table is also written as CSV beside --output.

Takes one minute, or ten with all options. Needs nothing else.
"""

import csv
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import NamedTuple

import numpy as np
import torch
from accuracy_table import Line, read
from benchmark_accuracy import EVERYTHING
from benchmark_starts import pretrained
from numpy.typing import NDArray
from reporting import TABLES, Report, Row, command_line, report_options
from sklearn.datasets import load_breast_cancer, load_iris

from gammvae.initialization.graph import modularity
from gammvae.initialization.manifold import Search, manifold_points
from gammvae.initialization.shapes import graph_of_samples, refine_by_shapes
from gammvae.runs.contents import METRICS, RESULT
from gammvae.runs.directory import RunDirectory

SAMPLES, FEATURES = 116, 9
# By dataset: the recipe with the settings that it had before.
FORMER = {"table": "wide and long", "digits": "slow and long"}
# Layers, learning rate and steps of the autoencoders of iris.
AUTOENCODERS = (
    ([500, 500, 2000], 0.001, 500),
    ([128, 128], 0.001, 500),
    ([128, 128], 0.008, 500),
    ([128, 128], 0.008, 1000),
    ([500, 500, 2000], 0.001, 3000),
)
# Sets on which the rule was chosen.
CHOSEN_ON = ("breast_cancer", "iris", "vehicle", "wine")
TIMES = ("data", "settings", "seconds", "CPU seconds", "ACC")
IRIS = (
    *("layers", "learning rate", "steps", "reconstruction", "lost in the graph of the features"),
    *("lost in a graph of the samples", "CPU seconds"),
)
PAIRS = ("dataset", "part", "seeds", "ACC", "ACC of longer runs", "difference", "s", "s before")


def stored(name: str, x: NDArray, classes: NDArray, folder: Path) -> list[str]:
    """Writes samples ``(N, F)`` and classes ``(N,)``; returns the settings that read them."""
    rows, labels = folder / f"{name}.npy", folder / f"{name} classes.npy"
    np.save(rows, x)
    np.save(labels, classes)
    given = [f'dataset.path="{rows}"', f'dataset.labels="{labels}"', "preprocess=standardize"]
    return ["dataset=file", *given, f"n_clusters={len(np.unique(classes))}"]


class Ran(NamedTuple):
    """A finished run: seconds, CPU seconds of its process, and ACC."""

    seconds: float
    cpu: float
    acc: float


def train(settings: Sequence[str], folder: Path) -> Ran:
    """Runs ``gammvae train`` in a process of its own with one thread."""
    words = [sys.executable, "-m", "gammvae", "train", *settings, f"run_dir={folder}"]
    before, began = getrusage(RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        words, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True
    )
    seconds, after = time.perf_counter() - began, getrusage(RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Ran(seconds, used, json.loads((folder / RESULT).read_text())["metrics"]["acc"])


def times(former: bool, folder: Path) -> Iterator[Row]:
    """Yields the rows of the first table."""
    data = load_breast_cancer()
    chosen = np.random.default_rng(0).choice(len(data.data), SAMPLES, replace=False)
    small = stored("table", data.data[chosen, :FEATURES], data.target[chosen], folder)
    for name, settings in {"table": small, "digits": ["dataset=digits"]}.items():
        for recipe in ("default", FORMER[name]) if former else ("default",):
            ran = train([*settings, *EVERYTHING[recipe]], folder / f"{name} {recipe}")
            yield [name, recipe, f"{ran.seconds:.1f}", f"{ran.cpu:.1f}", f"{ran.acc:.4f}"]


def pretrainings(folder: Path) -> Iterator[Row]:
    """Yields the rows of the table of autoencoders of iris."""
    iris = load_iris()
    data = stored("iris", iris.data, iris.target, folder)
    for number, (layers, rate, steps) in enumerate(AUTOENCODERS):
        run = folder / f"iris {number}"
        network = [f"architecture.hidden={layers}", f"optimizer.lr={rate}"]
        lengths = [f"pretrain.epochs={steps}", "train.epochs=0", "report=false"]
        ran = train([*data, *network, *lengths], run)
        lines = [json.loads(line) for line in (run / METRICS).read_text().splitlines()]
        terms = [line["reconstruction"] for line in lines if line["stage"] == "pretrain"]
        yield [
            *("-".join(map(str, layers)), f"{rate:g}", str(steps)),
            f"{np.mean(terms[-steps // 10 :]):.2f}",
            *(f"{share:.1%}" for share in lost(RunDirectory(run))),
            f"{ran.cpu:.0f}",
        ]


def lost(directory: RunDirectory) -> tuple[float, float]:
    """Share of modularity that full covariances cost, in the graphs of features and samples."""
    work, _ = pretrained(directory)
    chosen, config = np.arange(len(work.x)), work.config
    points = manifold_points(work.model, work.x, chosen, config.seed)
    search = Search(points, config.init, config.n_clusters, config.seed)
    start = search(1.0)
    graph, x = search.graph(start.n_neighbors, start.resolution), work.x[torch.arange(len(work.x))]
    refined = refine_by_shapes(x.numpy(), start.labels, config.n_clusters)
    both = graph, graph_of_samples(x.numpy(), graph)
    one, other = (1 - modularity(g, refined) / modularity(g, start.labels) for g in both)
    return one, other


def pairs() -> list[Row]:
    """The rows of the last table: mean ACC and seconds over the seeds that both recipes have."""
    known: dict[tuple[str, str], dict[float, Line]] = defaultdict(dict)
    for line in read(TABLES / "accuracy_runs.csv"):
        known[line["dataset"], line["recipe"]][line["seed"]] = line
    rows: list[Row] = []
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


def compare(report: Report, output: Path | None) -> None:
    """Adds the table of accuracies to the report, and writes it as CSV."""
    report.paragraph(
        "Mean ACC over the seeds that both have; accuracy_runs.csv names machine and commit of "
        "every run. Seconds were taken beside other work."
    )
    rows = pairs()
    report.table(PAIRS, rows)
    for part in ("chosen on", "held back"):
        differences = [float(str(row[5])) for row in rows if row[1] == part]
        report.paragraph(
            f"Mean difference over the {len(differences)} datasets of the part '{part}': "
            f"{np.mean(differences):+.4f}."
        )
    if output:
        with output.with_suffix(".csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([PAIRS, *rows])


def main() -> None:
    """Prints the tables."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("--former", action="store_true", help="also time the former settings")
    parser.add_argument("--iris", action="store_true", help="compare autoencoders of iris")
    parser.add_argument("--pairs", action="store_true", help="compare accuracies")
    arguments = parser.parse_args()
    report = Report(arguments, "Seconds and accuracy of runs on small data.", ["scikit-learn"])
    with tempfile.TemporaryDirectory() as name:
        report.table(TIMES, times(arguments.former, Path(name)))
        if arguments.iris:
            report.paragraph("Autoencoders of iris, seed 0:")
            report.table(IRIS, pretrainings(Path(name)))
    if arguments.pairs:
        compare(report, arguments.output)


if __name__ == "__main__":
    main()
