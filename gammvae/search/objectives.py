"""How good a setting is, judged from the clusters of its runs and the samples, never from classes.

Notation: ``N`` samples, ``F`` features, ``K`` clusters.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from gammvae.data.samples import Samples
from gammvae.evaluation.metrics import agreement, used_clusters
from gammvae.evaluation.predictability import predictability

# From the partitions (N,) of the runs, which differ in their seeds, and K.
Objective = Callable[[Sequence[NDArray[np.int64]], int], float]


def agreement_of_seeds(partitions: Sequence[NDArray[np.int64]], n_clusters: int) -> float:
    r"""Mean ARI of all pairs of seeds, times the share of clusters that are used.

    .. math:: \overline{\mathrm{ARI}} \cdot \overline{(u - 1) / (K - 1)}

    where :math:`u` is the number of used clusters of a seed. All seeds agree if each puts all
    samples into one cluster; the second factor is then 0, and 1 if all clusters are used.

    Args:
        partitions: Clusters ``(N,)`` of each seed, at least two.
        n_clusters: ``K``, at least 2.

    References:
        Stability-based validation of clustering solutions (Lange et al., 2004),
        https://doi.org/10.1162/089976604773717621
    """
    used = [used_clusters(np.bincount(one, minlength=n_clusters)) for one in partitions]
    return agreement(partitions) * (float(np.mean(used)) - 1) / (n_clusters - 1)


class PredictabilityOfSeeds:
    """Mean of ``predictability`` over the seeds, from the same samples for all trials.

    Args:
        x: All samples ``(N, F)``, preprocessed as for the default.
    """

    def __init__(self, x: Samples) -> None:
        self.x = x

    def __call__(self, partitions: Sequence[NDArray[np.int64]], n_clusters: int) -> float:
        """The mean, given clusters ``(N,)`` of each seed and ``K``."""
        return float(np.mean([predictability(self.x, one, n_clusters) for one in partitions]))
