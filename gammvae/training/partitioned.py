"""Algorithms that only partition the points they are given, and how others join a partition.

Notation: ``N`` samples, ``B`` samples of a batch, ``K`` clusters, ``C`` features of the points.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import euclidean_distances
from sklearn.neighbors import KNeighborsClassifier

from gammvae.config.schema import Config
from gammvae.evaluation.assignments import Assignments
from gammvae.initialization.manifold import numbers_of_neighbors
from gammvae.training.fitted_once import certain
from gammvae.training.workspace import Workspace


class PartitionClusterer:
    """A clusterer whose algorithm has no rule for other points than those it partitions.

    Another point joins the cluster for which its nearest partitioned points vote, weighted by the
    inverse of their distance, or the cluster with the nearest mean. The first suits clusters of any
    shape, the second those that are compact.

    Args:
        config: Configuration of the run, with ``n_clusters`` and ``model.space``.
        partition: Partitions points ``(N, C)``; returns their clusters ``(N,)``.
        voters: Number of nearest points that vote; ``None`` asks the means of the clusters.
    """

    def __init__(
        self, config: Config, partition: Callable[[NDArray], NDArray], voters: int | None
    ) -> None:
        self.n_clusters = config.n_clusters
        self.on_samples = config.model.space == "samples"
        self.partition = partition
        self.vote = None if voters is None else KNeighborsClassifier(voters, weights="distance")

    def fit(self, points: NDArray) -> Assignments:
        """Partitions points ``(N, C)``."""
        labels = self.partition(points)
        self.clusters = np.unique(labels)  # equal points may leave fewer than K
        means = [points[labels == one].mean(0, dtype=np.float64) for one in self.clusters]
        self.means = np.stack(means).astype(points.dtype)
        if self.vote is not None:
            self.vote.fit(points, labels)
        return certain(labels, self.n_clusters, self._embedding(points))

    def assign(self, points: NDArray) -> Assignments:
        """Assigns points ``(B, C)``, which may differ from those that were partitioned.

        The points themselves are the embedding. If they are samples, which may have many features,
        the embedding is their distances to the means of the clusters.
        """
        if self.vote is not None:
            labels = self.vote.predict(points)
        else:
            labels = self.clusters[euclidean_distances(points, self.means).argmin(1)]
        return certain(labels, self.n_clusters, self._embedding(points))

    def _embedding(self, points: NDArray) -> NDArray:
        return euclidean_distances(points, self.means) if self.on_samples else points


def neighbors_per_point(work: Workspace) -> int:
    """Neighbors per point in the graph of the fitted samples: ``init.n_neighbors``, fewer if few.

    Args:
        work: Workspace of the run.
    """
    config, n_points = work.config, min(len(work.x), work.config.init.max_samples)
    return min(n_points, numbers_of_neighbors(config.init, n_points, config.n_clusters)[0])
