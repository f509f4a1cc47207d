"""Initial clusters from a partition of the neighbor graph of a network's features.

Notation: ``N`` samples, ``B`` samples of a batch, ``K`` clusters, ``F`` features of the data, ``P``
principal components.
"""

import logging
from itertools import chain
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor

from gammvae.config.schema import Config
from gammvae.config.sections import InitConfig
from gammvae.data.rows import rows_per_chunk
from gammvae.data.samples import Samples, subset
from gammvae.evaluation.metrics import agreement
from gammvae.initialization.graph import (
    Graph,
    Labels,
    Partition,
    consensus,
    graph_of,
    graph_partitions,
    modularity,
    normalized_cut,
)
from gammvae.initialization.neighbors import CPU, neighbors
from gammvae.initialization.shapes import affords_covariances, shaped
from gammvae.initialization.starts import KMeansStarts
from gammvae.system.progress import part_bar

log = logging.getLogger(__name__)

# Principal components for the neighbor search, which hold nearly all of the variance and keep the
# exact search fast, and samples from which they are computed.
COMPONENTS, PCA_SAMPLES = 60, 10_000
# A point has at most 1/PART_OF_CLUSTER as many neighbors as the average cluster has points, but the
# limit is never below FEWEST_NEIGHBORS.
PART_OF_CLUSTER, FEWEST_NEIGHBORS = 4, 3
# Doublings end where all points together would have more neighbors than this: 2.5 GB.
MOST_EDGES = 2**26
# Below this share of nonzero values, samples are treated as documents with word weights. Topics
# differ widely in size, and standard modularity (resolution 1) favors clusters of equal size.
FILLED_BY_WORDS, RESOLUTION_OF_TOPICS = 0.05, 0.25
# The resolution is halved in two cases: if the normalized cut then falls below this share of its
# previous value, which means that a connected cluster had been split; or if the ARI between the two
# halves of the starts is below this value.
FALL_OF_CUT, DOUBTFUL = 1 / 3, 0.7


class Featured(Protocol):
    """Gives the features among which neighbors are looked for; a trained autoencoder does."""

    def features(self, x: Tensor) -> Tensor:
        """Features of samples ``(B, F)``, one row each."""


class Unchanged:
    """Stands in for a network: the features of a sample are the sample."""

    def features(self, x: Tensor) -> Tensor:
        """The samples ``(B, F)`` themselves."""
        return x


@torch.no_grad()
def manifold_points(
    model: Featured, x: Samples, index: NDArray[np.int64], seed: int
) -> NDArray[np.float32]:
    """Principal components of the features of some samples, ``(N, P)``.

    Args:
        model: A trained autoencoder, or anything else with features.
        x: All samples.
        index: Indices of the samples, ``(N,)``.
        seed: Seed of the solver, and of the choice of samples for computing the components.
    """
    size = rows_per_chunk(x.shape[1])

    def features(part: NDArray[np.int64]) -> NDArray[np.float32]:
        chunks = np.split(part, range(size, len(part), size))
        found = (model.features(x[torch.from_numpy(chunk).to(x.device)]).cpu() for chunk in chunks)
        first = next(found)
        # in place, because chunks beside the whole would take twice the memory
        whole = np.empty((len(part), first.shape[1]), np.float32)
        for rows, values in zip(
            np.split(whole, range(size, len(part), size)), chain([first], found), strict=True
        ):
            rows[:] = values.numpy()
        return whole

    sample = features(index[subset(len(index), PCA_SAMPLES, seed)])
    components = min(COMPONENTS, *sample.shape)
    pca = PCA(components, copy=False, svd_solver="randomized", random_state=seed).fit(sample)
    del sample
    parts = np.split(index, range(PCA_SAMPLES, len(index), PCA_SAMPLES))
    return np.concatenate([pca.transform(features(part)).astype(np.float32) for part in parts])


class ManifoldStart(NamedTuple):
    """The partition that the mixture starts from, and figures about it that need no classes.

    Attributes:
        labels: Clusters ``(N,)``.
        modularity: Modularity of the partition in its graph.
        cut: Normalized cut of the partition.
        stability: ARI between the partitions from the first and from the second half of the starts.
        n_neighbors: Neighbors per point in the graph.
        resolution: Resolution of the modularity.
    """

    labels: Labels
    modularity: float
    cut: float
    stability: float
    n_neighbors: int
    resolution: float


def first_resolution(config: InitConfig, filled: float) -> float:
    """The configured resolution, or if there is none a default: 1, or less for documents.

    Args:
        config: Settings of the initialization; ``resolution`` may be ``None``.
        filled: Share of nonzero values in the samples, in [0, 1].
    """
    if config.resolution is not None:
        return config.resolution
    if filled >= FILLED_BY_WORDS:
        return 1.0
    log.info(
        "init: only %.1f %% of the values are nonzero, as in word weights of documents; using "
        "resolution %g",
        *(100 * filled, RESOLUTION_OF_TOPICS),
    )
    return RESOLUTION_OF_TOPICS


