"""Measures joint training of several lengths by the ELBO of samples that were not trained on.

    python scripts/benchmark_length.py [SETTING ...] [--dataset mnist]
        [--updates 3000 9100 27400] [--seeds 0]

A seventh of the samples, the same for all runs, is held out. Both families are trained on the
others as with experiment=long, each length with a schedule of its own, from one pretrained
autoencoder for all lengths. The ELBO of the others rises with the length; where that of the
held-out samples no longer rises, more training only fits the samples it sees. Neither needs
classes. Both ELBOs take one draw of z a sample. ACC is that of the samples trained on.

Finished runs are kept in --folder and not repeated, so the same command continues an interrupted
benchmark; give another --folder after a change of the program. Two run at a time, with one thread
each. The rows are also written as CSV beside --output. Figures of several seeds are means with
their standard deviations.

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
from reporting import ROOT, Report, command_line, report_options
from runs import Run, compose_config, finished

from gammvae import load_dataset
from gammvae.estimators.fitted import FittedRun
from gammvae.evaluation.assignments import bound
from gammvae.system.writing import write_text

FAMILIES = ("gammvae", "vade")
DATASETS = ("mnist", "fashion_mnist", "usps", "hhar")  # with the default networks
HELD_OUT = 7  # one of so many samples
COLUMNS = (
    *("dataset", "family", "steps", "seeds", "ELBO, trained on", "ELBO, held out"),
    *("ACC %, start", "ACC %, end"),
)


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


def rows(arguments: argparse.Namespace) -> Iterator[list[str]]:
    """Makes the runs, two at a time, and yields a row for every length and family."""
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
                spread = found.std(0, ddof=1) if len(found) > 1 else [None] * found.shape[1]
                texts = [
                    f"{mean:.2f}" if std is None else f"{mean:.2f} ± {std:.2f}"
                    for mean, std in zip(found.mean(0), spread, strict=True)
                ]
                yield [arguments.dataset, family, str(steps), str(len(found)), *texts]
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
    found: list[list[str]] = []

    def kept() -> Iterator[list[str]]:
        for row in rows(arguments):
            found.append(row)
            yield row

    report.table(COLUMNS, kept())
    if arguments.output:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *found])
        write_text(arguments.output.with_suffix(".csv"), text.getvalue())


if __name__ == "__main__":
    main()
