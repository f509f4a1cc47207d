"""Compares ways to initialize the mixture, on the autoencoders of finished runs.

    python scripts/benchmark_starts.py outputs/accuracy/usps/default/seed=0 [MORE_RUNS...]

Each method runs with two seeds. Besides accuracy, the table shows the agreement of the two
partitions, which needs no classes. Methods on the posterior means: k-means and a full-covariance
mixture. Methods on the neighbor graph of the middle layers: scikit-learn's spectral clustering (up
to 20,000 samples), a mixture on UMAP's embedding (if umap-learn is installed), and modularity at
several numbers of neighbors and resolutions. The share of a sample's neighbors that belong to its
class limits the accuracy of the methods on the graph.

Takes two minutes for digits and eight for the 10,299 samples of hhar on two cores
(outputs/tables/starts.md). Needs finished runs with pretrain.pt, of datasets with classes.
"""

import importlib.util
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from reporting import Report, command_line, report_options
from sklearn.cluster import KMeans, SpectralClustering
from sklearn.mixture import GaussianMixture

from gammvae.cli.reuse import usable_config
from gammvae.evaluation.metrics import agreement, clustering_metrics
from gammvae.initialization.graph import Graph, neighbor_graph
from gammvae.initialization.manifold import manifold_points, stable_partition
from gammvae.initialization.prior import posteriors
from gammvae.initialization.starts import KMeansStarts
from gammvae.runs.checkpoints import load_checkpoint
from gammvae.runs.directory import RunDirectory
from gammvae.training.workspace import Workspace

NEIGHBORS, RESOLUTIONS = (20, 40, 80), (1.0, 0.5, 0.25)
SPECTRAL_SAMPLES = 20_000
SEEDS = (0, 1)
COLUMNS = ("start", "ACC", "NMI", "ARI", "agreement of two seeds (ARI)", "seconds")
Labels = NDArray[np.int64]


class Way(NamedTuple):
    """An initialization method: a name, and a function from a seed to cluster labels ``(N,)``."""

    name: str
    labels: Callable[[int], Labels]


def pretrained(directory: RunDirectory) -> tuple[Workspace, NDArray]:
    """A finished run with the weights after pretraining, and the classes of its samples.

    Raises:
        FileNotFoundError: The run has no ``pretrain.pt``.
        ValueError: The dataset has no classes.
    """
    experiment = Workspace(usable_config(directory, {}, None), directory)
    if experiment.classes is None:
        raise ValueError(f"{directory.path}: its dataset has no classes")
    model, digest = experiment.model, experiment.digest
    if load_checkpoint(directory, "pretrain", model, None, digest) is None:
        raise FileNotFoundError(f"{directory / 'pretrain.pt'} is missing")
    return experiment, experiment.classes


def embedding(experiment: Workspace) -> NDArray:
    """Posterior means of all samples, ``(N, D)``."""
    index = torch.arange(len(experiment.x), device=experiment.device)
    return posteriors(experiment.model, experiment.x, index).mean.cpu().numpy()


def ways(experiment: Workspace, code: NDArray, points: NDArray) -> Iterator[Way]:
    """Yields all methods, for posterior means ``(N, D)`` and middle-layer features ``(N, P)``."""
    k, starts = experiment.config.n_clusters, experiment.config.init.n_init
    yield Way("k-means", lambda seed: KMeans(k, n_init=10, random_state=seed).fit_predict(code))
    yield Way("full-covariance mixture", lambda seed: mixture(code, k, seed))
    if len(points) <= SPECTRAL_SAMPLES:
        weights = neighbor_graph(points, NEIGHBORS[0]).weights
        yield Way(
            f"spectral clustering, {NEIGHBORS[0]} neighbors",
            lambda seed: SpectralClustering(
                k, affinity="precomputed", assign_labels="cluster_qr", random_state=seed
            ).fit_predict(weights),
        )
    if importlib.util.find_spec("umap"):
        yield Way(f"UMAP, {NEIGHBORS[0]} neighbors, mixture", lambda seed: on_umap(points, k, seed))
    for n_neighbors in NEIGHBORS:
        for resolution in RESOLUTIONS:
            graph = neighbor_graph(points, n_neighbors, resolution)
            yield Way(
                f"modularity, {n_neighbors} neighbors, resolution {resolution:g}",
                partial(modular, points, graph, starts, k),
            )


def mixture(points: NDArray, n_clusters: int, seed: int) -> Labels:
    """Clusters of a Gaussian mixture with full covariances, the best of ten starts."""
    gmm = GaussianMixture(n_clusters, n_init=10, random_state=seed, reg_covar=1e-6 * points.var())
    return gmm.fit_predict(points.astype(np.float64)).astype(np.int64)


def on_umap(points: NDArray, n_clusters: int, seed: int) -> Labels:
    """Clusters of a Gaussian mixture on UMAP's densest embedding (``min_dist=0``)."""
    from umap import UMAP

    reducer = UMAP(NEIGHBORS[0], n_clusters, min_dist=0.0, random_state=seed, n_jobs=1)
    return mixture(reducer.fit_transform(points), n_clusters, seed)


def modular(points: NDArray, graph: Graph, n_init: int, n_clusters: int, seed: int) -> Labels:
    """The partition with the highest modularity."""
    starts = KMeansStarts(points, n_clusters, n_init, seed)
    return stable_partition(graph, starts, n_clusters, seed)[0].labels


def purity(points: NDArray, classes: NDArray, n_neighbors: int) -> float:
    """Share of the edge weight of the neighbor graph that lies within classes."""
    edges = neighbor_graph(points, n_neighbors).weights.tocoo()
    within = classes[edges.row] == classes[edges.col]
    return float(edges.data[within].sum() / edges.data.sum())


def compare(report: Report, path: Path) -> None:
    """Adds the table of one run to the report."""
    directory = RunDirectory(path)
    experiment, classes = pretrained(directory)
    index = np.arange(len(experiment.x))
    points = manifold_points(experiment.model, experiment.x, index, experiment.config.seed)
    result = directory.read_result()
    pure = ", ".join(f"{purity(points, classes, n):.3f} at {n}" for n in NEIGHBORS)
    report.paragraph(
        f"**{result['dataset']}**, seed {result['seed']}: neighbors of the same class {pure}; "
        f"the finished run has ACC {result['metrics']['acc']:.4f}"
    )
    tried = ways(experiment, embedding(experiment), points)
    report.table(COLUMNS, (row(way, classes) for way in tried))


def row(way: Way, classes: NDArray) -> list[str]:
    """The table row of one method: means over seeds, and the agreement of the seeds."""
    began = time.perf_counter()
    found = [way.labels(seed) for seed in SEEDS]
    seconds = (time.perf_counter() - began) / len(SEEDS)
    judged = [clustering_metrics(classes, labels) for labels in found]
    means = [f"{np.mean([each[m] for each in judged]):.4f}" for m in ("acc", "nmi", "ari")]
    return [way.name, *means, f"{agreement(found):.3f}", f"{seconds:.0f}"]


def main() -> None:
    """Prints the tables."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("runs", nargs="+", type=Path, help="finished runs")
    arguments = parser.parse_args()
    report = Report(
        arguments,
        f"Starts of the mixture, means of seeds {' and '.join(map(str, SEEDS))}.",
    )
    for path in arguments.runs:
        compare(report, path)


if __name__ == "__main__":
    main()
