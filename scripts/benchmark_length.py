"""Measures joint training of several lengths by the ELBO of samples that were not trained on.

    python scripts/benchmark_length.py [SETTING ...] [--dataset mnist]
        [--updates 3000 9100 27400] [--seeds 0]

A seventh of the samples, the same for all runs, is held out. Both families are trained on the
others as with experiment=long, each length with a schedule of its own, and for all lengths of a
family and seed from one pretrained autoencoder. The ELBO of the others rises with the length; where
that of the held-out samples no longer rises, more training only fits the samples it sees. Neither
needs classes. Both ELBOs take one draw of z a sample. ACC is that of the samples trained on.

Finished runs are kept in --folder and not repeated, so the same command continues an interrupted
benchmark; give another --folder after a change of the program. Two run at a time, with one thread
each. Figures of several seeds are means with their standard deviations; those of every run are also
written as CSV beside --output.

Takes half an hour for each seed of MNIST. Needs the dataset, which is downloaded if it is missing.
"""

import argparse
import csv
import io
import itertools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from reporting import ROOT, Report, command_line, mean_and_deviation, report_options
from runs import Run, compose_config, finished

from gammvae import load_dataset
from gammvae.estimators.fitted import FittedRun
from gammvae.evaluation.assignments import bound
from gammvae.system.writing import write_text

FAMILIES = ("gammvae", "vade")
DATASETS = ("mnist", "fashion_mnist", "usps", "hhar")  # with the default networks
HELD_OUT = 7  # one of so many samples
NAMES = ("ELBO, trained on", "ELBO, held out", "ACC %, start", "ACC %, end")


class Figures(NamedTuple):
    """Figures of a run: the ELBO in nats of both parts, and ACC in percent of the first."""

    elbo: float
    elbo_held_out: float
    acc_start: float
    acc: float


class Parts(NamedTuple):
    """Settings that train on one part of a dataset, and the other part ``(M, F)``."""

    settings: list[str]
    held_out: NDArray[np.float32]


class Line(NamedTuple):
    """The runs of one row of the table: ``found`` has ``Figures`` of every seed ``(runs, 4)``."""

    dataset: str
    family: str
    steps: int
    found: NDArray[np.float64]

    def row(self) -> list[str]:
        """The row of the table."""
        texts = map(mean_and_deviation, self.found.T)
        return [self.dataset, self.family, str(self.steps), str(len(self.found)), *texts]


def divided(dataset: str, folder: Path) -> Parts:
    """Divides a dataset at random and writes the part to train on."""
    config = compose_config(f"dataset={dataset}")
    data = load_dataset(dataset)
    x, shape = np.asarray(data.x), data.shape
    assert data.y is not None
    classes = np.unique(data.y, return_inverse=True)[1]
    order = np.random.default_rng(0).permutation(len(x))
    held_out, trained = np.split(order, [len(x) // HELD_OUT])
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in (("x", x), ("classes", classes)):
        if not (folder / f"{name}.npy").exists():  # or runs may be reading it
            np.save(folder / "unfinished.npy", values[trained])
            (folder / "unfinished.npy").replace(folder / f"{name}.npy")
    settings = [
        *("dataset=file", f'dataset.path="{folder.resolve() / "x.npy"}"'),
        f'dataset.labels="{folder.resolve() / "classes.npy"}"',
        f"preprocess={config.preprocess}",
        *(f"n_clusters={config.n_clusters}", f"dataset.likelihood={config.dataset.likelihood}"),
    ]
    if len(shape) > 1:
        settings += ["recipe=images", f"dataset.shape=[{','.join(map(str, shape))}]"]
    return Parts(settings, x[held_out])


def figures(folder: Path, run: Run, held_out: NDArray[np.float32]) -> Figures:
    """Measures a run; not in threads, because the draws of z take torch's generator."""
    start = next(record["acc"] for record in run.records if record["stage"] == "init")
    fitted = FittedRun.copied(folder, None)
    model, samples = fitted.trained("cpu").model, fitted.samples(held_out, "cpu")
    elbo = bound(model, samples, fitted.config.seed)["elbo"]
    return Figures(run.metrics["elbo"], elbo, 100 * start, 100 * run.metrics["acc"])


def measured(arguments: argparse.Namespace) -> Iterator[Line]:
    """Makes the runs, two at a time, and yields a line for every length and family."""
    folder: Path = arguments.folder / arguments.dataset
    parts = divided(arguments.dataset, folder)
    common = [
        *("experiment=long", *parts.settings, *arguments.settings, "score_every=1000000"),
        f'pretrained="{folder / ".pretrained"}"',
    ]
    name = " ".join(arguments.settings)
    with ThreadPoolExecutor(2) as pool:
        pending: dict[tuple[int, str], dict[Path, Future[Run]]] = {}
        for steps, family in itertools.product(sorted(arguments.updates), FAMILIES):
            settings = [*common, f"model={family}", f"train.updates={steps}"]
            paths = [folder / name / f"{family} {steps}" / str(seed) for seed in arguments.seeds]
            pending[steps, family] = {
                path: pool.submit(finished, path, [*settings, f"seed={path.name}"])
                for path in paths
            }
        try:
            for (steps, family), runs in pending.items():
                found = np.array(
                    [figures(path, run.result(), parts.held_out) for path, run in runs.items()]
                )
                yield Line(arguments.dataset, family, steps, found)
        finally:  # a failed run cancels the others
            pool.shutdown(cancel_futures=True)


def main() -> None:
    """Prints the table."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("settings", nargs="*", metavar="SETTING", help="of gammvae train")
    parser.add_argument("--dataset", choices=DATASETS, default="mnist")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument(
        "--updates",
        nargs="+",
        type=int,
        default=[3000, 9100, 27400],
        help="approximate numbers of steps (3000 9100 27400)",
    )
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "outputs" / "length", help="folder of the runs"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # scoring goes on beside the runs
    report = Report(arguments, "Joint training of several lengths, with nothing added.")
    found: list[Line] = []

    def rows() -> Iterator[list[str]]:
        for line in measured(arguments):
            found.append(line)
            yield line.row()

    report.table(("dataset", "family", "steps", "seeds", *NAMES), rows())
    if arguments.output:
        text = io.StringIO()
        runs = (
            [line.dataset, line.family, line.steps, seed, *(f"{value:.3f}" for value in values)]
            for line in found
            for seed, values in zip(arguments.seeds, line.found, strict=True)
        )
        csv.writer(text, lineterminator="\n").writerows(
            [("dataset", "family", "steps", "seed", *NAMES), *runs]
        )
        write_text(arguments.output.with_suffix(".csv"), text.getvalue())


if __name__ == "__main__":
    main()
