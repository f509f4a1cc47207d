"""Samples as pictures.

Notation: ``n`` samples, ``F`` features.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Small images are enlarged to about this side.
SIDE = 28
# Pixels between images, and their gray value.
GAP, GAP_VALUE = 2, 0.5


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
    _, height, width = shape
    factor = max(1, round(SIDE / height))
    images = (x.reshape(len(x), *shape).clip(*span) - span[0]) / (span[1] - span[0])
    images = images.repeat(factor, 2).repeat(factor, 3)
    rows, columns = math.ceil(len(x) / columns), min(columns, len(x))
    height, width = height * factor + GAP, width * factor + GAP
    table = np.full((rows * height + GAP, columns * width + GAP, 3), GAP_VALUE)
    for index, image in enumerate(images):
        top, left = (index // columns) * height + GAP, (index % columns) * width + GAP
        table[top : top + height - GAP, left : left + width - GAP] = image.transpose(1, 2, 0)
    return Image.fromarray((table * 255).astype(np.uint8))
