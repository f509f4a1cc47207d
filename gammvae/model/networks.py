"""Encoders and decoders: modules that return distributions.

Notation: ``B`` batch, ``D`` latent features, ``F`` features of the data.
"""

import math
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Bernoulli, Independent, Normal

from gammvae.model.latents import Latents, bounded

# Of the latent features at first, in the units of the encoder's output, which are about 1. The
# decoder then sees more of the samples than of the noise.
START_LOG_SCALE = -1.0
# Of the Normal likelihood, in units of the data.
LOG_SCALE_RANGE = (math.log(1e-2), math.log(1e2))

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


class MLP(nn.Sequential):
    """A fully connected ReLU network, Glorot-initialized.

    Args:
        sizes: Widths of the input and of every layer.
        batch_norm: Whether layers are normalized over the batch before their ReLU.
    """

    def __init__(self, sizes: list[int], *, batch_norm: bool = False) -> None:
        super().__init__()
        for inputs, outputs in zip(sizes, sizes[1:], strict=False):
            self.append(glorot(nn.Linear(inputs, outputs)))
            if batch_norm:
                self.append(BatchNorm(outputs))
            self.append(nn.ReLU(inplace=True))

    def middle(self, x: Tensor) -> Tensor:
        """Activations of the middle layer (the later of two), ``(B, width of the layer)``."""
        ends = [place for place, module in enumerate(self, 1) if isinstance(module, nn.ReLU)]
        for module in list(self)[: ends[len(ends) // 2]]:
            x = module(x)
        return x


class BatchNorm(nn.BatchNorm1d):
    """Normalizes features ``(B, F)`` over the batch in training, else by what was seen there.

    The last batch of an epoch may be a single sample, or a sample and its augmented view, whose
    variance means nothing. They are normalized as outside of training.

    References:
        Batch normalization (Ioffe and Szegedy, 2015), https://arxiv.org/abs/1502.03167
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalizes ``(B, F)``."""
        if self.training and len(x) > 2:
            return super().forward(x)
        known = self.running_mean, self.running_var, self.weight, self.bias
        return F.batch_norm(x, *known, eps=self.eps)


def glorot(layer: Layer) -> Layer:
    """Sets Glorot-uniform weights and zero biases, on which VaDE's results depend."""
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


@torch.no_grad()
def redraw_by_fan_in(network: nn.Module) -> None:
    """Draws all weights uniformly between ``-1`` and ``1`` times the root of 1 / inputs.

    These are torch's own first weights, and those of the code of DEC's authors; biases stay.

    Args:
        network: Its linear layers and convolutions get new weights, in place.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5))


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


class Encoder(nn.Module):
    """Returns ``q(z|x)``, with independent latent features.

    Args:
        units: Shift and scale of the data.
        body: Network that maps ``(B, F)`` to ``(B, width)``.
        width: Number of features of the body's output.
        latents: The latent features; the head returns their locations and log-scales.
    """

    def __init__(self, units: Units, body: nn.Module, width: int, latents: Latents) -> None:
        super().__init__()
        self.units = units
        self.body = body
        self.head = glorot(nn.Linear(width, 2 * len(latents.center)))
        with torch.no_grad():
            self.head.bias[len(latents.center) :] = START_LOG_SCALE
        self.latents = latents

    def forward(self, x: Tensor) -> Independent:
        """``q(z|x)`` for ``x`` ``(B, F)``."""
        location, log_scale = self.head(self.body(self.units(x))).float().chunk(2, dim=-1)
        return Independent(self.latents.posterior(location, log_scale), 1, validate_args=False)


class BernoulliDecoder(nn.Module):
    """Returns ``p(x|z)`` for data in [0, 1], one Bernoulli per feature.

    Gray values between 0 and 1 are scored by the cross-entropy, as is common in the field.

    Args:
        units: Unused, because probabilities have no units.
        latents: The latent features.
        body: Network that maps ``(B, D)`` to the input of ``head``.
        head: Last layer, whose output is ``(B, F)``.
    """

    def __init__(self, units: Units, latents: Latents, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.latents = latents
        self.body = body
        self.head = head

    def forward(self, z: Tensor) -> Independent:
        """``p(x|z)`` for ``z`` ``(B, D)``."""
        logits = self.head(self.body(self.latents.read(z))).float()  # (B, F)
        return Independent(Bernoulli(logits=logits, validate_args=False), 1)


class NormalDecoder(nn.Module):
    """Returns ``p(x|z)`` for real-valued data: a mean per feature and one learned scale for all.

    Args:
        units: Shift and scale of the data.
        latents: The latent features.
        body: Network that maps ``(B, D)`` to the input of ``head``.
        head: Last layer, whose output is ``(B, F)``.
    """

    def __init__(self, units: Units, latents: Latents, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.units = units
        self.latents = latents
        self.body = body
        self.head = head
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(self, z: Tensor) -> Independent:
        """``p(x|z)`` for ``z`` ``(B, D)``."""
        mean = self.units.back(self.head(self.body(self.latents.read(z))).float())  # (B, F)
        scale = self.units.scale * bounded(self.log_scale, *LOG_SCALE_RANGE).exp()
        return Independent(Normal(mean, scale.expand_as(mean), validate_args=False), 1)


DECODERS = {"bernoulli": BernoulliDecoder, "normal": NormalDecoder}
