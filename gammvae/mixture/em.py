"""Expectation-maximization for mixtures of exponential families.

A family is given by its sufficient statistics ``T(z)``. EM needs only their expectation, so the
same code fits a mixture to points (``T(z)`` itself) and, as coordinate ascent on the ELBO, to
posteriors ``q(z|x)`` (``E_q[T(z)]``). The expected log density is then one matrix product for all
samples and components, where a pairwise KL would need a special function for every pair.

Notation: ``N`` samples, ``K`` components, ``D`` features.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, gammaln, logsumexp, polygamma, xlogy
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

Array = NDArray[np.float64]

MIN_CONCENTRATION = 1e-3
MAX_CONCENTRATION = 1e7  # above it, cancellation in float64 spoils the equation for it
SMALLEST = 1e-300  # smaller values are raised to this one, so that every rate is finite
NEWTON_STEPS = 12
# Number of responsibilities that are held at a time: 32 MB.
RESPONSIBILITIES = 2**22


class Family(Protocol):
    """A component's distribution over ``D`` independent features, with two parameters each."""

    def statistics(self, z: Array) -> Array:
        """Sufficient statistics of points ``(N, D)``, concatenated: ``(N, 2 D)``."""

    def maximize(self, mean_statistics: Array) -> tuple[Array, Array]:
        """Maximum-likelihood parameters ``(K, D)`` given mean statistics ``(K, 2 D)``."""

    def log_density(self, statistics: Array, parameters: tuple[Array, Array]) -> Array:
        """Log density under every component, ``(N, K)``; expected if the statistics are."""


class GammaFamily:
    """Gamma(concentration, rate) with statistics ``z`` and ``log z``.

    Args:
        max_concentration: Upper limit of the concentration, so that components do not become too
            narrow. Without it, the likelihood of a constant feature would be unbounded.
    """

    def __init__(self, max_concentration: float = 1e6) -> None:
        self.max_concentration = max_concentration

    def statistics(self, z: Array) -> Array:
        """``[z, log z]``, ``(N, 2 D)``."""
        z = np.maximum(z, SMALLEST)
        return np.hstack([z, np.log(z)])

    def maximize(self, mean_statistics: Array) -> tuple[Array, Array]:
        """Concentration and rate, ``(K, D)``, from the means of ``z`` and ``log z``."""
        mean, mean_log = np.hsplit(mean_statistics, 2)
        concentration = fit_concentration(np.log(mean) - mean_log, self.max_concentration)
        return concentration, concentration / mean

    def log_density(self, statistics: Array, parameters: tuple[Array, Array]) -> Array:
        """``sum_d (a - 1) log z - b z + a log b - log Gamma(a)``, ``(N, K)``."""
        concentration, rate = parameters
        normalizer = (xlogy(concentration, rate) - gammaln(concentration)).sum(-1)  # (K,)
        return statistics @ np.hstack([-rate, concentration - 1]).T + normalizer


class LogGammaFamily:
    """LogGamma(location, scale) of one gain ``g``, with statistics ``u / g`` and ``exp(u / g)``.

    Args:
        gain: ``g``, of every feature.
        min_concentration: Lower limit of the concentration of ``exp(u / g)``.
        max_concentration: Upper limit.
    """

    def __init__(self, gain: float, min_concentration: float, max_concentration: float) -> None:
        self.gain = gain
        self.min_concentration, self.max_concentration = min_concentration, max_concentration

    def statistics(self, z: Array) -> Array:
        """``[u / g, exp(u / g)]``, ``(N, 2 D)``."""
        return np.hstack([z / self.gain, np.exp(z / self.gain)])

    def maximize(self, mean_statistics: Array) -> tuple[Array, Array]:
        """Location and scale, ``(K, D)``, from the means of ``u / g`` and ``exp(u / g)``."""
        mean_log, mean = np.hsplit(mean_statistics, 2)
        concentration = fit_concentration(np.log(mean) - mean_log, self.max_concentration)
        concentration = np.maximum(concentration, self.min_concentration)
        return self.gain * np.log(mean), abs(self.gain) / np.sqrt(concentration)

    def log_density(self, statistics: Array, parameters: tuple[Array, Array]) -> Array:
        """``sum_d a (r - exp(r)) + a log a - log Gamma(a) - log |g|``, ``(N, K)``.

        ``r = (u - location) / g`` and ``a = (g / scale)^2``.
        """
        shift, a = parameters[0] / self.gain, (self.gain / parameters[1]) ** 2
        normalizer = xlogy(a, a) - a * shift - gammaln(a) - np.log(abs(self.gain))
        return statistics @ np.hstack([a, -a * np.exp(-shift)]).T + normalizer.sum(-1)


