"""Samples as pictures.

Notation: ``n`` samples, ``F`` features.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torchvision.utils import make_grid

# Small images are enlarged to about this side.
SIDE = 28


def is_image(shape: Sequence[int]) -> bool:
    """Whether a shape is that of images: one or three channels, height and width."""
    return len(shape) == 3 and shape[0] in (1, 3)


def gray_range(x: NDArray) -> tuple[float, float]:
    """Values shown as black and white: 0 and 1 if all values are in [0, 1], else their range."""
    low, high = float(x.min()), float(x.max())
    return (0.0, 1.0) if low >= 0 and high <= 1 else (low, high if high > low else low + 1)


def grid(x: NDArray, shape: Sequence[int], columns: int, span: tuple[float, float]) -> Image.Image:
    """Arranges images in a grid.

    Args:
        x: Images ``(n, F)``.
        shape: Shape of a sample: channels, height, width.
        columns: Number of images in a row.
        span: The values that are shown as black and white.
    """
    images = torch.from_numpy(np.ascontiguousarray(x, np.float32)).reshape(len(x), *shape)
    factor = max(1, round(SIDE / shape[1]))
    images = images.repeat_interleave(factor, 2).repeat_interleave(factor, 3)
    images = (images.clamp(*span) - span[0]) / (span[1] - span[0])
    table = make_grid(images, nrow=columns, padding=2, pad_value=0.5)
    return Image.fromarray((table * 255).byte().permute(1, 2, 0).numpy())
