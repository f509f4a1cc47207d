"""Made clusters of known skewness and overlap, for ``benchmark_families.py``.

Notation: ``N`` samples, ``K`` clusters, ``D`` latent features, ``F`` features of the data.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import scipy.stats
from numpy.typing import NDArray

K, D, F, N = 5, 5, 50, 3000
# Distributions of a positive latent feature within a cluster, up to a factor. The skewness of their
# logarithms is 0, -0.6, -1.1 and 0.6.
SHAPES: Mapping[str, Any] = {
    "log-normal": scipy.stats.lognorm(1.0),
    "Gamma": scipy.stats.gamma(3.0),
    "Weibull": scipy.stats.weibull_min(1.2),
    "inverse Gamma": scipy.stats.invgamma(3.0),
}
# Distance of the centers from their mean, in standard deviations of a cluster's logarithms.
DISTANCE = 2.5
DRAWS = 100_000


class Made(NamedTuple):
    """Made data.

    Attributes:
        x: Samples ``(N, F)``.
        logs: Logarithms of the latent features ``(N, D)``, with standard deviation 1 in a cluster.
        classes: Clusters ``(N,)``.
        bayes: ACC of the classifier that knows the density of the latent features.
    """

    x: NDArray[np.float32]
    logs: NDArray[np.float64]
    classes: NDArray[np.int64]
    bayes: float


def made(shape: str, seed: int) -> Made:
    """Clusters of one shape, whose logarithms are pushed through a fixed network.

    Args:
        shape: Key of ``SHAPES``.
        seed: Seed of centers, network and samples.
    """
    rng = np.random.default_rng(seed)
    law, classes = SHAPES[shape], np.arange(N) % K
    some = np.log(law.rvs(DRAWS, random_state=rng))
    mean, deviation = some.mean(), some.std()
    centers = rng.normal(size=(K, D))
    centers *= DISTANCE / np.linalg.norm(centers, axis=1, keepdims=True)
    inside = (np.log(law.rvs((N, D), random_state=rng)) - mean) / deviation
    logs = centers[classes] + inside
    z = np.exp((logs[:, None] - centers) * deviation + mean)  # (N, K, D)
    bayes = (law.logpdf(z) + np.log(z)).sum(-1).argmax(1) == classes
    first, second = rng.normal(size=(D, 64)) / D**0.5, rng.normal(size=(64, F)) / 8
    x = np.tanh(logs @ first) @ second + 0.05 * rng.normal(size=(N, F))
    return Made(x.astype(np.float32), logs, classes, float(bayes.mean()))
