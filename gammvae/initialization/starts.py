"""Small groups of points, from which partitions of their neighbor graphs are merged.

Notation: ``N`` points, ``K`` clusters, ``D`` features.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans
from threadpoolctl import threadpool_limits

# Where there are as many processors and points, processes of their own find the starts, at most
# MOST_PROCESSES at a time. In threads they wait for each other: k-means is many short operations.
FEWEST_PROCESSES, MOST_PROCESSES, MANY = 4, 8, 20_000
# A start merges this many small groups, enough to follow curved clusters.
GROUPS, POINTS_PER_GROUP = 300, 10


class Start(NamedTuple):
    """Groups ``(N,)``, at least ``K`` of them, and the seed of what follows."""

    groups: NDArray[np.int32]
    seed: np.random.SeedSequence


class KMeansStarts:
    """Groups of points by k-means, found when they are first needed and kept for further graphs.

    Different starts may be asked for in several threads at a time.

    Args:
        z: Points ``(N, D)``.
        n_clusters: ``K``.
        n_init: Number of starts.
        seed: Seed of all starts.
    """

    def __init__(self, z: NDArray, n_clusters: int, n_init: int, seed: int) -> None:
        self.z, self.n_clusters = z, n_clusters
        self.seeds = np.random.SeedSequence(seed).spawn(n_init)
        self.found: dict[int, Start] = {}

    def __len__(self) -> int:
        return len(self.seeds)

    def find(self, n_processors: int) -> None:
        """Finds all starts now, in several processes if that is worth starting them.

        Args:
            n_processors: Number of processors that are free.
        """
        n_jobs = min(n_processors, len(self), MOST_PROCESSES)
        if n_jobs >= FEWEST_PROCESSES and len(self.z) >= MANY and not self.found:
            groups = Parallel(n_jobs)(delayed(self._groups)(seed) for seed in self.seeds)
            self.found = dict(enumerate(map(Start, groups, self.seeds)))

    def __iter__(self) -> Iterator[Start]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> Start:
        if number not in self.found:
            seed = self.seeds[number]
            self.found[number] = Start(self._groups(seed), seed)
        return self.found[number]

    def _groups(self, seed: np.random.SeedSequence) -> NDArray[np.int32]:
        """Groups by k-means; the way in which equal points are divided is arbitrary."""
        groups = self._by_kmeans(self.z, seed)
        if len(np.unique(groups)) < self.n_clusters:  # if nearly all points are equal
            different, which = np.unique(self.z, axis=0, return_inverse=True)
            groups = self._by_kmeans(different, seed)[which.ravel()]
        if len(np.unique(groups)) < self.n_clusters:
            most = max(self.n_clusters, GROUPS * POINTS_PER_GROUP)  # merging takes its square
            return np.arange(len(self.z), dtype=np.int32) % most
        return groups

    def _by_kmeans(self, z: NDArray, seed: np.random.SeedSequence) -> NDArray[np.int32]:
        n_groups = max(self.n_clusters, min(GROUPS, len(z) // POINTS_PER_GROUP))
        kmeans = MiniBatchKMeans(
            min(n_groups, len(z)),
            n_init=1,
            batch_size=4096,
            random_state=int(seed.generate_state(1)[0]),
        )
        with threadpool_limits(limits=1):  # the order of sums must not depend on the threads
            groups: NDArray[np.int32] = kmeans.fit_predict(z)
        return groups
