"""How well clusters can be predicted from the samples themselves, without classes.

Samples that are close to each other belong together, unless a boundary between clusters runs
through a dense region. The classifier is therefore nearest neighbors. A linear one would prefer
clusters with flat boundaries, such as those of k-means, whatever the data.

Notation: ``N`` samples, ``n`` of them compared, ``F`` features, ``K`` clusters.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import KNeighborsClassifier

from gammvae.data.samples import Samples, on_host, subset

# Largest number of samples that are compared, and of neighbors that vote.
COMPARED, NEIGHBORS = 5000, 10


def predictability(x: Samples, labels: NDArray[np.int64], n_clusters: int, seed: int = 0) -> float:
    r"""Balanced accuracy with which other samples predict a sample's cluster, adjusted for chance.

    Every sample is left out in turn, and its ten nearest others vote, with the inverse of their
    distance as weight:

    .. math:: \frac{r - 1/K}{1 - 1/K}, \qquad r = \frac{1}{K} \sum_{c=1}^{K} r_c

    where :math:`r_c` is the share of cluster :math:`c` that is predicted right, and 0 if it is
    empty. The value is 1 for clusters that are far from each other, about 0 for labels drawn at
    random, and 0 if all samples are in one cluster.

    Args:
        x: All samples ``(N, F)``, preprocessed as for training.
        labels: Clusters ``(N,)`` in ``0 .. K - 1``.
        n_clusters: ``K``, with the empty ones.
        seed: Of the choice of samples, if there are more than ``COMPARED``.

    Returns:
        A number from -1 / (K - 1) to 1; 0 if ``K`` is 1.

    References:
        The balanced accuracy and its posterior distribution (Brodersen et al., 2010),
        https://doi.org/10.1109/ICPR.2010.764
        Cluster validation by prediction strength (Tibshirani and Walther, 2005),
        https://doi.org/10.1198/106186005X59243
    """
    chosen = subset(len(x), COMPARED, seed)
    found = labels[chosen]
    if n_clusters == 1 or len(chosen) < 2:
        return 0.0
    right = predicted(on_host(x, chosen), found) == found
    sizes = np.bincount(found, minlength=n_clusters)
    recalls = np.bincount(found, weights=right, minlength=n_clusters) / np.maximum(sizes, 1)
    chance = 1 / n_clusters
    return float((recalls.mean() - chance) / (1 - chance))


def predicted(x: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Clusters ``(n,)`` of samples ``(n, F)``, each predicted from the others.

    Args:
        x: The samples, at least two.
        labels: Their clusters ``(n,)``.
    """
    neighbors = min(NEIGHBORS, len(x) - 1)
    classifier = KNeighborsClassifier(neighbors, weights="distance").fit(x, labels)
    return classifier.predict(None)  # None: every sample, without itself
