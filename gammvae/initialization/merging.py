"""Mergers of two groups at a time, each the best one.

Notation: ``G`` groups.
"""

import numpy as np
from numpy.typing import NDArray

EPSILON = np.finfo(np.float64).eps
# Groups in pairs that gain most, up to rounding errors, of which all pairs are compared anew. More
# are alike, as on points that coincide, and comparing them before every merger takes ``O(G^3)``.
MOST_COMPARED = 64


class Merging:
    """Groups that are merged, and what every merger of two would gain.

    After a merger, gains change only in the row and column of the merged group, apart from rounding
    errors. So gains are kept, with the largest of each row, and a merger takes ``O(G)`` operations.

    Pairs that gain the same up to rounding errors are frequent among small groups. They are
    compared by gains from volumes that are summed anew, in the order of the groups; of equal ones
    the first is taken. So the result is that of computing all gains before every merger. Among
    more than ``MOST_COMPARED`` groups, the first pair is taken.

    Args:
        weights: Shares of the graph's weight between every pair of groups, ``(G, G)``, symmetric;
            it is changed.
        resolution: Resolution of the modularity, or ``None`` for gains relative to chance.
    """

    def __init__(self, weights: NDArray[np.float64], resolution: float | None) -> None:
        self.weights, self.resolution = weights.T, resolution  # rows are contiguous
        self.volumes = weights.sum(1)
        self.alive = np.ones(len(weights), bool)
        self.gains = self._gains(self.weights, np.multiply.outer(self.volumes, self.volumes))
        np.fill_diagonal(self.gains, -np.inf)
        self.best = self.gains.max(1)
        # Bounds the rounding errors of sums of G volumes, which are at most 1.
        self.tolerance = 8 * EPSILON * len(weights)

    def _gains(
        self, weights: NDArray[np.float64], chance: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Gains of merging pairs of groups, from the weights between them and that by chance."""
        if self.resolution is None:
            return weights / np.where(chance > 0, chance, 1)
        return weights - self.resolution * chance

    def best_pair(self) -> tuple[int, int]:
        """The two groups that gain most if they are merged, in ascending order."""
        best = self.best.max()
        scale = abs(best) if self.resolution is None else max(1, self.resolution)
        least = best - self.tolerance * scale
        rows = np.flatnonzero(self.best >= least)
        if len(rows) > MOST_COMPARED:
            rows = np.append(rows[0], (self.gains[rows[0]] >= least).argmax())
        elif len(rows) > 2:
            weights = self.weights[rows]
            volumes = weights.cumsum(1)[:, -1]
            gains = self._gains(weights[:, rows], np.multiply.outer(volumes, volumes))
            np.fill_diagonal(gains, -np.inf)
            rows = rows[list(np.unravel_index(gains.argmax(), gains.shape))]
        first, second = sorted(rows.tolist())
        return first, second

    def join(self, kept: int, gone: int) -> None:
        """Merges the group ``gone`` into the group ``kept``."""
        outdated = (self.gains[:, [kept, gone]] == self.best[:, None]).any(1)
        self.weights[kept] += self.weights[gone]
        self.weights[:, kept] += self.weights[:, gone]
        self.weights[gone] = self.weights[:, gone] = 0
        self.volumes[kept] += self.volumes[gone]
        self.alive[gone] = False
        gains = self._gains(self.weights[kept], self.volumes[kept] * self.volumes)
        gains[~self.alive] = gains[kept] = -np.inf
        self.gains[gone] = self.gains[:, gone] = self.best[gone] = -np.inf
        self.gains[kept] = self.gains[:, kept] = gains
        np.maximum(self.best, gains, out=self.best)
        outdated[kept] = True
        rows = np.flatnonzero(outdated & self.alive)
        self.best[rows] = self.gains[rows].max(1)
