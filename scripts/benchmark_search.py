"""Compares the settings that a search without classes has chosen with the default, on new seeds.

    python scripts/benchmark_search.py [DATASET...] [--spaces training] [--trials 20]
        [--objectives agreement predictability] [--settings SETTING...] [--output FILE.md]

For each dataset, space and objective, gammvae search runs first. Then the default and the chosen
settings are trained with seeds from 100 on, which the search does not use. Only then are classes
looked at: ACC and NMI are means and standard deviations over these seeds, beside the value of the
objective in the search and on the new seeds. "Random" is the mean ACC of all trials of the search
but the default, on the search's own seeds: what settings of the space would be worth without any
choice. Differences of ACC are paired by seed, with a 95 % interval.

Searches of a dataset share runs of the same settings, such as the default and the first trials,
which are drawn at random. Finished runs are kept in --folder, and the same command goes on after a
kill.

Takes the time of trials x seeds runs for each search. Needs optuna and the datasets.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from reporting import TABLES, Report, Row, command_line, report_options
from runs import compose_config, finished

from gammvae.cli.searching import labels_of
from gammvae.data.samples import samples_on
from gammvae.data.training_data import load_data
from gammvae.runs.contents import RESULT
from gammvae.search.names import AGREEMENT, JSON, OBJECTIVES
from gammvae.search.objectives import Objective, PredictabilityOfSeeds, agreement_of_seeds
from gammvae.tables.comparison import difference
from gammvae.tables.formats import Entry

FIRST_NEW_SEED = 100
COLUMNS = (
    *("dataset", "space", "objective", "settings", "in the search", "new seeds"),
    *("ACC %", "NMI %", "ACC: change", "ACC %, random"),
)


class Task(NamedTuple):
    """A search: dataset, space and objective, and the settings of all runs."""

    dataset: str
    space: str
    objective: str
    settings: Sequence[str]

    @property
    def given(self) -> list[str]:
        """Settings of every run."""
        return [f"dataset={self.dataset}", *self.settings]


def searched(task: Task, folder: Path, trials: int, seeds: int) -> dict[str, Any]:
    """What ``gammvae search`` has found, which goes on where it was interrupted.

    Raises:
        RuntimeError: It failed; the message has its last words.
    """
    words = [f"objective={task.objective}", f"trials={trials}", f"seeds={seeds}"]
    places = [f'output_root="{folder}"', "device=cpu"]
    done = subprocess.run(
        [*(sys.executable, "-m", "gammvae", "search", task.space), *task.given, *words, *places],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return json.loads((Path(done.stdout.splitlines()[-2]).parent / JSON).read_text())


class Trained(NamedTuple):
    """The new runs of some settings.

    Attributes:
        acc: ACC of each seed, in percent, ``(S,)``.
        nmi: NMI of each seed, in percent, ``(S,)``.
        value: The objective of these seeds.
    """

    acc: NDArray[np.float64]
    nmi: NDArray[np.float64]
    value: float


def trained(
    settings: Sequence[str], folder: Path, seeds: int, objective: Objective, n_clusters: int
) -> Trained:
    """Trains settings with new seeds, or reads the runs that are there."""
    folders = {seed: folder / f"seed={seed}" for seed in new_seeds(seeds)}
    runs = [finished(path, [*settings, f"seed={seed}"]) for seed, path in folders.items()]
    acc, nmi = (np.array([100 * run.metrics[name] for run in runs]) for name in ("acc", "nmi"))
    partitions = [labels_of(path) for path in folders.values()]
    return Trained(acc, nmi, objective(partitions, n_clusters))


def new_seeds(number: int) -> range:
    """Seeds that the search does not use."""
    return range(FIRST_NEW_SEED, FIRST_NEW_SEED + number)


def objective_of(task: Task) -> Objective:
    """The objective of a search, for runs outside of it."""
    if task.objective == AGREEMENT:
        return agreement_of_seeds
    config = compose_config(*task.given)
    rows = load_data(config.dataset, config.preprocess, config.device).rows
    return PredictabilityOfSeeds(samples_on(torch.device("cpu"), rows))


def rows(task: Task, arguments: argparse.Namespace) -> Iterator[Row]:
    """Yields the rows of one search: the default, and the chosen settings if they differ."""
    found = searched(task, arguments.folder, arguments.trials, arguments.seeds)
    default, best = found["trials"][0], found["trials"][found["best"]]
    place = arguments.folder / "new" / task.dataset
    shared = f'pretrained="{arguments.folder / ".pretrained"}"'
    objective, known = objective_of(task), (arguments.new_seeds, found["n_clusters"])
    random = Entry(*spread(accuracies(found["trials"][1:])))
    results = []
    for name, trial in dict(zip(("default", "chosen"), (default, best), strict=True)).items():
        if name == "chosen" and best is default:
            continue
        settings = [*found["command"][2:], *trial["settings"], shared]
        where = place / (f"{task.space}-{task.objective}" if trial["settings"] else "default")
        one = trained(settings, where, known[0], objective, known[1])
        results.append(one)
        shown = " ".join(trial["settings"]) or ("default, chosen" if best is default else "default")
        change = "" if one is results[0] else change_of(results[0].acc, one.acc)
        yield [
            *(task.dataset, task.space, task.objective, shown),
            *(f"{trial['value']:.3f}", f"{one.value:.3f}"),
            *(Entry(*spread(one.acc)), Entry(*spread(one.nmi)), change),
            random if one is results[0] else "",
        ]


def accuracies(trials: Sequence[dict[str, Any]]) -> NDArray[np.float64]:
    """Mean ACC of each trial that has not failed, in percent."""
    folders = [one["runs"] for one in trials if one["value"] is not None]
    return np.array([100 * np.mean([accuracy(Path(path)) for path in paths]) for paths in folders])


def accuracy(path: Path) -> float:
    """The ACC of a finished run."""
    return json.loads((path / RESULT).read_text())["metrics"]["acc"]


def spread(values: NDArray[np.float64]) -> tuple[str, str]:
    """Mean and standard deviation."""
    if len(values) == 0:
        return "", ""
    return f"{values.mean():.2f}", f"{values.std(ddof=1) if len(values) > 1 else 0:.2f}"


def change_of(before: NDArray[np.float64], after: NDArray[np.float64]) -> str:
    """The mean difference over the seeds, with a 95 % interval if there are two of them."""
    if len(before) < 2:
        return f"{(after - before).mean():+.2f}"
    one = difference(after - before)
    return f"{one.mean:+.2f} ({one.low:+.2f} to {one.high:+.2f})"


def main() -> None:
    """Searches, trains with new seeds and prints the table."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("datasets", nargs="*", metavar="DATASET", default=["digits"])
    parser.add_argument("--spaces", nargs="+", default=["training"])
    parser.add_argument("--objectives", nargs="+", choices=OBJECTIVES, default=list(OBJECTIVES))
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each trial")
    parser.add_argument("--new-seeds", type=int, default=5, help="seeds of the comparison")
    parser.add_argument("--settings", nargs="+", default=[], help="settings of all runs")
    parser.add_argument("--folder", type=Path, default=TABLES.parent / "search_benchmark")
    arguments = parser.parse_args()
    arguments.folder = arguments.folder.resolve()
    report = Report(
        arguments,
        f"Settings chosen without classes in {arguments.trials} trials of {arguments.seeds} seeds, "
        f"beside the default, on {arguments.new_seeds} other seeds.",
        ["optuna"],
    )
    tasks = [
        Task(dataset, space, objective, arguments.settings)
        for dataset in arguments.datasets
        for space in arguments.spaces
        for objective in arguments.objectives
    ]
    report.table(COLUMNS, (row for task in tasks for row in rows(task, arguments)))


if __name__ == "__main__":
    main()
