"""Clusters as parts of the neighbor graph that a network's features span.

Letters: ``N`` samples, ``K`` clusters, ``P`` principal components.
"""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from tqdm import tqdm

from gammvae.config import InitConfig
from gammvae.graph import Graph, Labels, consensus, graph_partitions, neighbor_graph
from gammvae.metrics import agreement
from gammvae.model import MixtureVAE
from gammvae.samples import Samples, rows_per_chunk, subset

log = logging.getLogger(__name__)

# Exact neighbors are found fast among this many features, which hold nearly all of the variance.
COMPONENTS, PCA_SAMPLES = 60, 10_000
# A point's neighbors are at most the n-th part of a cluster of mean size, or so few.
PART_OF_CLUSTER, FEWEST_NEIGHBORS = 4, 3
# Documents as weights of words: hardly any differs from zero, and topics are anything but equal in
# size, as the resolution of modularity proper has it.
FILLED_BY_WORDS, RESOLUTION_OF_TOPICS = 0.05, 0.25


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


class GraphSettings(NamedTuple):
    """Neighbors per point of a graph, and the resolution of modularity in it."""

    n_neighbors: int
    resolution: float


class ManifoldStart(NamedTuple):
    """The partition that the mixture starts from, and figures about it that need no classes.

    Attributes:
        labels: Clusters ``(N,)``.
        modularity: Of the partition in its graph.
        stability: ARI of the partitions that either half of the starts alone leads to.
        n_neighbors: Neighbors per point of that graph.
        resolution: Of the modularity.
    """

    labels: Labels
    modularity: float
    stability: float
    n_neighbors: int
    resolution: float


def first_resolution(config: InitConfig, filled: float) -> float:
    """The configured resolution; if there is none, 1, or less for documents.

    Args:
        config: With a resolution or without.
        filled: The share of values in the samples that are not zero.
    """
    if config.resolution is not None:
        return config.resolution
    if filled >= FILLED_BY_WORDS:
        return 1.0
    log.info(
        "init: only %.1f %% of the values are not zero, as of words in documents: resolution %g",
        *(100 * filled, RESOLUTION_OF_TOPICS),
    )
    return RESOLUTION_OF_TOPICS


def manifold_labels(
    points: NDArray,
    graphs: Sequence[GraphSettings],
    config: InitConfig,
    n_clusters: int,
    seed: int,
) -> ManifoldStart:
    """The partition of highest modularity in the first neighbor graph that gives a stable one.

    Where many partitions are about as good as each other, what is found depends on the start. Two
    things can be the reason. Few neighbors leave the graph rough: they are doubled until two
    independent halves of the starts lead to the same. Or the clusters differ so much in size that
    modularity has to cut the large ones somewhere: then its resolution is halved, and the
    neighbors begin anew.

    Args:
        points: ``(N, P)``.
        graphs: What is tried, in this order; see ``tried_graphs``.
        config: Starts, and stability asked for.
        n_clusters: ``K``.
        seed: Seed of all starts.
    """
    best: ManifoldStart | None = None
    for tried in graphs:
        graph = neighbor_graph(points, *tried)
        partition = stable_partition(points, graph, config.n_init, n_clusters, seed)
        found = ManifoldStart(*partition, *tried)
        log.info(
            "init: modularity %.4f with %d neighbors a point at resolution %g, "
            "stable to ARI %.3f over the starts",
            *(found.modularity, *tried, found.stability),
        )
        if best is None or found.stability > best.stability:
            best = found
        if found.stability >= config.stability:
            break
    assert best is not None
    return best


def tried_graphs(
    config: InitConfig, filled: float, n_points: int, n_clusters: int
) -> list[GraphSettings]:
    """Graphs in the order in which they are tried.

    No point gets more neighbors than a quarter of the points that a cluster has on average: a graph
    that reaches beyond the clusters does not show them.

    Args:
        config: Neighbors of a point, resolution, how often they are doubled and halved.
        filled: The share of values in the samples that are not zero.
        n_points: Points of the graph.
        n_clusters: ``K``.
    """
    most = max(FEWEST_NEIGHBORS, n_points // (PART_OF_CLUSTER * n_clusters))
    neighbors = [config.n_neighbors * 2**doubling for doubling in range(config.doublings + 1)]
    possible = [n for n in neighbors if n <= most] or [min(config.n_neighbors, most)]
    first = first_resolution(config, filled)
    resolutions = [first / 2**halving for halving in range(config.halvings + 1)]
    return [GraphSettings(n, resolution) for resolution in resolutions for n in possible]


def stable_partition(
    points: NDArray, graph: Graph, n_init: int, n_clusters: int, seed: int
) -> tuple[Labels, float, float]:
    """The best partition of a graph, its modularity, and how little it depends on the starts."""
    starts = []
    with tqdm(total=n_init, desc="init", unit="start", disable=None) as bar:
        for start in graph_partitions(points, graph, n_clusters, n_init, seed):
            starts.append(start)
            bar.update()
    middle = (n_init + 1) // 2
    halves = [half for half in (starts[:middle], starts[middle:]) if half]
    alone = [consensus(graph, half, n_clusters, seed) for half in halves]
    best = consensus(graph, alone, n_clusters, seed)
    return best.labels, best.modularity, agreement([half.labels for half in alone])
