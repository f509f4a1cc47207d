"""The latent features: their units, and the two families of their distributions.

Both families have a location and a scale in the same units, so that they differ only in the shape
of the distribution and in the bounds that it needs.

Notation: ``N`` samples, ``B`` batch, ``K`` clusters, ``D`` latent features.
"""

import math

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from gammvae.model.log_gamma import LogGamma, Reparameterization, precise

# The range of a scale, in the units of the encoder's output.
LOG_SCALE_RANGE = (math.log(1e-2), math.log(1e2))
# Concentrations above it are useless, because a Gamma variable is then as good as normal, and one
# below 1 has an infinite density at 0, which a mixture must not fall into.
MAX_CONCENTRATION, MIN_COMPONENT_CONCENTRATION = 1e7, 1.0
# exp(10) = 22,026 times the usual size of a Gamma variable: no sample is so far away but outliers,
# for which the exponential would overflow.
MAX_LOG_MEAN = 10.0
# The decoder reads this many times the encoder's output, unless architecture.decoder_gain is given.
# The encoder then separates samples with smaller weights, which Adam reaches in fewer steps.
DECODER_GAIN = 10.0


def bounded(h: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """Squashes ``h`` into ``(low, high)``: nearly the identity inside, nonzero slope everywhere."""
    middle, half = (high + low) / 2, (high - low) / 2
    return middle + half * torch.tanh((h - middle) / half)


def unbounded(value: Tensor, low: Tensor | float, high: Tensor | float) -> Tensor:
    """The inverse of ``bounded``; values outside the range are moved just inside."""
    middle, half = (high + low) / 2, (high - low) / 2
    return middle + half * torch.atanh(((value - middle) / half).clamp(-0.999, 0.999))


class Latents(nn.Module):
    """Latent features, in the units of the encoder's output until they are standardized.

    Args:
        latent_dim: ``D``.
        decoder_gain: Factor between the encoder's output and what the decoder reads.
    """

    center: Tensor
    spread: Tensor

    def __init__(self, latent_dim: int, decoder_gain: float = DECODER_GAIN) -> None:
        super().__init__()
        self.decoder_gain = decoder_gain
        self.register_buffer("center", torch.zeros(latent_dim))
        self.register_buffer("spread", torch.ones(latent_dim))

    @torch.no_grad()
    def standardize(self, location: Tensor) -> None:
        """Chooses units in which these locations ``(N, D)`` have zero mean and unit variance.

        What the decoder reads of a location stays as it is. So do normal posteriors; the noise of
        Gamma variables becomes less normal, and its bounds are those of the new units. A mixture
        must be set anew.
        """
        variance, mean = torch.var_mean(precise(location), dim=0, correction=0)
        self.center += self.spread * mean.to(self.center)
        # features that do not vary keep the scale of the narrowest distribution
        spread = self.spread * variance.sqrt().to(self.spread)
        self.spread.copy_(spread.clamp_min(math.exp(LOG_SCALE_RANGE[0])))

    def read(self, u: Tensor) -> Tensor:
        """What the decoder reads of latent features ``(B, D)``."""
        return self.decoder_gain * (self.center + self.spread * u)

    def posterior(self, location: Tensor, log_scale: Tensor) -> Distribution:
        """``q(z|x)`` from the two outputs of the encoder, each ``(B, D)``."""
        log_scale = bounded(log_scale - self.spread.log(), *self._posterior_range())
        return self._posterior((location - self.center) / self.spread, log_scale.exp())

    def component(self, location: Tensor, log_scale: Tensor) -> Distribution:
        """``p(z|c)`` from two parameters, each ``(K, D)``."""
        return self._component(location, bounded(log_scale, *self._component_range()).exp())

    def log_scale_for(self, scale: Tensor) -> Tensor:
        """The parameter with which ``component`` has this scale."""
        return unbounded(scale.log(), *self._component_range())

    def _posterior_range(self) -> tuple[Tensor, Tensor]:
        low, high = (bound - self.spread.log() for bound in LOG_SCALE_RANGE)
        return low, high

    def _component_range(self) -> tuple[float, float]:
        return LOG_SCALE_RANGE

    def _posterior(self, location: Tensor, scale: Tensor) -> Distribution:
        raise NotImplementedError

    def _component(self, location: Tensor, scale: Tensor) -> Distribution:
        raise NotImplementedError


class NormalLatents(Latents):
    """Normal posteriors and components, as in VaDE."""

    def _posterior(self, location: Tensor, scale: Tensor) -> Distribution:
        return Normal(location, scale, validate_args=False)

    _component = _posterior


class GammaLatents(Latents):
    r"""Posteriors and components that are logarithms of Gamma variables, ``u = gain log z``.

    The concentration of ``z`` is ``(gain / scale)^2``. It is bounded on both sides by bounds on the
    scale: below because a sampler needs it, or because the density of a component is infinite
    below 1, and above because float64 cancels.

    Args:
        latent_dim: ``D``.
        gain: See ``LogGamma``; the lower, the more asymmetric.
        reparameterization: The sampler, and the minimum concentration that it needs.
        decoder_gain: See ``Latents``.
    """

    def __init__(
        self,
        latent_dim: int,
        gain: float,
        reparameterization: Reparameterization,
        decoder_gain: float = DECODER_GAIN,
    ) -> None:
        super().__init__(latent_dim, decoder_gain)
        self.gain = gain
        self.sampler, self.min_concentration = reparameterization

    def _log_scale_at(self, concentration: float) -> float:
        return math.log(abs(self.gain)) - math.log(concentration) / 2

    def _posterior_range(self) -> tuple[Tensor, Tensor]:
        low, high = super()._posterior_range()
        return (
            low.clamp_min(self._log_scale_at(MAX_CONCENTRATION)),
            high.clamp_max(self._log_scale_at(self.min_concentration)),
        )

    def _component_range(self) -> tuple[float, float]:
        return LOG_SCALE_RANGE[0], self._log_scale_at(MIN_COMPONENT_CONCENTRATION)

    def _posterior(self, location: Tensor, scale: Tensor) -> Distribution:
        limit = abs(self.gain) * MAX_LOG_MEAN
        location = location.clamp(-limit, limit)
        return self.sampler(location, scale, self.gain, validate_args=False)

    def _component(self, location: Tensor, scale: Tensor) -> Distribution:
        return LogGamma(location, scale, self.gain, validate_args=False)
