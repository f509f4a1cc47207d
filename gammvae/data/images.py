"""The order of channels, height and width in arrays of images.

Notation: ``N`` samples, ``F`` features.
"""

import math
from collections.abc import Sequence

import numpy as np

from gammvae.config.overrides import override
from gammvae.data.rows import Rows, reordered
from gammvae.errors import InputError

# Gray, RGB and RGBA.
CHANNELS = (1, 3, 4)
# Of other images, such as spectral bands; these are recognized only if the image is square.
MOST_CHANNELS = 16

Shape = tuple[int, ...]


def arranged(
    rows: Rows,
    stored: Shape,
    wanted: Sequence[int] | None,
    channels: str | None,
    what: str,
    by: str = "dataset.shape=",
) -> tuple[Rows, Shape, list[str]]:
    """Puts the values of images into the order channels, height, width.

    Args:
        rows: ``(N, F)`` in the order of the file.
        stored: Shape of one sample in the file.
        wanted: Shape of one sample, if the user gives one.
        channels: The axis of the channels, ``first`` or ``last``; ``None``: it is detected.
        what: The file, for messages.
        by: The text before the wanted shape in messages.

    Returns:
        The rows ``(N, F)``, the shape of one sample, and remarks for the user.

    Raises:
        InputError: The shapes do not match, or the values of an image would be mixed up.
    """
    shape = stored if wanted is None else tuple(wanted)
    if math.prod(shape) != math.prod(stored):
        raise InputError(
            f"{by}{list(shape)} does not suit {what}: its samples have {math.prod(stored)} values"
        )
    if len(stored) != 3 and len(shape) == 3:
        stored = (*shape[1:], shape[0]) if channels == "last" and not is_last(shape) else shape
    if channels == "last" and len(stored) != 3:
        raise InputError(
            f"dataset.channels=last has no use: samples of {what} have the shape {list(shape)}, "
            "not three sizes"
        )
    turned = (stored[-1], *stored[:-1])
    if channels is None and len(stored) == 3:
        last = shape == turned != stored or (shape == stored and is_last(stored))
    else:
        last = channels == "last"
    if shape == stored and last:
        shape = turned
    check_order(turned if last else stored, shape, f"{by}{list(shape)} does not suit {what}")
    notes = []
    if channels is None and is_image(stored):
        free = wanted is None or tuple(wanted) == stored
        notes = [remark(stored, last, what, free)]
    if not last or stored[-1] == 1:
        return rows, shape, notes
    order = np.arange(math.prod(stored)).reshape(stored).transpose(2, 0, 1).ravel()
    return reordered(rows, order), shape, notes


def is_last(stored: Shape) -> bool:
    """Whether three sizes look like height, width, channels and not like the other order."""
    height, width, channels = stored
    if channels not in CHANNELS:
        return channels <= MOST_CHANNELS and height == width > 2 * channels
    return min(height, width) > channels and height not in CHANNELS


def is_image(stored: Shape) -> bool:
    """Whether sizes may be those of an image whose last axis has the channels."""
    return len(stored) == 3 and (stored[-1] in CHANNELS or is_last(stored))


def check_order(found: Shape, shape: Shape, what: str) -> None:
    """Refuses to reinterpret three sizes as three others, which would mix up the values.

    Axes of size 1 do not matter. ``what`` is the beginning of the message.

    Raises:
        InputError: The sizes differ.
    """
    plain, other = ([size for size in sizes if size > 1] for sizes in (found, shape))
    if len(found) == len(shape) == 3 and plain != other:
        raise InputError(
            f"{what}: its samples have the shape {list(found)}, whose values would be mixed up"
        )


def remark(stored: Shape, last: bool, what: str, free: bool) -> str:
    """A remark on the assumed order and, if the user is ``free``, how to choose the other one."""
    names = ("height", "width", "channels") if last else ("channels", "height", "width")
    sizes = ", ".join(f"{name} {size}" for name, size in zip(names, stored, strict=True))
    other = override("dataset.channels", "first" if last else "last")
    advice = f"; {other} takes the other order" if free else ""
    return f"samples of {what} are taken as {sizes}{advice}"
