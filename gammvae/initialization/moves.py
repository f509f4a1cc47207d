"""Moves of single points between clusters that raise modularity.

Notation: ``N`` points, ``K`` clusters.
"""

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

Labels = NDArray[np.int64]

# Number of weights between points and clusters that are held at a time: 32 MB.
WEIGHTS = 2**22
# Above the rounding errors of gains per unit of degree.
TOLERANCE = 1e-9


class Moves:
    """Clusters of points, and the moves of single points that raise modularity.

    A sweep changes the weight to the clusters of few points, those with a neighbor that moved. The
    other points' gains change with the volumes only. The greatest change of the volumes bounds how
    far they can have changed, so that few points need to be looked at: the idea of Hamerly's
    k-means.

    References:
        Making k-means even faster (Hamerly, 2010), https://doi.org/10.1137/1.9781611972801.12

    Args:
        weights: Symmetric weights ``(N, N)`` of a graph.
        resolution: Resolution of the modularity.
        labels: Clusters ``(N,)`` in ``0 .. K - 1``.
        n_clusters: ``K``.
    """

    def __init__(
        self, weights: scipy.sparse.csr_matrix, resolution: float, labels: Labels, n_clusters: int
    ) -> None:
        self.weights, self.labels, self.n_clusters = weights, labels, n_clusters
        self.degrees = np.asarray(weights.sum(1)).ravel()
        self.total = self.degrees.sum()
        self.chance = resolution / self.total
        self.tolerance = TOLERANCE * (1 + resolution)
        self.volumes = np.bincount(labels, self.degrees, n_clusters)
        self.within = np.zeros(len(labels))  # each point's weight to its own cluster
        # What the gain of a move may rise by, per unit of degree, before the point has to be looked
        # at; and by how much all gains can have risen.
        self.slack, self.risen = np.full(len(labels), -np.inf), 0.0

    def gainful(self) -> tuple[NDArray[np.int64], Labels]:
        """The points that would gain by a move, in ascending order, and their new clusters."""
        points = np.flatnonzero(self.slack <= self.risen + self.tolerance)
        size = max(1, WEIGHTS // self.n_clusters)
        parts = np.split(points, range(size, len(points), size))
        targets = np.concatenate([self._targets(part) for part in parts])
        moving = targets != self.labels[points]
        return points[moving], targets[moving]

    def _targets(self, points: NDArray[np.int64]) -> Labels:
        """The best cluster of each of some points, after which their slack is known."""
        rows, own = np.arange(len(points)), self.labels[points]
        weights = self.weights[points]
        cells = np.repeat(rows * self.n_clusters, np.diff(weights.indptr))
        cells += self.labels[weights.indices]
        size = len(points) * self.n_clusters
        gains = np.bincount(cells, weights.data, size).reshape(len(points), self.n_clusters)
        self.within[points] = gains[rows, own]
        degrees = self.degrees[points]
        gains -= self.chance * degrees[:, None] * self.volumes
        gains[rows, own] += self.chance * degrees**2  # a point is not its own neighbor
        targets = gains.argmax(1)
        here = gains[rows, own]
        gains[rows, own] = -np.inf
        margin = here - gains.max(1)
        self.slack[points] = self.risen + margin / np.where(degrees > 0, degrees, 1)
        return targets

    def make(self, points: NDArray[np.int64], targets: Labels) -> None:
        """Moves points to clusters."""
        self.labels = self.labels.copy()
        self.labels[points] = targets
        volumes = np.bincount(self.labels, self.degrees, self.n_clusters)
        changes = volumes - self.volumes
        self.volumes = volumes
        self.risen += self.chance * (changes.max() - changes.min())
        self.slack[points] = self.slack[self.weights[points].indices] = -np.inf

    def modularity(self) -> float:
        """Modularity of the clusters, if ``gainful`` was called after the last moves."""
        chance = self.chance * (self.volumes**2).sum()
        return float(self.within.sum() - chance) / self.total
