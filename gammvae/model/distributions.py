"""Mixtures of distributions, and their divergence from others.

Notation: ``B`` batch, ``K`` clusters, ``D`` latent features.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

from torch import Tensor
from torch.distributions import (
    Categorical,
    Distribution,
    Independent,
    MixtureSameFamily,
    Normal,
)

from gammvae.mixture.em import Family, NormalFamily
from gammvae.model.log_gamma import LogGamma, precise

Kind = TypeVar("Kind", bound=Distribution)


class LatentDistribution(Distribution):
    """Base class for distributions of a family of the user's own.

    ``arg_constraints`` of a subclass has ``loc`` and ``scale``, in this order, in which it is
    vectorized. It has ``mean``, ``variance``, ``entropy``, ``log_prob``, ``icdf`` and a
    reparameterized ``rsample``, as torch's distributions have.
    """

    loc: Tensor
    scale: Tensor

    def expected_log_density(self, components: Any) -> Tensor:  # noqa: ANN401 - of the same class
        """``E_q[log p_k(z)]``, summed over features, of every pair in nats, ``(B, K)``.

        Args:
            components: Distributions ``(K, D)`` of the same class; this one has shape ``(B, D)``.
        """
        raise NotImplementedError

    def statistics(self) -> tuple[Tensor, Tensor]:
        """The expected sufficient statistics of each feature, ``(N, D)`` both; here of a normal.

        A family that is not exponential starts from normal components with its first two moments.
        """
        return self.mean, self.mean**2 + self.variance

    def family(self, min_scale: float) -> Family:
        """The family with these ``statistics``, whose ``maximize`` returns location and scale.

        Args:
            min_scale: The least ``scale`` of a component.
        """
        return NormalFamily(min_scale)


class Mixture(MixtureSameFamily):
    """Creates a mixture of ``K`` components with independent features.

    Args:
        logits: Unnormalized log-weights, ``(K,)``.
        components: One ``LogGamma`` or ``Normal`` per component and feature, ``(K, D)``.
    """

    def __init__(self, logits: Tensor, components: Distribution) -> None:
        super().__init__(
            Categorical(logits=logits, validate_args=False),
            Independent(components, 1, validate_args=False),
            validate_args=False,
        )

    @property
    def weights(self) -> Categorical:
        """The categorical distribution over the ``K`` components."""
        return self.mixture_distribution

    @property
    def logits(self) -> Tensor:
        """Normalized log-weights, ``(K,)``."""
        return self.mixture_distribution.logits

    @property
    def components(self) -> Independent:
        """The components, batch shape ``(K,)`` and event shape ``(D,)``."""
        return cast(Independent, self.component_distribution)

    def posterior(self, z: Tensor) -> Categorical:
        """The distribution over components given ``z`` ``(*, D)``, by Bayes' rule."""
        return Categorical(logits=self.logits + self.components.log_prob(z.unsqueeze(-2)))


def pairwise_kl(q: Independent, components: Independent) -> Tensor:
    r"""Closed-form ``KL(q_b || p_k)`` of every pair in nats, ``(B, K)``.

    .. math:: \mathrm{KL}(q_b \| p_k) = -\mathrm{H}(q_b) - \mathbb{E}_{q_b}[\ln p_k(z)]

    In an exponential family, the expectation is linear in the expected sufficient statistics of
    :math:`q_b`, so it is a matrix product for all pairs. Both terms are computed in float64: at a
    Gamma distribution's concentration of 1e4 they are about 1e5, and their difference may be far
    below 1. In float32, the result has errors up to ``1e-5 max(1, KL)`` for concentrations from
    0.05 to 1e6.

    Args:
        q: Distributions of any family with batch shape ``(B,)`` and event shape ``(D,)``.
        components: Distributions of the same family with batch shape ``(K,)`` and event shape
            ``(D,)``.

    References:
        KL-divergences of normal, gamma, Dirichlet and Wishart densities (Penny, 2001),
        https://www.fil.ion.ucl.ac.uk/~wpenny/publications/densities.ps
    """
    if isinstance(q.base_dist, Normal):
        normal, normals = (wide(Normal, one.base_dist) for one in (q, components))
        entropy, expected = normal.entropy(), normal_log_density(normal, normals)
    elif isinstance(q.base_dist, LatentDistribution):
        kind = type(q.base_dist)
        own, owns = (wide(kind, side.base_dist) for side in (q, components))
        entropy, expected = own.entropy(), own.expected_log_density(owns)
    else:
        one, several = (wide(LogGamma, side.base_dist) for side in (q, components))
        entropy, expected = one.entropy(), log_gamma_log_density(one, several)
    return (-entropy.sum(-1, keepdim=True) - expected).to(q.mean)


def log_gamma_log_density(q: LogGamma, p: LogGamma) -> Tensor:
    r"""``E_q[log p(u)]`` of every pair of distributions ``(B, D)`` and ``(K, D)`` of one gain.

    Linear in the expectations of ``u`` and of the Gamma variable :math:`e^{u / g}`.
    """
    alpha, r = p.concentration, p.loc / p.gain
    normalizer = alpha * (alpha.log() - r) - alpha.lgamma() - p.gain.abs().log()
    mean, mean_exp = q.mean / q.gain, (q.loc / q.gain).exp()
    return mean @ alpha.T - mean_exp @ (alpha * (-r).exp()).T + normalizer.sum(-1)


def normal_log_density(q: Normal, p: Normal) -> Tensor:
    """``E_q[log p(z)]`` of every pair of normal distributions ``(B, D)`` and ``(K, D)``."""
    precision = p.scale**-2
    logs = p.scale.log() + math.log(2 * math.pi) / 2
    normalizer = (-precision * p.loc**2 / 2 - logs).sum(-1)  # (K,)
    squares = q.loc**2 + q.scale**2
    return q.loc @ (precision * p.loc).T - squares @ (precision / 2).T + normalizer


def wide(kind: Callable[..., Kind], distribution: Distribution) -> Kind:
    """A distribution of a kind in float64, on the CPU if its device has no float64."""
    names = distribution.arg_constraints
    parameters = {name: precise(getattr(distribution, name)) for name in names}
    return kind(**parameters, validate_args=False)
