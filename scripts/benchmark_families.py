"""Compares the Gamma family with the normal one, everything else being the same.

    python scripts/benchmark_families.py [--datasets usps hhar] [--also NAME SETTING ...]
        [--seeds 0 1 2] [--gain 8] [--made]

Both families are trained with nothing added (experiment=plain) and the same seeds, so that a pair
of runs has the same initial weights and the same order of samples. A dataset counts once, however
many seeds it has: the mean difference over datasets, its 95 % interval by Student's t, and the
exact p of flipping signs by dataset are those of the datasets' means.

--made adds clusters of known shape and overlap (scripts/skewed.py), and --also datasets of your
own, such as those of scripts/outside.py, without negative features. To both, mixtures are also
fitted without a network.

Finished runs are kept in --folder and not repeated, so the same command continues an interrupted
benchmark. Two run at a time, with one thread each. The first table is also written as CSV beside
--output.

Takes two to five minutes per run of a real dataset and half a minute per run of a made one. Needs
the datasets, which are downloaded if they are missing.
"""

import argparse
import csv
import io
import itertools
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from reporting import (
    ROOT,
    Report,
    Row,
    added_datasets,
    command_line,
    mean_and_deviation,
    report_options,
)
from runs import compose_config, finished
from skewed import SHAPES, K, made
from sklearn.mixture import GaussianMixture

from gammvae import GammaMixture
from gammvae.data.training_data import load_data
from gammvae.evaluation.metrics import clustering_accuracy
from gammvae.system.writing import write_text
from gammvae.tables.comparison import difference

DATASETS = ("digits", "usps", "hhar", "mnist", "fashion_mnist")
FAMILIES = ("gammvae", "vade")
COLUMNS = ("dataset", "seeds", "gammvae ACC %", "vade ACC %", "gammvae ELBO", "vade ELBO")
DIRECT = (
    *("data", "Bayes' rule", "Gamma mixture", "Gaussian mixture of logarithms"),
    "Gaussian mixture",
)
DIFFERENCES = ("ACC, points", "ELBO, nats")


class Task(NamedTuple):
    """A run to be made."""

    dataset: str
    family: str
    seed: int
    settings: tuple[str, ...]
    folder: Path


class Figures(NamedTuple):
    """ACC and ELBO of a finished run."""

    acc: float
    elbo: float


def figures(task: Task) -> Figures:
    """Makes a run unless it is there, and reads its figures."""
    words = (f"model={task.family}", "experiment=plain", f"seed={task.seed}")
    metrics = finished(task.folder, (*words, *task.settings)).metrics
    return Figures(metrics["acc"], metrics["elbo"])


def tasks(arguments: argparse.Namespace) -> Iterator[Task]:
    """Yields the runs, both families of a seed beside each other."""
    given = {"gammvae": (f"model.gain={arguments.gain:g}",), "vade": ()}
    shapes = SHAPES if arguments.made else ()
    for seed in arguments.seeds:
        data: dict[str, tuple[str, ...]] = {
            name: (f"dataset={name}",) for name in arguments.datasets
        }
        data |= {name: tuple(rest) for name, *rest in arguments.also}
        data |= {f"made {name}": stored(name, seed, arguments.folder) for name in shapes}
        for (name, settings), family in itertools.product(data.items(), FAMILIES):
            run = arguments.folder / name / " ".join((family, *given[family])) / str(seed)
            yield Task(name, family, seed, (*settings, *given[family]), run)


def stored(shape: str, seed: int, folder: Path) -> tuple[str, ...]:
    """Writes made data; returns the settings that read them."""
    folder.mkdir(parents=True, exist_ok=True)
    data = made(shape, seed)
    rows, classes = folder / f"{shape} {seed}.npy", folder / f"{shape} {seed} classes.npy"
    np.save(rows, data.x)
    np.save(classes, data.classes)
    return (
        *("dataset=file", f'dataset.path="{rows}"', f'dataset.labels="{classes}"'),
        *(f"n_clusters={K}", "architecture=small"),
    )


def fitted(shape: str, seed: int) -> tuple[float, ...]:
    """ACC on made latent features: Bayes' rule and three mixtures."""
    data = made(shape, seed)
    return data.bayes, *mixtures(np.exp(data.logs), data.classes, K, seed)


class Added(NamedTuple):
    """A dataset given by ``--also``.

    Attributes:
        name: Its name in the tables.
        z: Its features that vary, ``(N, D)``, positive: where there are zeros, plus half the
            smallest positive value.
        classes: ``(N,)``.
        k: Number of clusters.
    """

    name: str
    z: NDArray[np.float64]
    classes: NDArray
    k: int


