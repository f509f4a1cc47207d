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

from gammvae.config.schema import Config, InitConfig
from gammvae.data.samples import Samples, rows_per_chunk, subset
from gammvae.evaluation.metrics import agreement
from gammvae.initialization.graph import (
    CPU,
    Graph,
    Labels,
    Partition,
    consensus,
    graph_partitions,
    modularity,
    neighbor_graph,
    normalized_cut,
)
from gammvae.initialization.shapes import affords_covariances, shaped
from gammvae.model.vae import MixtureVAE

log = logging.getLogger(__name__)

# Exact neighbors are found fast among this many features, which hold nearly all of the variance.
COMPONENTS, PCA_SAMPLES = 60, 10_000
# A point's neighbors are at most the n-th part of a cluster of mean size, or so few.
PART_OF_CLUSTER, FEWEST_NEIGHBORS = 4, 3
# Documents as weights of words: hardly any differs from zero, and topics are anything but equal in
# size, as the resolution of modularity proper has it.
FILLED_BY_WORDS, RESOLUTION_OF_TOPICS = 0.05, 0.25
# The resolution is halved if the normalized cut falls to less than this share of what it was, which
# means that a cluster had been cut in two though it hangs together; or if halves of the starts do
# not even agree to this ARI.
FALL_OF_CUT, DOUBTFUL = 1 / 3, 0.7


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
        cut: Its normalized cut.
        stability: ARI of the partitions that either half of the starts alone leads to.
        n_neighbors: Neighbors per point of that graph.
        resolution: Of the modularity.
    """

    labels: Labels
    modularity: float
    cut: float
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


def numbers_of_neighbors(config: InitConfig, n_points: int, n_clusters: int) -> list[int]:
    """The configured number of neighbors, doubled as often as it may be.

    No point gets more neighbors than a quarter of the points that a cluster has on average: a graph
    that reaches beyond the clusters does not show them.

    Args:
        config: Neighbors of a point, and how often they may be doubled.
        n_points: Points of the graph.
        n_clusters: ``K``.
    """
    most = max(FEWEST_NEIGHBORS, n_points // (PART_OF_CLUSTER * n_clusters))
    neighbors = [config.n_neighbors * 2**doubling for doubling in range(config.doublings + 1)]
    return [n for n in neighbors if n <= most] or [min(config.n_neighbors, most)]


def manifold_start(
    model: MixtureVAE,
    x: Samples,
    chosen: NDArray[np.int64],
    config: Config,
    resolution: float,
) -> ManifoldStart:
    """The partition of some samples that the mixture starts from.

    Args:
        model: A trained autoencoder.
        x: All samples.
        chosen: Indices of those that are partitioned, ``(N,)``.
        config: ``init``, ``n_clusters`` and ``seed``.
        resolution: Of the modularity, to begin with.
    """
    init, n_clusters, seed = config.init, config.n_clusters, config.seed
    points = manifold_points(model, x, chosen, seed)
    start = Search(points, init, n_clusters, seed, x.device)(resolution)
    if not affords_covariances(len(chosen), x.shape[1], n_clusters, init.covariances):
        return start
    graph = neighbor_graph(points, start.n_neighbors, start.resolution, x.device)
    labels = shaped(x, chosen, graph, start.labels)
    figures = modularity(graph, labels), normalized_cut(graph, labels)
    return start._replace(labels=labels, modularity=figures[0], cut=figures[1])


class Search:
    """Looks for the graph and the resolution whose best partition to start from.

    Where many partitions are about as good as each other, what is found depends on the start. Two
    things can be the reason. Few neighbors leave the graph rough: they are doubled until two
    independent halves of the starts lead to the same. Or the clusters differ so much in size that
    modularity has to cut the large ones somewhere: then its resolution has to be halved. That may
    also be so where all starts agree on where to cut.

    Args:
        points: ``(N, P)``.
        config: Starts, neighbors, stability asked for, how often the resolution may be halved.
        n_clusters: ``K``.
        seed: Seed of all starts.
        device: Where neighbors are looked for.
    """

    def __init__(
        self,
        points: NDArray,
        config: InitConfig,
        n_clusters: int,
        seed: int,
        device: torch.device = CPU,
    ) -> None:
        self.points, self.config, self.device = points, config, device
        self.n_clusters, self.seed = n_clusters, seed
        self.neighbors = numbers_of_neighbors(config, len(points), n_clusters)

    def __call__(self, resolution: float) -> ManifoldStart:
        """The start that is taken, beginning with a resolution."""
        first = self.at(self.neighbors[0], resolution)
        best = self.most_stable(first)
        for _ in range(self.config.halvings):
            lower = self.at(self.neighbors[0], first.resolution / 2)
            uncut = lower.cut < FALL_OF_CUT * first.cut
            if not uncut and best.stability >= DOUBTFUL:
                break
            most_stable = self.most_stable(lower)
            if not uncut and most_stable.stability <= best.stability:
                break
            first, best = lower, most_stable
        return best

    def most_stable(self, first: ManifoldStart) -> ManifoldStart:
        """The first stable one, or else the most stable, as the neighbors are doubled.

        Args:
            first: With the fewest neighbors.
        """
        found = best = first
        for n_neighbors in self.neighbors[1:]:
            if found.stability >= self.config.stability:
                break
            found = self.at(n_neighbors, first.resolution)
            if found.stability > best.stability:
                best = found
        return best

    def at(self, n_neighbors: int, resolution: float) -> ManifoldStart:
        """The best partition of one graph."""
        graph = neighbor_graph(self.points, n_neighbors, resolution, self.device)
        partition, stability = stable_partition(
            self.points, graph, self.config.n_init, self.n_clusters, self.seed
        )
        cut = normalized_cut(graph, partition.labels)
        log.info(
            "init: modularity %.4f with %d neighbors a point at resolution %g, cut %.3f, "
            "stable to ARI %.3f over the starts",
            *(partition.modularity, n_neighbors, resolution, cut, stability),
        )
        return ManifoldStart(*partition, cut, stability, n_neighbors, resolution)


def stable_partition(
    points: NDArray, graph: Graph, n_init: int, n_clusters: int, seed: int
) -> tuple[Partition, float]:
    """The best partition of a graph, and how little it depends on the starts."""
    starts = []
    with tqdm(total=n_init, desc="init", unit="start", disable=None) as bar:
        for start in graph_partitions(points, graph, n_clusters, n_init, seed):
            starts.append(start)
            bar.update()
    middle = (n_init + 1) // 2
    halves = [half for half in (starts[:middle], starts[middle:]) if half]
    alone = [consensus(graph, half, n_clusters, seed) for half in halves]
    best = consensus(graph, alone, n_clusters, seed)
    return best, agreement([half.labels for half in alone])
