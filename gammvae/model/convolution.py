"""Convolutional bodies of encoder and decoder for images.

Notation: ``B`` batch, ``F`` features of the data, ``D`` latent features.
"""

import torch
from torch import Tensor, nn

from gammvae.model.networks import glorot

KERNEL, PADDING = 5, 2  # with stride 2 they halve a side, rounding up
Shape = tuple[int, int, int]


class Float32Layer(nn.Module):
    """A layer that computes in float32, whatever the precision of the others.

    oneDNN's bfloat16 convolutions fail at random if the smaller of the two maps is one pixel wide:
    the errors of outputs and gradients are then as large as their values, or not finite.
    """

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Returns the layer's output; its size is fixed, and ``output_size`` is ignored."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


class NarrowConv2d(Float32Layer, nn.Conv2d):
    """A convolution whose output maps have a side of one pixel."""


class NarrowConvTranspose2d(Float32Layer, nn.ConvTranspose2d):
    """A transposed convolution whose input maps have a side of one pixel."""


def halved(shape: Shape, channels: list[int]) -> list[Shape]:
    """Shapes of an image and of the output of every convolution."""
    shapes = [shape]
    for number in channels:
        _, height, width = shapes[-1]
        shapes.append((number, (height + 1) // 2, (width + 1) // 2))
    return shapes


class Convolutions(nn.Sequential):
    """Convolutions of stride 2, each with a ReLU, from images ``(B, F)`` to ``(B, width)``.

    Args:
        shape: Channels, height and width of a sample.
        channels: Number of output channels of every convolution.
    """

    def __init__(self, shape: Shape, channels: list[int]) -> None:
        shapes = halved(shape, channels)
        layers: list[nn.Module] = []
        for (inputs, _, _), (outputs, *sides) in zip(shapes, shapes[1:], strict=False):
            kind = NarrowConv2d if 1 in sides else nn.Conv2d
            layers += [glorot(kind(inputs, outputs, KERNEL, 2, PADDING)), nn.ReLU(inplace=True)]
        super().__init__(nn.Unflatten(1, shape), *layers, nn.Flatten())
        channels_out, height, width = shapes[-1]
        self.width = channels_out * height * width

    def middle(self, x: Tensor) -> Tensor:
        """Activations of the last convolution, ``(B, width)``."""
        return self(x)


class TransposedConvolutions(nn.Sequential):
    """The mirror of ``Convolutions`` without its last layer; takes latent features ``(B, D)``.

    Args:
        latent_dim: ``D``.
        shape: Channels, height and width of a sample.
        channels: Number of output channels of every mirrored convolution.
    """

    def __init__(self, latent_dim: int, shape: Shape, channels: list[int]) -> None:
        shapes = halved(shape, channels)[::-1]
        first = glorot(nn.Linear(latent_dim, shapes[0][0] * shapes[0][1] * shapes[0][2]))
        layers: list[nn.Module] = [first, nn.ReLU(inplace=True), nn.Unflatten(1, shapes[0])]
        for inputs, outputs in zip(shapes[:-2], shapes[1:-1], strict=True):
            layers += [transposed(inputs, outputs), nn.ReLU(inplace=True)]
        super().__init__(*layers)

    def middle(self, z: Tensor) -> Tensor:
        """Activations of the first layer, ``(B, width of the layer)``."""
        return self[1](self[0](z))


def last_layer(shape: Shape, channels: list[int]) -> nn.Sequential:
    """The last layer of the mirror, which returns images ``(B, F)``."""
    before = halved(shape, channels)[1]
    return nn.Sequential(transposed(before, shape), nn.Flatten())


def transposed(inputs: Shape, outputs: Shape) -> nn.ConvTranspose2d:
    """A transposed convolution that reverses one halving of the sides."""
    padding = tuple(after - (2 * before - 1) for before, after in zip(inputs, outputs, strict=True))
    kind = NarrowConvTranspose2d if 1 in inputs[1:] else nn.ConvTranspose2d
    return glorot(
        kind(inputs[0], outputs[0], KERNEL, 2, PADDING, output_padding=(padding[1], padding[2]))
    )