def numbers_of_neighbors(config: InitConfig, n_points: int, n_clusters: int) -> list[int]:
    """The numbers of neighbors to try: the configured one, and its allowed doublings.

    No point gets more neighbors than a quarter of the average cluster size (but at least three are
    allowed): a graph that connects different clusters does not show them. Doublings also end where
    the graph would need more than ``MOST_EDGES`` neighbors.

    Args:
        config: Settings with the number of neighbors and the maximum number of doublings.
        n_points: Number of points in the graph.
        n_clusters: ``K``.
    """
    most = max(FEWEST_NEIGHBORS, n_points // (PART_OF_CLUSTER * n_clusters))
    fewest = min(config.n_neighbors, most)
    doubled = [fewest * 2**doubling for doubling in range(1, config.doublings + 1)]
    return [fewest, *(n for n in doubled if n <= min(most, MOST_EDGES // n_points))]


def manifold_start(
    model: Featured,
    x: Samples,
    chosen: NDArray[np.int64],
    config: Config,
    resolution: float,
) -> ManifoldStart:
    """Partitions some samples, as the start of the mixture.

    Args:
        model: A trained autoencoder, or anything else with features.
        x: All samples.
        chosen: Indices of the samples to partition, ``(N,)``.
        config: Configuration of the run, with ``init``, ``n_clusters`` and ``seed``.
        resolution: Resolution of the modularity at which the search begins.
    """
    init, n_clusters, seed = config.init, config.n_clusters, config.seed
    points = manifold_points(model, x, chosen, seed)
    search = Search(points, init, n_clusters, seed, x.device)
    start = search(resolution)
    if not affords_covariances(len(chosen), x.shape[1], n_clusters, init.covariances):
        return start
    graph = search.graph(start.n_neighbors, start.resolution)
    labels = shaped(x, chosen, graph, start.labels)
    figures = modularity(graph, labels), normalized_cut(graph, labels)
    return start._replace(labels=labels, modularity=figures[0], cut=figures[1])


class Search:
    """Searches for the neighbor graph and the resolution that give the best partition.

    If many partitions are about equally good, the result depends on the random start. There are two
    possible reasons. With few neighbors the graph is noisy: their number is doubled until two
    independent halves of the starts lead to the same partition. Or the clusters differ so much in
    size that modularity has to split the large ones somewhere: then the resolution is halved. This
    can also be necessary if all starts agree on where to split.

    Neighbors and the groups of the starts do not depend on the resolution, the groups not on the
    neighbors either. They are found once.

    Args:
        points: Points ``(N, P)``.
        config: Settings of the initialization: number of starts, neighbors, doublings and halvings,
            and the required stability.
        n_clusters: ``K``.
        seed: Seed of all starts.
        device: Device that computes the neighbors.
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
        self.starts = KMeansStarts(points, n_clusters, config.n_init, seed)
        self.nearest: dict[int, NDArray[np.int32]] = {}
        self.neighbors = numbers_of_neighbors(config, len(points), n_clusters)

    def __call__(self, resolution: float) -> ManifoldStart:
        """Searches from a resolution downwards, and returns the selected start."""
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
        """Doubles the neighbors, and returns the first stable start, or else the most stable.

        Args:
            first: Start with the fewest neighbors; its resolution is used for all.
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
        """The best partition for one number of neighbors and one resolution."""
        graph = self.graph(n_neighbors, resolution)
        partition, stability = stable_partition(graph, self.starts, self.n_clusters, self.seed)
        cut = normalized_cut(graph, partition.labels)
        log.info(
            "init: modularity %.4f with %d neighbors per point at resolution %g, cut %.3f, "
            "ARI %.3f between halves of the starts",
            *(partition.modularity, n_neighbors, resolution, cut, stability),
        )
        return ManifoldStart(*partition, cut, stability, n_neighbors, resolution)

    def graph(self, n_neighbors: int, resolution: float) -> Graph:
        """The neighbor graph of the points."""
        if n_neighbors not in self.nearest:
            log.info("init: %d neighbors of %d samples", n_neighbors, len(self.points))
            self.nearest[n_neighbors] = neighbors(self.points, n_neighbors, self.device)
        return graph_of(self.nearest[n_neighbors], resolution)


def stable_partition(
    graph: Graph, starts: KMeansStarts, n_clusters: int, seed: int
) -> tuple[Partition, float]:
    """The best partition of a graph, and its stability: the ARI between halves of the starts."""
    found = []
    with part_bar("init", len(starts), "start") as bar:
        for partition in graph_partitions(graph, starts, n_clusters):
            found.append(partition)
            bar.update()
    return best_and_stability(graph, found, n_clusters, seed)


def best_and_stability(
    graph: Graph, found: list[Partition], n_clusters: int, seed: int
) -> tuple[Partition, float]:
    """The best of all partitions and of consensuses, and the ARI between those of the halves."""
    middle = (len(found) + 1) // 2
    halves = [half for half in (found[:middle], found[middle:]) if half]
    alone = [consensus(graph, half, n_clusters, seed) for half in halves]
    best = consensus(graph, alone, n_clusters, seed)
    return best, agreement([half.labels for half in alone])