def added(name: str, *settings: str) -> Added:
    """Loads a dataset.

    Raises:
        SystemExit: It has negative features or no classes.
    """
    config = compose_config(*settings, "preprocess=none")
    data = load_data(config.dataset, config.preprocess, "cpu")
    x = data.rows[np.arange(data.rows.shape[0])].astype(np.float64)
    if data.y is None or x.min() < 0:
        sys.exit(f"--also {name}: its features must not be negative, and its classes be known")
    x = x[:, x.std(0) > 0]
    smallest = np.where(x > 0, x, np.inf).min(0)
    return Added(name, x + (x.min(0) == 0) * smallest / 2, data.y, config.n_clusters)


def mixtures(z: NDArray, classes: NDArray, k: int, seed: int) -> tuple[float, ...]:
    """ACC of mixtures of ``k`` components on positive features ``(N, D)``.

    Returns:
        Of Gamma distributions, of Gaussians of the logarithms, and of Gaussians.
    """
    normal = GaussianMixture(k, covariance_type="diag", n_init=5, random_state=seed)
    labels = (
        GammaMixture(k, n_init=5, random_state=seed).fit_predict(z),
        *(normal.fit_predict(one) for one in (np.log(z), z)),
    )
    return tuple(clustering_accuracy(classes, one) for one in labels)


def of(found: dict[Task, Figures], name: str, family: str) -> NDArray[np.float64]:
    """ACC and ELBO of the seeds of a dataset, ``(seeds, 2)``."""
    return np.array([value for task, value in found.items() if task[:2] == (name, family)])


def rows(found: dict[Task, Figures], names: Sequence[str]) -> Iterator[list[str]]:
    """Yields a row of means and standard deviations for every dataset."""
    for name in names:
        both = [of(found, name, family) * [100, 1] for family in FAMILIES]
        columns = (one[:, figure] for figure in (0, 1) for one in both)
        yield [name, str(len(both[0])), *map(mean_and_deviation, columns)]


def differences(found: dict[Task, Figures], names: Sequence[str]) -> NDArray[np.float64]:
    """Gamma minus normal, mean over the seeds of each dataset, ``(datasets, 2)``: ACC and ELBO."""
    means = [[of(found, name, family).mean(0) for name in names] for family in FAMILIES]
    gamma, normal = np.array(means)
    return (gamma - normal) * [100, 1]


def summary(values: NDArray) -> list[str]:
    """Mean, 95 % interval, number of positive ones, and p of flipping signs, over datasets."""
    found = difference(values)
    interval = f"{found.low:+.2f} to {found.high:+.2f}"
    return [
        f"{found.mean:+.2f}",
        interval,
        f"{found.positive} of {found.n}",
        f"{found.p_value:.3f}",
    ]


def main() -> None:
    """Prints the tables."""
    parser = command_line(__doc__, report_options(), added_datasets())
    parser.add_argument("--datasets", nargs="*", choices=DATASETS, default=DATASETS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--gain", type=float, default=8, help="of the Gamma family (8)")
    parser.add_argument("--made", action="store_true", help="also compare on made data")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "outputs" / "families", help="folder of the runs"
    )
    arguments = parser.parse_args()
    shapes = list(SHAPES) if arguments.made else []
    others = [added(*one) for one in arguments.also]
    wanted = list(tasks(arguments))
    report = Report(arguments, "The Gamma family beside the normal one, with nothing added.")
    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(wanted, pool.map(figures, wanted), strict=True))
    names = list(dict.fromkeys(task.dataset for task in wanted))
    table = list(rows(found, names))
    report.table(COLUMNS, table)
    real = [*arguments.datasets, *(name for name, *_ in arguments.also)]
    if len(real) > 1:
        report.paragraph("Gamma minus normal; a dataset counts once. Real datasets only:")
        values = differences(found, real)
        columns = ("what", "mean", "95 % interval", "positive", "p")
        report.table(
            columns,
            ([what, *summary(column)] for what, column in zip(DIFFERENCES, values.T, strict=True)),
        )
    if shapes or arguments.also:
        report.paragraph(
            "Without a network, mean ACC of mixtures of the latent features of made data, and of "
            "the features of added ones (where there are zeros, plus half the next value):"
        )
        report.table(DIRECT, directly(arguments, others, shapes))
    if arguments.output:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([COLUMNS, *table])
        write_text(arguments.output.with_suffix(".csv"), text.getvalue())


def directly(
    arguments: argparse.Namespace, others: Sequence[Added], shapes: Sequence[str]
) -> Iterator[Row]:
    """Yields the rows of the last table."""
    for one in others:
        found = [mixtures(one.z, one.classes, one.k, seed) for seed in arguments.seeds]
        yield [one.name, "unknown", *(f"{mean:.4f}" for mean in np.mean(found, axis=0))]
    for shape in shapes:
        found = [fitted(shape, seed) for seed in arguments.seeds]
        yield [f"made {shape}", *(f"{mean:.4f}" for mean in np.mean(found, axis=0))]


if __name__ == "__main__":
    main()
