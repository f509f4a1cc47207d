"""Encoders and decoders: modules that return distributions.

Notation: ``B`` batch, ``D`` latent features, ``F`` features of the data.
"""

import math
from collections.abc import Callable
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


def draw_by_fan_in(weight: Tensor) -> None:
    """Draws weights uniformly between ``-1`` and ``1`` times the root of 1 / inputs.

    These are torch's own first weights, and those of DEC-keras.
    """
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5))


def draw_small(weight: Tensor) -> None:
    """Draws weights from a normal distribution with a deviation of 0.01, as the paper of DEC."""
    nn.init.normal_(weight, std=0.01)


# First weights that take the place of Glorot's, by the value of ``architecture.weights``.
FIRST_WEIGHTS = {"fan_in": draw_by_fan_in, "normal": draw_small}


def redraw(network: nn.Module, draw: Callable[[Tensor], None]) -> None:
    """Draws all weights of linear layers and convolutions anew, in place; biases stay."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            draw(layer.weight)


class Units(nn.Module):
    """Shifts every feature and scales all by one number, and back; the identity until fitted.

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

    def fit(self, x: Tensor, *, centered: bool = True) -> None:
        """Fits shift and scale to samples ``(N, F)``.

        Args:
            x: The samples.
            centered: Whether they get zero means and a mean variance of 1; otherwise nothing is
                shifted, and their mean square becomes 1, as in DEC.
        """
        wide = x.double()
        if centered:
            variance, center = torch.var_mean(wide, dim=0, correction=0)
            self.center.copy_(center)
        else:
            variance = wide.square()
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
        return self.of_hidden(self.body(self.units(x)))

    def of_hidden(self, hidden: Tensor) -> Independent:
        """``q(z|x)`` from the body's output ``(B, width)``."""
        location, log_scale = self.head(hidden).float().chunk(2, dim=-1)
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
        return self.of_hidden(self.body(self.latents.read(z)))

    def of_hidden(self, hidden: Tensor) -> Independent:
        """``p(x|z)`` from the body's output ``(B, width)``."""
        logits = self.head(hidden).float()  # (B, F)
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
        return self.of_hidden(self.body(self.latents.read(z)))

    def of_hidden(self, hidden: Tensor) -> Independent:
        """``p(x|z)`` from the body's output ``(B, width)``."""
        mean = self.units.back(self.head(hidden).float())  # (B, F)
        scale = self.units.scale * bounded(self.log_scale, *LOG_SCALE_RANGE).exp()
        return Independent(Normal(mean, scale.expand_as(mean), validate_args=False), 1)


DECODERS = {"bernoulli": BernoulliDecoder, "normal": NormalDecoder}
