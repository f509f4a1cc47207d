"""Measures how time and memory grow with samples, features, clusters and the latent size.

    python scripts/benchmark_growth.py [--cases 1000000,32,10,10 ...] [--csv FILE.csv]

A case gives the numbers of samples, features, clusters and latent features. Each runs in a process
of its own with one thread, so that its peak memory is its own, and two run at a time. Times are CPU
seconds of this thread, which other processes change little. The start is computed on the features
of a network with random weights, in the parts that a run has; then some steps of training on the
ELBO follow.

The samples are made: each cluster is a curved surface with 8 dimensions and noise around it. From
50,000 features on, they are documents of 100 words instead, in a sparse matrix.

Takes tens of minutes on two cores, most of it for a million samples (outputs/tables/growth.md and
growth_million.md). Needs no data, and some gigabytes of memory.
"""

import csv
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray
from reporting import Report, command_line, report_options

from gammvae.config.schema import Config
from gammvae.data.rows import SparseRows
from gammvae.data.samples import Samples, StreamedSamples, subset
from gammvae.initialization.manifold import Search, first_resolution, manifold_points
from gammvae.initialization.prior import fit_mixture, posteriors, set_prior
from gammvae.initialization.shapes import affords_covariances, shaped
from gammvae.model.building import build_model, build_optimizer
from gammvae.model.vae import MixtureVAE
from gammvae.training.epochs import Stage
from gammvae.training.loop import fit
from gammvae.training.schedules import LearningRate

CASES = (
    *("10000,32,10,10", "100000,32,10,10", "1000000,32,10,10"),
    *("100000,32,100,10", "100000,32,1000,10"),
    *("10000,32,10,64", "10000,32,10,256"),
    *("10000,784,10,10", "10000,10000,10,10", "10000,100000,10,10"),
)
PARTS = ("points", "neighbors", "search", "shapes", "mixture")
COLUMNS = (
    "samples",
    "features",
    "clusters",
    "latent",
    *PARTS,
    "start",
    "start GB",
    "step ms",
    "GB",
)
# From this number of features on, samples are sparse.
SPARSE, WORDS = 50_000, 100
SURFACE, NOISE = 8, 0.1
BATCH, STEPS, EPOCHS = 256, 20, 3
# Cases that run beside each other, if there are as many cores.
AT_A_TIME = 2
CPU = torch.device("cpu")


class Case(NamedTuple):
    """Numbers of samples ``N``, features ``F``, clusters ``K`` and latent features."""

    n_samples: int
    n_features: int
    n_clusters: int
    latent_dim: int

    @property
    def sparse(self) -> bool:
        """Whether the samples are a sparse matrix."""
        return self.n_features >= SPARSE


def surfaces(case: Case) -> NDArray[np.float32]:
    """Samples ``(N, F)`` on a curved surface for each cluster, with noise."""
    rng = np.random.default_rng(0)
    shape = case.n_clusters, SURFACE, case.n_features
    maps = rng.normal(size=shape).astype(np.float32) / np.float32(np.sqrt(SURFACE))
    centers = rng.normal(size=(case.n_clusters, case.n_features))
    labels = rng.integers(case.n_clusters, size=case.n_samples)
    x = np.empty((case.n_samples, case.n_features), np.float32)
    for cluster in range(case.n_clusters):
        rows = np.flatnonzero(labels == cluster)
        at = np.tanh(rng.normal(size=(len(rows), SURFACE)).astype(np.float32) @ maps[cluster])
        x[rows] = centers[cluster] + at + NOISE * rng.standard_normal(at.shape, np.float32)
    return x


