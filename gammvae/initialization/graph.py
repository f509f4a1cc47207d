r"""Partitions of a neighbor graph by modularity, from which the mixture is initialized.

Points on a curved manifold are near their neighbors, although they may be far from their cluster's
mean. So a graph of nearest neighbors says more about the clusters than distances to centers do. A
good partition keeps more of the graph's weight inside its clusters than expected by chance:

.. math:: Q = \sum_c \left( \frac{w_c}{w} - \gamma \left( \frac{v_c}{w} \right)^2 \right)

Here :math:`w` is the weight of all edges, each counted from both ends, and :math:`w_c` the weight
of the edges inside cluster ``c``. The volume :math:`v_c` of the cluster is the weight of all edges
that start at its points. The resolution :math:`\gamma` is 1 for standard modularity. A smaller
resolution penalizes unequal volumes less, so that boundaries follow weak connections more.

References:
    Finding and evaluating community structure in networks (Newman and Girvan, 2004),
    https://arxiv.org/abs/cond-mat/0308217
    Statistical mechanics of community detection (Reichardt and Bornholdt, 2006), for the
    resolution, https://arxiv.org/abs/cond-mat/0603718
    An ensemble learning strategy for graph clustering (Ovelgoenne and Geyer-Schulz, 2012), for the
    core groups in ``consensus``: the sets of points that all starts keep together

Notation: ``N`` points, ``K`` clusters, ``G`` groups, ``D`` features.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
import scipy.sparse
import torch
from numpy.typing import NDArray

from gammvae.initialization.merging import Merging
from gammvae.initialization.moves import Moves
from gammvae.initialization.neighbors import CPU, neighbors
from gammvae.initialization.starts import KMeansStarts
from gammvae.initialization.threads import in_threads

Labels = NDArray[np.int64]
Sparse: TypeAlias = scipy.sparse.csr_matrix

# Maximum number of core groups of all starts, unless there are more clusters; smaller groups are
# dissolved into the others.
MAX_CORE_GROUPS = 1500
SWEEPS = 100
# Number of points whose edges are summed at a time.
POINTS = 2**16


class Graph(NamedTuple):
    """A graph with symmetric weights ``(N, N)``, and the resolution of its modularity."""

    weights: Sparse
    resolution: float = 1.0


class Partition(NamedTuple):
    """Labels ``(N,)`` in ``0 .. K - 1`` and their modularity."""

    labels: Labels
    modularity: float


def neighbor_graph(
    z: NDArray, n_neighbors: int, resolution: float = 1.0, device: torch.device = CPU
) -> Graph:
    """The neighbor graph of ``N`` points: weight 1 if both are neighbors of each other, else 1/2.

    Edges are not weighted by distance: on embeddings of MNIST and USPS, a fuzzy graph as in UMAP
    gave the same partitions.

    Args:
        z: Points ``(N, D)``.
        n_neighbors: Neighbors per point, without the point itself; at most ``N - 1`` are used.
        resolution: Resolution of the modularity.
        device: Device that computes the neighbors.
    """
    return graph_of(neighbors(z, n_neighbors, device), resolution)


def graph_of(nearest: NDArray[np.int32], resolution: float) -> Graph:
    """The neighbor graph of ``N`` points; see ``neighbor_graph``.

    Args:
        nearest: Neighbors of every point, without the point itself, ``(N, n)`` in any order.
        resolution: Resolution of the modularity.
    """
    n_points, n_neighbors = nearest.shape
    ones, starts = np.ones(nearest.size), np.arange(0, nearest.size + 1, n_neighbors)
    graph = scipy.sparse.csr_matrix((ones, nearest.ravel(), starts), (n_points, n_points))
    both = (graph + graph.T).tocsr()
    both.data /= 2  # in place, because the graph of many points takes gigabytes
    return Graph(both, resolution)


def weights_between(graph: Graph, labels: Labels, n_groups: int) -> NDArray[np.float64]:
    """Shares of the graph's weight between every pair of groups, ``(G, G)``, summing to one."""
    indptr, between = graph.weights.indptr, np.zeros(n_groups**2)
    for first in range(0, len(labels), POINTS):
        ends = indptr[first : first + POINTS + 1]
        edges = slice(ends[0], ends[-1])
        cells = np.repeat(labels[first : first + POINTS] * n_groups, np.diff(ends))
        cells += labels[graph.weights.indices[edges]]
        between += np.bincount(cells, graph.weights.data[edges], n_groups**2)
    # symmetric; columns are contiguous, so that numpy sums rows in the order of the groups
    return between.reshape(n_groups, n_groups).T / graph.weights.sum()


def modularity(graph: Graph, labels: Labels) -> float:
    """Modularity ``Q`` of labels ``(N,)``; see the top of this file."""
    weights = weights_between(graph, labels, labels.max() + 1)
    return float(np.trace(weights) - graph.resolution * (weights.sum(1) ** 2).sum())


def normalized_cut(graph: Graph, labels: Labels) -> float:
    """The share of a cluster's volume on edges that leave it, summed over clusters: 0 to ``K``.

    It does not depend on the resolution. It is large if densely connected points are separated, and
    also if single points are split off, because these have almost no weight inside.

    References:
        Normalized cuts and image segmentation (Shi and Malik, 2000)

    Args:
        graph: Graph of ``N`` points.
        labels: Clusters ``(N,)``.
    """
    weights = weights_between(graph, labels, labels.max() + 1)
    volumes = weights.sum(1)
    inside = np.trace(weights / np.where(volumes > 0, volumes, 1)[:, None])
    return float((volumes > 0).sum() - inside)


