"""From a pretrained autoencoder to a mixture prior: coordinate ascent on the ELBO.

With encoder and decoder fixed, the ELBO depends on the mixture only through the expected sufficient
statistics of ``q(z|x)``. Coordinate ascent is EM on these statistics: the E-step computes the best
``q(c|x)``, the M-step is a weighted maximum-likelihood fit. Point embeddings would ignore the width
of ``q(z|x)`` and give components that are too narrow.

Notation: ``N`` samples, ``K`` clusters, ``D`` latent features, ``F`` features of the data.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.distributions import Independent, Normal

from gammvae.data.rows import rows_per_chunk
from gammvae.data.samples import Samples
from gammvae.data.warned import warned_once
from gammvae.errors import InputError
from gammvae.mixture.em import (
    Array,
    Family,
    LogGammaFamily,
    MixtureFit,
    NormalFamily,
    checked_labels,
    expectation_maximization,
    kmeans_labels,
)
from gammvae.model.distributions import LatentDistribution
from gammvae.model.latents import (
    LOG_SCALE_RANGE,
    MAX_CONCENTRATION,
    MIN_COMPONENT_CONCENTRATION,
)
from gammvae.model.log_gamma import LogGamma
from gammvae.model.vae import MixtureVAE

# A component of the model cannot be narrower.
MIN_SCALE = math.exp(LOG_SCALE_RANGE[0])


class Initialization(NamedTuple):
    """The mixture of the best start, the partition it began with, and the outcome of each start."""

    fit: MixtureFit
    labels: NDArray[np.int64]  # (N,)
    history: list["Start"]


class Start(NamedTuple):
    """Outcome of one start: the bound on ``-kl_z - kl_c`` up to a constant, and EM iterations."""

    bound: float
    n_iter: int


@torch.no_grad()
def posteriors(model: MixtureVAE, x: Samples, index: Tensor) -> Independent:
    """``q(z|x)`` of some samples, batch shape ``(N,)``, event shape ``(D,)``.

    Args:
        model: Model whose encoder computes the posteriors.
        x: All samples.
        index: Indices of the samples, ``(N,)``, on the device of ``x``.
    """
    parameters: dict[str, Tensor] = {}
    size = rows_per_chunk(x.shape[1])
    for start in range(0, len(index), size):
        part = index[start : start + size]
        base = model.encoder(x[part]).base_dist
        for name in base.arg_constraints:
            values = getattr(base, name)
            if name not in parameters:
                parameters[name] = values.new_empty(len(index), values.shape[1])
            parameters[name][start : start + size] = values
    return Independent(type(base)(**parameters, validate_args=False), 1)


def expected_statistics(q_z: Independent) -> tuple[Family, Array]:
    """The family of ``q(z|x)`` and its expected statistics, ``(N, 2 D)``, in float64."""
    base = q_z.base_dist
    if isinstance(base, LogGamma):
        gain = float(base.gain.flatten()[0])
        narrowest = min(MAX_CONCENTRATION, (gain / MIN_SCALE) ** 2)
        family = LogGammaFamily(gain, MIN_COMPONENT_CONCENTRATION, narrowest)
        return family, in_chunks(
            lambda loc, scale: (
                LogGamma(loc, scale, gain).mean / gain,
                (loc / gain).exp(),
            ),
            base.loc,
            base.scale,
        )
    if isinstance(base, Normal):
        return NormalFamily(MIN_SCALE), in_chunks(
            lambda mean, scale: (mean, mean**2 + scale**2), base.loc, base.scale
        )
    if isinstance(base, LatentDistribution):
        kind: Any = type(base)
        return base.family(MIN_SCALE), in_chunks(
            lambda loc, scale: kind(loc=loc, scale=scale).statistics(), base.loc, base.scale
        )
    raise TypeError(f"no sufficient statistics for {type(base).__name__}")


def in_chunks(
    statistics: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]], first: Tensor, second: Tensor
) -> Array:
    """Both statistics of both parameters ``(N, D)``, side by side ``(N, 2 D)``, in float64.

    They are computed a chunk at a time, so that only the result takes memory.
    """
    found = torch.empty(len(first), 2 * first.shape[1], dtype=torch.float64)
    size = rows_per_chunk(first.shape[1])
    parts = zip(*(values.split(size) for values in (found, first, second)), strict=True)
    for part, *parameters in parts:
        part[:] = torch.cat(statistics(*(values.cpu().double() for values in parameters)), dim=-1)
    return found.numpy()


def starting_labels(
    start: str, embedding: Array, n_clusters: int, n_init: int, seed: int
) -> Iterator[NDArray[np.int64]]:
    """Yields ``n_init`` partitions ``(N,)`` of the embedding ``(N, D)`` to start EM from.

    Args:
        start: ``"kmeans"``, or ``"gmm"`` for a Gaussian mixture with diagonal covariances.
        embedding: Posterior means.
        n_clusters: ``K``.
        n_init: Number of partitions.
        seed: Seed of all partitions.
    """
    for random_state in np.random.RandomState(seed).randint(2**31 - 1, size=n_init):
        if start == "gmm":
            gmm = GaussianMixture(n_clusters, covariance_type="diag", random_state=random_state)
            with threadpool_limits(limits=1):
                yield gmm.fit_predict(embedding)
        else:
            yield kmeans_labels(embedding, n_clusters, random_state)


def read_starting_labels(path: str, n_samples: int, n_clusters: int) -> NDArray[np.int64]:
    """Reads the partition ``(N,)`` to start EM from, which the user gives as a ``.npy`` file.

    Args:
        path: Of the file.
        n_samples: ``N``.
        n_clusters: ``K``.

    Raises:
        InputError: The file cannot be read, or does not hold a label in ``0 .. K - 1`` per sample.
    """
    try:
        labels = np.load(path, allow_pickle=False)
        return checked_labels(labels, n_samples, n_clusters)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"init.labels={path} cannot be used: {error}") from error


def fit_mixture(
    q_z: Independent,
    starts: Iterable[NDArray[np.int64]],
    n_clusters: int,
    *,
    max_iter: int,
    tol: float,
) -> Initialization:
    """The mixture with the best bound over all starting partitions.

    Args:
        q_z: Posteriors of all samples.
        starts: Partitions ``(N,)`` with labels in ``0 .. K - 1``, at least one.
        n_clusters: ``K``.
        max_iter: Maximum number of EM iterations per start.
        tol: EM stops when an iteration raises the bound by less than this, in nats per sample.
    """
    family, statistics = expected_statistics(q_z)
    best: Initialization | None = None
    history: list[Start] = []
    with warned_once("init"):
        for labels in starts:
            fits = expectation_maximization(
                family, statistics, labels, n_clusters, max_iter=max_iter, tol=tol
            )
            (fit,) = deque(fits, maxlen=1)  # only the last is kept in memory
            history.append(Start(fit.bound, fit.n_iter))
            if best is None or fit.bound > best.fit.bound:
                best = Initialization(fit, labels, history)
    if best is None:
        raise ValueError("starts must hold at least one partition, got none")
    return best


def set_prior(model: MixtureVAE, fit: MixtureFit) -> None:
    """Writes a fitted mixture into the model's prior."""
    n_samples = len(fit.labels)
    # An empty component keeps the weight of 1/100 sample, so that its logit is finite.
    log_weights = np.maximum(fit.log_weights, -np.log(100 * n_samples))
    model.prior.set_parameters(
        *(torch.from_numpy(array) for array in (log_weights, *fit.parameters))
    )