def documents(case: Case) -> scipy.sparse.csr_matrix:
    """Documents ``(N, F)`` of 100 words, half of them from the words of their topic."""
    rng = np.random.default_rng(0)
    vocabulary = case.n_features // case.n_clusters
    topics = rng.integers(case.n_clusters, size=case.n_samples)
    own = topics[:, None] * vocabulary + rng.integers(vocabulary, size=(case.n_samples, WORDS // 2))
    other = rng.integers(case.n_features, size=own.shape)
    words = np.concatenate([own, other], axis=1)
    starts = np.arange(0, words.size + 1, WORDS)
    weights = np.full(words.size, 1 / np.sqrt(WORDS), np.float32)
    matrix = scipy.sparse.csr_matrix((weights, words.ravel(), starts), shape=case[:2])
    matrix.sum_duplicates()
    return matrix


def made(case: Case) -> tuple[Samples, Samples]:
    """All samples of a case, and those of an epoch of ``STEPS`` steps, from all over memory."""
    stride = max(1, case.n_samples // (STEPS * BATCH))
    if case.sparse:
        matrix = documents(case)
        rows = SparseRows(matrix), SparseRows(matrix[::stride])
        return StreamedSamples(rows[0], CPU), StreamedSamples(rows[1], CPU)
    x = torch.from_numpy(surfaces(case))
    return x, x[::stride]


class Clock:
    """CPU seconds of the parts of the start."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = {}
        self.began = time.process_time()

    def ends(self, part: str) -> None:
        """Ends a part, with which the next one begins."""
        now = time.process_time()
        self.parts[part], self.began = now - self.began, now


def peak() -> float:
    """Peak resident memory of this process in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def worker(case: Case) -> None:
    """Prints the figures of a case as JSON."""
    from runs import compose_config

    config = compose_config(
        "dataset=mnist",
        *(f"n_clusters={case.n_clusters}", f"architecture.latent_dim={case.latent_dim}"),
        "init.covariances=0.25",  # as for all data but images
    )
    torch.manual_seed(0)
    x, some = made(case)
    model = build_model(config, (case.n_features,), "normal")
    clock = Clock()
    chosen = subset(case.n_samples, config.init.max_samples, 0)
    points = manifold_points(model, x, chosen, 0)
    clock.ends("points")
    search = Search(points, config.init, case.n_clusters, 0)
    resolution = first_resolution(config.init, WORDS / case.n_features if case.sparse else 1.0)
    search.graph(search.neighbors[0], resolution)
    clock.ends("neighbors")
    start = search(resolution)
    clock.ends("search")
    labels = start.labels
    if affords_covariances(*case[:3], config.init.covariances):
        labels = shaped(x, chosen, search.graph(start.n_neighbors, start.resolution), labels)
    clock.ends("shapes")
    q_z = posteriors(model, x, torch.from_numpy(chosen))
    mixture, *_ = fit_mixture(q_z, [labels], case.n_clusters, max_iter=1, tol=0)
    set_prior(model, mixture)
    clock.ends("mixture")
    figures = {**clock.parts, "start": sum(clock.parts.values()), "start GB": peak()}
    del search, q_z, mixture
    print(json.dumps({**figures, "step ms": step(model, some, config), "GB": peak()}))


def step(model: MixtureVAE, x: Samples, config: Config) -> float:
    """CPU milliseconds of a step of training, the median of all epochs but the first."""
    stage = Stage(
        "benchmark", EPOCHS, BATCH, 1.0, "constant", LearningRate("constant"), None, torch.float32
    )
    optimizer = build_optimizer(config.optimizer, model)
    seconds, began = [], time.process_time()
    for _ in fit(model, x, stage, optimizer):
        now = time.process_time()
        seconds.append(now - began)
        began = now
    return 1000 * statistics.median(seconds[1:]) / -(-len(x) // BATCH)


def measured(case: Case) -> dict[str, float]:
    """The figures of a case, from a process of its own."""
    command = [sys.executable, str(Path(__file__)), "--worker", ",".join(map(str, case))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    figures: dict[str, float] = json.loads(output.stdout)
    return figures


def rows(cases: list[Case], path: Path | None) -> Iterator[list[str]]:
    """Yields the row of every case, and writes those known so far to a CSV file."""
    known: list[list[str]] = []
    pool = ThreadPool(min(AT_A_TIME, joblib.cpu_count()))
    for case, figures in zip(cases, pool.imap(measured, cases), strict=True):
        digits = {**dict.fromkeys(figures, 1), "start GB": 2, "GB": 2}
        shown = [f"{figures[name]:.{digits[name]}f}" for name in COLUMNS[len(case) :]]
        known.append([*map(str, case), *shown])
        if path:
            with path.open("w", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([COLUMNS, *known])
        sizes = [f"{size:,}" for size in case]
        sizes[1] += " (sparse)" if case.sparse else ""
        yield [*sizes, *shown]


def case_of(text: str) -> Case:
    """A case from the command line."""
    return Case(*map(int, text.split(",")))


def main() -> None:
    """Prints the table."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("--cases", nargs="+", type=case_of, default=[*map(case_of, CASES)])
    parser.add_argument("--csv", metavar="FILE.csv", type=Path, help="also write the figures here")
    parser.add_argument("--worker", type=case_of, help="measure one case in this process")
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker)
        return
    title = (
        "Growth of the start and of a step of training, each case in a process with one thread.\n"
        f"Times are CPU seconds, of a step milliseconds (batches of {BATCH}, float32, medians of "
        f"{EPOCHS - 1} epochs of {STEPS} steps); memory is the peak in GB, of the start and of all."
    )
    report = Report(arguments, title, ["numpy", "scipy", "scikit-learn"])
    report.table(COLUMNS, rows(arguments.cases, arguments.csv))


if __name__ == "__main__":
    main()