def membership(labels: Labels, n_groups: int) -> Sparse:
    """Sparse indicator ``(N, G)`` of every point's group; its row is zero if the label is -1."""
    points = np.flatnonzero(labels >= 0)
    ones = np.ones(len(points))
    return scipy.sparse.csr_matrix((ones, (points, labels[points])), (len(labels), n_groups))


def merge(graph: Graph, groups: Labels, n_clusters: int, *, relative: bool) -> Labels:
    """Merges two groups at a time until ``K`` clusters are left; returns their labels ``(N,)``.

    Args:
        graph: Graph of ``N`` points.
        groups: Every point's group, ``(N,)``, at least ``K`` different ones.
        n_clusters: ``K``.
        relative: Whether to merge the two groups with the most weight between them relative to
            chance, instead of the two that raise modularity most. The first keeps weakly connected
            groups apart, the second favors clusters of similar size; neither is better on all data.
    """
    weights = weights_between(graph, groups, groups.max() + 1)
    merging = Merging(weights, None if relative else graph.resolution)
    cluster = np.arange(len(weights))  # (G,), each cluster numbered like one of its groups
    for _ in range(len(weights) - n_clusters):
        kept, gone = merging.best_pair()
        merging.join(kept, gone)
        cluster[cluster == gone] = kept
    names = np.unique(cluster, return_inverse=True)[1]
    return names[groups]


def refine(graph: Graph, labels: Labels, n_clusters: int, rng: np.random.Generator) -> Partition:
    """Moves points to the cluster where they raise modularity most, until no move raises it.

    Each sweep moves a random half of the points that would gain, so that neighbors do not swap
    clusters forever. Returns the best partition found within ``SWEEPS`` sweeps.
    """
    moves = Moves(*graph, labels, n_clusters)
    best = Partition(labels, modularity(graph, labels))
    for sweep in range(SWEEPS + 1):
        moving, targets = moves.gainful()
        if sweep and np.bincount(moves.labels, minlength=n_clusters).all():
            best = better(best, Partition(moves.labels, moves.modularity()))
        if sweep == SWEEPS or not moving.size:
            break
        chosen = rng.random(len(moving)) < 0.5
        moves.make(moving[chosen], targets[chosen])
    return best


def better(first: Partition, second: Partition) -> Partition:
    """The one of higher modularity, the first if they are equal."""
    return second if second.modularity > first.modularity else first


def graph_partitions(graph: Graph, starts: KMeansStarts, n_clusters: int) -> Iterator[Partition]:
    """Yields a partition for each start: its groups, merged and refined.

    Args:
        graph: Graph of ``N`` points.
        starts: Groups of the points.
        n_clusters: ``K``.
    """

    def found(number: int) -> Partition:
        groups, seed = starts[number]
        rng = np.random.default_rng(seed)
        return partition(graph, groups, n_clusters, rng, relative=number % 2 == 1)

    starts.find(torch.get_num_threads())
    return in_threads(found, range(len(starts)))


def partition(
    graph: Graph,
    groups: NDArray[np.integer],
    n_clusters: int,
    rng: np.random.Generator,
    *,
    relative: bool,
) -> Partition:
    """Merges smaller groups ``(N,)`` into ``K`` clusters and refines them; see ``merge``."""
    names = np.unique(groups, return_inverse=True)[1]
    merged = merge(graph, names, n_clusters, relative=relative)
    return refine(graph, merged, n_clusters, rng)


def consensus(graph: Graph, partitions: list[Partition], n_clusters: int, seed: int) -> Partition:
    """The best of the given partitions and of two more that are merged from their core groups.

    A core group is a set of points that no partition separates. Merging core groups keeps what all
    partitions agree on, and decides again only where they differ.
    """
    groups = core_groups([found.labels for found in partitions])
    groups = dissolve_small(graph, groups, max(MAX_CORE_GROUPS, n_clusters))
    best = partitions[0]
    for relative in (False, True):
        rng = np.random.default_rng(seed)
        best = better(best, partition(graph, groups, n_clusters, rng, relative=relative))
    for found in partitions[1:]:
        best = better(best, found)
    return best


def core_groups(labelings: list[Labels]) -> Labels:
    """The sets of points that no labeling separates, ``(N,)``, ordered by the points' labels."""
    groups = np.zeros(len(labelings[0]), np.int64)
    for labels in labelings:
        groups = np.unique(groups * (labels.max() + 1) + labels, return_inverse=True)[1]
    return groups


def dissolve_small(graph: Graph, groups: Labels, n_groups: int) -> Labels:
    """Moves the points of all but the ``n_groups`` largest groups to their neighbors' groups."""
    sizes = np.bincount(groups)
    if len(sizes) <= n_groups:
        return groups
    name = np.full(len(sizes), -1)
    name[np.argsort(-sizes, kind="stable")[:n_groups]] = np.arange(n_groups)
    groups = name[groups]
    while (left := np.flatnonzero(groups < 0)).size:
        weights = graph.weights[left] @ membership(groups, n_groups)  # (left, G)
        reached = np.asarray(weights.sum(1)).ravel() > 0
        if not reached.any():  # they are not connected to any large group
            groups[left] = 0
            break
        groups[left[reached]] = np.asarray(weights[reached].argmax(1)).ravel()
    return groups
