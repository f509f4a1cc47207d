"""Encoders and decoders: modules that return distributions.

Notation: ``B`` batch, ``D`` latent features, ``F`` features of the data.
"""

import math
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, Normal

from gammvae.model.distributions import Reparameterization

# exp(10) = 22,026: far above any latent scale, and well within float32, so that no mean overflows.
MAX_LOG_MEAN = 10.0
# A standard deviation of 1 % of the mean, as narrow as a latent feature ever needs to be.
MAX_CONCENTRATION = 1e4
# The lower end is the relative width of a Gamma distribution at its maximum concentration.
LOG_SCALE_RANGE = (math.log(1e-2), math.log(1e2))

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def bounded(h: Tensor, low: float, high: float) -> Tensor:
    """Squashes ``h`` into ``(low, high)``: nearly the identity inside, nonzero slope everywhere."""
    middle, half = (high + low) / 2, (high - low) / 2
    return middle + half * torch.tanh((h - middle) / half)


class MLP(nn.Sequential):
    """A fully connected ReLU network, Glorot-initialized.

    Args:
        sizes: Widths of the input and of every layer.
    """

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        for inputs, outputs in zip(sizes, sizes[1:], strict=False):
            self.append(glorot(nn.Linear(inputs, outputs)))
            self.append(nn.ReLU(inplace=True))

    def middle(self, x: Tensor) -> Tensor:
        """Activations of the middle layer (the later of two), ``(B, width of the layer)``."""
        layers = len(self) // 2
        for module in list(self)[: 2 * (layers // 2 + 1)]:
            x = module(x)
        return x


def glorot(layer: Layer) -> Layer:
    """Sets Glorot-uniform weights and zero biases, on which VaDE's results depend."""
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Units(nn.Module):
    """Centers every feature and scales all by one number, and back; the identity until fitted.

    Networks start and learn best on values around one, whatever the units of the data.

    Args:
        features: ``F``.
    """

    center: Tensor
    scale: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(features))
        self.register_buffer("scale", torch.ones(()))

    def fit(self, x: Tensor) -> None:
        """Fits shift and scale: samples ``(N, F)`` get zero means and a mean variance of 1."""
        variance, center = torch.var_mean(x.double(), dim=0, correction=0)
        self.center.copy_(center)
        self.scale.copy_(variance.mean().sqrt().clamp_min(torch.finfo(torch.float32).tiny))

    def forward(self, x: Tensor) -> Tensor:
        """Converts ``(B, F)`` from the data's units."""
        return (x - self.center) / self.scale

    def back(self, x: Tensor) -> Tensor:
        """Converts ``(B, F)`` to the data's units."""
        return x * self.scale + self.center


class GammaEncoder(nn.Module):
    r"""Returns :math:`q(z|x) = \prod_d \mathrm{Gamma}(\alpha_d(x), \beta_d(x))`.

    The head returns the logarithms of mean and concentration; the rate is concentration over mean.

    Args:
        units: Shift and scale of the data.
        body: Network that maps ``(B, F)`` to ``(B, width)``.
        width: Number of features of the body's output.
        latent_dim: ``D``.
        reparameterization: The sampler, and the minimum concentration that it needs.
    """

    def __init__(
        self,
        units: Units,
        body: nn.Module,
        width: int,
        latent_dim: int,
        reparameterization: Reparameterization,
    ) -> None:
        super().__init__()
        self.units = units
        self.body = body
        self.head = glorot(nn.Linear(width, 2 * latent_dim))
        self.distribution = reparameterization.distribution
        self.min_log_concentration = math.log(reparameterization.min_concentration)

    def forward(self, x: Tensor) -> Independent:
        """``q(z|x)`` for ``x`` ``(B, F)``."""
        h = self.body(self.units(x))
        log_mean, log_concentration = self.head(h).float().chunk(2, dim=-1)  # (B, D)
        log_mean = bounded(log_mean, -MAX_LOG_MEAN, MAX_LOG_MEAN)
        log_concentration = bounded(
            log_concentration, self.min_log_concentration, math.log(MAX_CONCENTRATION)
        )
        concentration, rate = log_concentration.exp(), (log_concentration - log_mean).exp()
        return Independent(self.distribution(concentration, rate, validate_args=False), 1)


class NormalEncoder(nn.Module):
    r"""Returns :math:`q(z|x) = \prod_d \mathcal{N}(\mu_d(x), \sigma_d(x)^2)`.

    Args:
        units: Shift and scale of the data.
        body: Network that maps ``(B, F)`` to ``(B, width)``.
        width: Number of features of the body's output.
        latent_dim: ``D``.
    """

    def __init__(self, units: Units, body: nn.Module, width: int, latent_dim: int) -> None:
        super().__init__()
        self.units = units
        self.body = body
        self.head = glorot(nn.Linear(width, 2 * latent_dim))

    def forward(self, x: Tensor) -> Independent:
        """``q(z|x)`` for ``x`` ``(B, F)``."""
        mean, log_scale = self.head(self.body(self.units(x))).float().chunk(2, dim=-1)  # (B, D)
        scale = bounded(log_scale, *LOG_SCALE_RANGE).exp()
        return Independent(Normal(mean, scale, validate_args=False), 1)


class BernoulliDecoder(nn.Module):
    """Returns ``p(x|z)`` for data in [0, 1], one Bernoulli per feature.

    Gray values between 0 and 1 are scored by the cross-entropy, as is common in the field.

    Args:
        units: Unused, because probabilities have no units.
        body: Network that maps ``(B, D)`` to the input of ``head``.
        head: Last layer, whose output is ``(B, F)``.
    """

    def __init__(self, units: Units, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, z: Tensor) -> Independent:
        """``p(x|z)`` for ``z`` ``(B, D)``."""
        logits = self.head(self.body(z)).float()  # (B, F)
        return Independent(Bernoulli(logits=logits, validate_args=False), 1)


class NormalDecoder(nn.Module):
    """Returns ``p(x|z)`` for real-valued data: a mean per feature and one learned scale for all.

    Args:
        units: Shift and scale of the data.
        body: Network that maps ``(B, D)`` to the input of ``head``.
        head: Last layer, whose output is ``(B, F)``.
    """

    def __init__(self, units: Units, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.units = units
        self.body = body
        self.head = head
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor) -> Independent:
        """``p(x|z)`` for ``z`` ``(B, D)``."""
        mean = self.units.back(self.head(self.body(z)).float())  # (B, F)
        scale = self.units.scale * bounded(self.log_scale, *LOG_SCALE_RANGE).exp()
        return Independent(Normal(mean, scale.expand_as(mean), validate_args=False), 1)


DECODERS = {"bernoulli": BernoulliDecoder, "normal": NormalDecoder}
