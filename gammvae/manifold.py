"""Clusters as parts of the neighbor graph that a network's features span.

Letters: ``N`` samples, ``K`` clusters, ``P`` principal components.
"""

import logging

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


def manifold_labels(
    points: NDArray, config: InitConfig, n_clusters: int, seed: int
) -> tuple[Labels, dict[str, float]]:
    """The best partition ``(N,)`` over several starts, and figures about it that need no labels.

    Args:
        points: ``(N, P)``.
        config: Starts, and neighbors of a point.
        n_clusters: ``K``.
        seed: Seed of all starts.
    """
    graph = neighbor_graph(points, config.n_neighbors)
    starts = []
    with tqdm(total=config.n_init, desc="init", unit="start", disable=None) as bar:
        for start in graph_partitions(points, graph, n_clusters, config.n_init, seed):
            starts.append(start)
            bar.update()
    best = consensus(graph, starts, n_clusters, seed)
    return best.labels, {
        "modularity": best.modularity,
        "start_modularity": max(start.modularity for start in starts),
        "start_agreement": agreement([start.labels for start in starts]),
    }


def renewed_labels(
    points: NDArray, labels: Labels, config: InitConfig, n_clusters: int, seed: int
) -> Labels:
    """Labels ``(N,)`` moved to a maximum of modularity in the neighbor graph of new points.

    Args:
        points: ``(N, P)``.
        labels: Where to start from.
        config: Neighbors of a point.
        n_clusters: ``K``.
        seed: Of the order in which points move.
    """
    graph = neighbor_graph(points, config.n_neighbors)
    return refine(graph, labels, n_clusters, np.random.default_rng(seed)).labels