class NormalFamily:
    """Normal(mean, standard deviation) with statistics ``z`` and ``z^2``.

    Args:
        min_scale: Lower limit of the standard deviation.
    """

    def __init__(self, min_scale: float = 1e-3) -> None:
        self.min_scale = min_scale

    def statistics(self, z: Array) -> Array:
        """``[z, z^2]``, ``(N, 2 D)``."""
        return np.hstack([z, z**2])

    def maximize(self, mean_statistics: Array) -> tuple[Array, Array]:
        """Mean and standard deviation, ``(K, D)``, from the means of ``z`` and ``z^2``."""
        mean, mean_square = np.hsplit(mean_statistics, 2)
        variance = np.maximum(mean_square - mean**2, self.min_scale**2)
        return mean, np.sqrt(variance)

    def log_density(self, statistics: Array, parameters: tuple[Array, Array]) -> Array:
        """``sum_d -(z - mean)^2 / (2 variance) - log(2 pi variance) / 2``, ``(N, K)``."""
        mean, variance = parameters[0], parameters[1] ** 2
        normalizer = -0.5 * (mean**2 / variance + np.log(2 * np.pi * variance)).sum(-1)  # (K,)
        return statistics @ np.hstack([mean / variance, -0.5 / variance]).T + normalizer


def fit_concentration(gap: Array, max_concentration: float) -> Array:
    r"""Solves :math:`\log a - \psi(a) = s` for the concentration ``a`` of a Gamma distribution.

    Uses Newton's method on ``1/a``, from a start within 1.5 % of the solution. The likelihood is
    unimodal in ``a``, so clipping the solution gives the best ``a`` within the range.

    References:
        Estimating a Gamma distribution (Minka, 2002),
        https://tminka.github.io/papers/minka-gamma.pdf

    Args:
        gap: ``s = log(mean of z) - mean of log z``, nonnegative, any shape.
        max_concentration: Upper end of the range of ``a``; the lower is ``MIN_CONCENTRATION``.
    """
    # For large a the gap tends to 1 / (2 a): below this value the solution exceeds the maximum.
    s = np.maximum(gap, 0.5 / max_concentration)
    a = (3 - s + np.sqrt((s - 3) ** 2 + 24 * s)) / (12 * s)
    for _ in range(NEWTON_STEPS):
        a = 1 / (1 / a + (np.log(a) - digamma(a) - s) / (a**2 * (1 / a - polygamma(1, a))))
        a = np.clip(a, MIN_CONCENTRATION, max_concentration)
    return a


class MixtureFit(NamedTuple):
    """State after an iteration of EM: the parameters, and their labels and bound."""

    log_weights: Array  # (K,)
    parameters: tuple[Array, Array]  # (K, D) each
    labels: NDArray[np.int64]  # (N,), the most probable components under these parameters
    bound: float  # mean over samples of logsumexp_k(log weight + expected log density)
    n_iter: int
    converged: bool


class Sums:
    """Sums of responsibilities, ``(K,)``, and of statistics weighted by them, ``(K, 2 D)``."""

    def __init__(self, n_components: int, n_statistics: int) -> None:
        self.counts = np.zeros(n_components)
        self.statistics = np.zeros((n_components, n_statistics))

    def add(self, resp: Array, statistics: Array) -> None:
        """Adds samples with responsibilities ``(B, K)`` and statistics ``(B, 2 D)``."""
        self.counts += resp.sum(0)
        self.statistics += resp.T @ statistics


