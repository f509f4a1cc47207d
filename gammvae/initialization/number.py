r"""Chooses the number of clusters: the largest whose clusters are all found in other samples too.

For every candidate ``K``, the neighbor graph of the points is partitioned by modularity, and so are
the graphs of a few random subsamples. A cluster :math:`C` is recovered in a subsample as far as the
most similar cluster :math:`D` there has the same points of the subsample: by the Jaccard index
:math:`|C \cap D| / |C \cup D|`. Its recovery is the mean over the subsamples, that of a partition
the mean over its points.

With too many clusters, where one is divided depends on the subsample. With too few, it may depend
on the subsample which groups are put together; or it does not, if groups of clusters are clusters
of a larger kind. So the choice is the largest number all of whose clusters are stable, and nearly
as stable as those of the most stable number. If a cluster is unstable for every number, the data
support none of them; the choice is then the smallest that has nearly the best recovery of a
partition.

References:
    Cluster-wise assessment of cluster stability (Hennig, 2007),
    https://doi.org/10.1016/j.csda.2006.11.025, for the Jaccard index between a cluster and those of
    resampled data, and for the values below which a cluster is no pattern
    Cluster validation by prediction strength (Tibshirani and Walther, 2005),
    https://doi.org/10.1198/106186005X59243, for the largest number whose worst cluster is stable
    Clustering stability: an overview (von Luxburg, 2010), https://arxiv.org/abs/1007.1075

Notation: ``N`` points, ``K`` clusters, ``P`` features of the points.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from gammvae.data.samples import subset
from gammvae.evaluation.assignments import SILHOUETTE_SAMPLES, silhouette
from gammvae.evaluation.metrics import agreement
from gammvae.initialization.graph import (
    Graph,
    Labels,
    Partition,
    better,
    graph_of,
    merge,
    partition,
)
from gammvae.initialization.neighbors import CPU, neighbors
from gammvae.initialization.starts import KMeansStarts
from gammvae.initialization.threads import in_threads
from gammvae.system.progress import part_bar

# Number of samples among which clusters are looked for; more show the same clusters.
SAMPLES = 10_000
# Subsamples, their share of the points, and starts of a partition of each and of all points.
SUBSAMPLES, SHARE, STARTS_OF_SUBSAMPLE, STARTS = 10, 0.8, 2, 6
# A graph with more neighbors connects clusters of fewer points than some times their number.
NEIGHBORS, FEWEST, PART_OF_POINTS = 20, 3, 20
# Clusters are stable from this recovery on ("highly stable" in Hennig's words).
STABLE = 0.85
# A recovery is nearly as good as the best if it is lower by at most this: that of the weakest
# cluster, and that of a partition, which is a mean and varies less.
NEARLY_AS_STABLE, NEARLY = 0.05, 0.03
MOST_RUNNERS_UP = 3


class Candidate(NamedTuple):
    """Figures of a number of clusters.

    Attributes:
        n_clusters: ``K``.
        recovery: Mean recovery of the points' clusters in subsamples, in [0, 1].
        weakest: Recovery of the cluster that is recovered least, in [0, 1].
        agreement: Mean ARI between the partitions of two subsamples, on the points in both.
        modularity: Of the partition of all points.
        silhouette: Of this partition among the points, in [-1, 1]; ``None`` if it is undefined.
    """

    n_clusters: int
    recovery: float
    weakest: float
    agreement: float
    modularity: float
    silhouette: float | None


class Verdict(NamedTuple):
    """The choice among candidates.

    Attributes:
        n_clusters: The number that is chosen.
        supported: Whether all of its clusters are stable; if not, the data support no number.
        runners_up: Others that are as stable and whose recovery is higher than that of the numbers
            beside them, the best first; none if the data support no number.
    """

    n_clusters: int
    supported: bool
    runners_up: list[int]


def verdict(curve: Sequence[Candidate]) -> Verdict:
    """The largest number of stable clusters, or if there is none the smallest that is nearly best.

    Args:
        curve: The candidates in ascending order, at least one.
    """
    recoveries = [one.recovery for one in curve]
    enough = max(STABLE, max(one.weakest for one in curve) - NEARLY_AS_STABLE)
    stable = [one for one in reversed(curve) if one.weakest >= enough]
    if not stable:
        nearly = [one for one in curve if one.recovery >= max(recoveries) - NEARLY]
        return Verdict(nearly[0].n_clusters, False, [])
    beside = [-1.0, *recoveries, -1.0]
    peaks = {
        one.n_clusters
        for one, before, after in zip(curve, beside, beside[2:], strict=False)
        if one.recovery >= max(before, after)
    }
    others = [one for one in stable[1:] if one.n_clusters in peaks]
    others.sort(key=lambda one: -one.recovery)
    runners_up = [one.n_clusters for one in others[:MOST_RUNNERS_UP]]
    return Verdict(stable[0].n_clusters, True, runners_up)


class Sampled:
    """Some of the points, with their neighbor graph and the groups that partitions merge.

    Groups are merged in the same order for every number of clusters, so those for the largest are
    kept and merged further for the others.

    Args:
        points: Points ``(N, P)``.
        resolution: Resolution of the modularity.
        n_init: Number of starts of a partition.
        most: The largest number of clusters.
        seed: Seed of all starts.
        device: Device that computes the neighbors.
    """

    def __init__(
        self,
        points: NDArray,
        resolution: float,
        n_init: int,
        most: int,
        seed: int,
        device: torch.device,
    ) -> None:
        n_neighbors = max(FEWEST, min(NEIGHBORS, len(points) // PART_OF_POINTS))
        self.graph: Graph = graph_of(neighbors(points, n_neighbors, device), resolution)
        starts = KMeansStarts(points, most, n_init, seed)
        self.seeds = starts.seeds

        def merged(number: int) -> Labels:
            names = np.unique(starts[number].groups, return_inverse=True)[1]
            return merge(self.graph, names, most, relative=number % 2 == 1)

        self.groups = list(in_threads(merged, range(n_init)))

    def partition(self, n_clusters: int) -> Partition:
        """The best partition of all starts into ``K`` clusters."""

        def one(number: int) -> Partition:
            rng = np.random.default_rng(self.seeds[number])
            relative = number % 2 == 1
            return partition(self.graph, self.groups[number], n_clusters, rng, relative=relative)

        found = in_threads(one, range(len(self.groups)))
        best = next(found)
        for other in found:
            best = better(best, other)
        return best


def curve(
    points: NDArray,
    candidates: Sequence[int],
    resolution: float,
    seed: int,
    device: torch.device = CPU,
) -> Iterator[Candidate]:
    """Yields the figures of every number of clusters.

    Args:
        points: Points ``(N, P)``.
        candidates: Numbers of clusters, at most half of ``N``.
        resolution: Resolution of the modularity.
        seed: Seed of subsamples and starts.
        device: Device that computes the neighbors.
    """
    seeds = iter(np.random.SeedSequence(seed).generate_state(2 * SUBSAMPLES + 2))
    most, size = max(candidates), max(max(candidates), round(SHARE * len(points)))
    whole = Sampled(points, resolution, STARTS, most, int(next(seeds)), device)
    parts = [subset(len(points), size, int(next(seeds))) for _ in range(SUBSAMPLES)]
    subsamples = [
        Sampled(points[part], resolution, STARTS_OF_SUBSAMPLE, most, int(next(seeds)), device)
        for part in parts
    ]
    shown = subset(len(points), SILHOUETTE_SAMPLES, int(next(seeds)))
    with part_bar("number", len(candidates), "K") as bar:
        for k in candidates:
            labels, reached = whole.partition(k)
            found = [sampled.partition(k).labels for sampled in subsamples]
            of_each = recovery(labels, parts, found, k)
            sizes = np.bincount(labels, minlength=k)
            yield Candidate(
                k,
                float((of_each * sizes).sum() / len(labels)),
                float(of_each[sizes > 0].min()),
                agreement_of_parts(parts, found),
                float(reached),
                silhouette(points[shown], labels[shown]),
            )
            bar.update()


def recovery(
    labels: Labels, parts: Sequence[NDArray[np.int64]], found: Sequence[Labels], n_clusters: int
) -> NDArray[np.float64]:
    """The mean recovery of each cluster in subsamples, ``(K,)``, in [0, 1].

    Args:
        labels: Clusters of all points, ``(N,)``.
        parts: Indices of the points of each subsample.
        found: Their clusters in a partition of the subsample.
        n_clusters: ``K``.
    """
    indices = []
    for part, clusters in zip(parts, found, strict=True):
        both = np.zeros((n_clusters, n_clusters))
        np.add.at(both, (labels[part], clusters), 1)
        union = both.sum(1)[:, None] + both.sum(0) - both
        indices.append((both / np.where(union > 0, union, 1)).max(1))
    mean: NDArray[np.float64] = np.mean(indices, axis=0)
    return mean


def agreement_of_parts(parts: Sequence[NDArray[np.int64]], found: Sequence[Labels]) -> float:
    """Mean ARI between the partitions of two subsamples, on the points that both have.

    Args:
        parts: Indices of the points of each subsample, ascending.
        found: Their clusters.
    """
    values = []
    for one, other in itertools.combinations(range(len(parts)), 2):
        _, here, there = np.intersect1d(parts[one], parts[other], True, return_indices=True)
        values.append(agreement([found[one][here], found[other][there]]))
    return float(np.mean(values))
