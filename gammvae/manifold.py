"""Clusters as parts of the neighbor graph that a network's features span.

Letters: ``N`` samples, ``K`` clusters, ``P`` principal components.
"""

import logging
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from tqdm import tqdm

from gammvae.config import InitConfig
from gammvae.graph import Labels, consensus, graph_partitions, neighbor_graph, refine
from gammvae.metrics import agreement
from gammvae.model import MixtureVAE
from gammvae.samples import Samples, rows_per_chunk, subset

log = logging.getLogger(__name__)

# Exact neighbors are found fast among this many features, which hold nearly all of the variance.
COMPONENTS, PCA_SAMPLES = 60, 10_000


@torch.no_grad()
def manifold_points(
    model: MixtureVAE, x: Samples, index: NDArray[np.int64], seed: int
) -> NDArray[np.float32]:
    """Principal components of the features of some samples, ``(N, P)``.

    Args:
        model: A trained autoencoder.
        x: All samples.
        index: Which of them, ``(N,)``.
        seed: Of the samples that the components are found on, and of their solver.
    """
    size = rows_per_chunk(x.shape[1])

    def features(part: NDArray[np.int64]) -> NDArray[np.float32]:
        chunks = np.split(part, range(size, len(part), size))
        rows = (x[torch.from_numpy(chunk).to(x.device)] for chunk in chunks)
        return np.concatenate([model.features(batch).cpu().numpy() for batch in rows])

    sample = features(index[subset(len(index), PCA_SAMPLES, seed)])
    components = min(COMPONENTS, *sample.shape)
    pca = PCA(components, svd_solver="randomized", random_state=seed).fit(sample)
    parts = np.split(index, range(PCA_SAMPLES, len(index), PCA_SAMPLES))
    return np.concatenate([pca.transform(features(part)).astype(np.float32) for part in parts])


class ManifoldStart(NamedTuple):
    """The partition that the mixture starts from, and figures about it that need no classes.

    Attributes:
        labels: Clusters ``(N,)``.
        modularity: Of the partition in its graph.
        n_neighbors: Neighbors per point of that graph.
        stability: ARI of the partitions that either half of the starts alone leads to.
    """

    labels: Labels
    modularity: float
    n_neighbors: int
    stability: float


def manifold_labels(
    points: NDArray, config: InitConfig, n_clusters: int, seed: int
) -> ManifoldStart:
    """The partition of highest modularity in the first neighbor graph that gives a stable one.

    Where few neighbors leave many partitions about as good as each other, what is found depends on
    the start. More neighbors smooth the graph, so they are doubled until two independent halves of
    the starts lead to the same.

    Args:
        points: ``(N, P)``.
        config: Starts, neighbors of a point, stability asked for.
        n_clusters: ``K``.
        seed: Seed of all starts.
    """
    best: ManifoldStart | None = None
    for doubling in range(config.doublings + 1):
        n_neighbors = config.n_neighbors * 2**doubling
        if best is not None and n_neighbors >= len(points):
            break
        found = stable_partition(points, n_neighbors, config.n_init, n_clusters, seed)
        if best is None or found.stability > best.stability:
            best = found
        if found.stability >= config.stability:
            break
    assert best is not None
    return best


def stable_partition(
    points: NDArray, n_neighbors: int, n_init: int, n_clusters: int, seed: int
) -> ManifoldStart:
    """The partition of one graph, and whether it depends on the starts."""
    graph = neighbor_graph(points, n_neighbors)
    starts = []
    name = f"init, {n_neighbors} neighbors"
    with tqdm(total=n_init, desc=name, unit="start", disable=None) as bar:
        for start in graph_partitions(points, graph, n_clusters, n_init, seed):
            starts.append(start)
            bar.update()
    middle = (n_init + 1) // 2
    halves = [half for half in (starts[:middle], starts[middle:]) if half]
    alone = [consensus(graph, half, n_clusters, seed) for half in halves]
    best = consensus(graph, alone, n_clusters, seed)
    stability = agreement([half.labels for half in alone])
    log.info(
        "init: modularity %.4f with %d neighbors a point, stable to ARI %.3f over the starts",
        *(best.modularity, n_neighbors, stability),
    )
    return ManifoldStart(best.labels, best.modularity, n_neighbors, stability)


def renewed_labels(
    points: NDArray, labels: Labels, n_neighbors: int, n_clusters: int, seed: int
) -> Labels:
    """Labels ``(N,)`` moved to a maximum of modularity in the neighbor graph of new points.

    Args:
        points: ``(N, P)``.
        labels: Where to start from.
        n_neighbors: Neighbors per point.
        n_clusters: ``K``.
        seed: Of the order in which points move.
    """
    graph = neighbor_graph(points, n_neighbors)
    return refine(graph, labels, n_clusters, np.random.default_rng(seed)).labels