def maximize(
    family: Family, sums: Sums, empty: tuple[Array, Array]
) -> tuple[Array, tuple[Array, Array]]:
    """M-step: log-weights ``(K,)`` and parameters ``(K, D)``.

    A component without any responsibility takes its parameters from ``empty``.
    """
    counts = sums.counts
    alive = counts > 10 * np.finfo(np.float64).eps
    first, second = (parameter.copy() for parameter in empty)
    first[alive], second[alive] = family.maximize(sums.statistics[alive] / counts[alive, None])
    with np.errstate(divide="ignore"):
        log_weights = np.log(counts / counts.sum())
    return log_weights, (first, second)


def expectation_maximization(
    family: Family,
    statistics: Array,
    start: NDArray,
    n_components: int,
    *,
    max_iter: int,
    tol: float,
) -> Iterator[MixtureFit]:
    """Yields the fit after every iteration of EM; the bound never falls.

    Memory for responsibilities is that of a chunk of the samples, whatever ``N`` and ``K``.

    Args:
        family: The components' distribution.
        statistics: Sufficient statistics or their expectations, ``(N, 2 D)``.
        start: Labels ``(N,)`` in ``0 .. K - 1``, or responsibilities ``(N, K)`` whose rows sum to
            one.
        n_components: ``K``.
        max_iter: Maximum number of iterations.
        tol: EM stops when an iteration raises the bound by less than this, in nats per sample.
    """
    everything = family.maximize(statistics.mean(0, keepdims=True))
    parameters: tuple[Array, Array] = (
        everything[0].repeat(n_components, axis=0),
        everything[1].repeat(n_components, axis=0),
    )
    size = max(1, RESPONSIBILITIES // n_components)
    chunks = [slice(first, first + size) for first in range(0, len(statistics), size)]
    sums = Sums(n_components, statistics.shape[1])
    for rows in chunks:
        resp = start[rows] if start.ndim == 2 else one_hot(start[rows], n_components)
        sums.add(resp, statistics[rows])
    labels, previous = np.empty(len(statistics), np.int64), -np.inf
    for iteration in range(1, max_iter + 1):
        log_weights, parameters = maximize(family, sums, empty=parameters)
        sums, total = Sums(n_components, statistics.shape[1]), 0.0
        for rows in chunks:
            log_joint = log_weights + family.log_density(statistics[rows], parameters)  # (B, K)
            log_evidence = logsumexp(log_joint, axis=1, keepdims=True)
            log_resp = log_joint - log_evidence
            labels[rows] = log_resp.argmax(1)
            total += float(log_evidence.sum())
            if iteration < max_iter:
                sums.add(np.exp(log_resp), statistics[rows])
        bound = total / len(statistics)
        converged = bound - previous < tol
        yield MixtureFit(log_weights, parameters, labels.copy(), bound, iteration, converged)
        if converged:
            return
        previous = bound


def one_hot(labels: NDArray[np.int64], n_components: int) -> Array:
    """Responsibilities ``(N, K)`` that assign every sample fully to its label's component."""
    return np.eye(n_components)[labels]


def kmeans_labels(z: Array, n_components: int, random_state: int) -> NDArray[np.int64]:
    """Labels ``(N,)`` of one k-means run on features scaled to unit standard deviation.

    Runs in one thread: the order in which threads sum up the centers would change the last bits.
    """
    deviation = z.std(0)
    scaled = z / np.where(deviation > 0, deviation, 1.0)
    with threadpool_limits(limits=1):
        kmeans = KMeans(n_components, n_init=1, random_state=random_state).fit(scaled)
    return kmeans.labels_.astype(np.int64)


def checked_labels(labels: ArrayLike, n_samples: int, n_components: int) -> NDArray[np.int64]:
    """Checks ``labels`` and returns them as integers ``(N,)``.

    Raises:
        ValueError: The labels are not ``n_samples`` integers in ``0 .. n_components - 1``.
    """
    array = np.asarray(labels)
    if array.shape != (n_samples,):
        raise ValueError(f"labels must have shape ({n_samples},), got {array.shape}")
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"labels must be integers, got {array.dtype}")
    if array.size and not 0 <= array.min() <= array.max() < n_components:
        raise ValueError(
            f"labels must lie in 0 .. {n_components - 1}, got {array.min()} .. {array.max()}"
        )
    return array.astype(np.int64)
