"""The order in which arrays hold the values of images.

Letters: ``N`` samples, ``F`` features.
"""

import math
from collections.abc import Sequence

import numpy as np

from gammvae.config.overrides import override
from gammvae.data.samples import Rows, reordered
from gammvae.errors import InputError

# Gray, red green blue, and these with opacity.
CHANNELS = (1, 3, 4)
# Of other kinds, such as spectral bands; they are told from sizes only in squares.
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
    """Rows whose images are channels, height, width; their shape; what should be said about it.

    Args:
        rows: ``(N, F)`` in the order of the file.
        stored: Shape of one sample there.
        wanted: Shape of one sample, where the user gives one.
        channels: Where images have theirs, ``first`` or ``last``; ``None``: it is found out.
        what: The file, for messages.
        by: What stands before the wanted shape in messages.

    Raises:
        InputError: The shapes do not suit each other, or values would change places.
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
    """Whether three sizes look like height, width, channels; not if they could be the other."""
    height, width, channels = stored
    if channels not in CHANNELS:
        return channels <= MOST_CHANNELS and height == width > 2 * channels
    return min(height, width) > channels and height not in CHANNELS


def is_image(stored: Shape) -> bool:
    """Whether sizes may be those of an image with its channels at the end."""
    return len(stored) == 3 and (stored[-1] in CHANNELS or is_last(stored))


def check_order(found: Shape, shape: Shape, what: str) -> None:
    """Refuses to take three sizes for three others, which would scramble the values.

    Sizes of 1 may come and go. ``what`` begins the message.
    """
    plain, other = ([size for size in sizes if size > 1] for sizes in (found, shape))
    if len(found) == len(shape) == 3 and plain != other:
        raise InputError(
            f"{what}: its samples have the shape {list(found)}, whose values would be mixed up"
        )


def remark(stored: Shape, last: bool, what: str, free: bool) -> str:
    """Says which order was taken and, if the user is ``free`` to, how to have the other."""
    names = ("height", "width", "channels") if last else ("channels", "height", "width")
    sizes = ", ".join(f"{name} {size}" for name, size in zip(names, stored, strict=True))
    other = override("dataset.channels", "first" if last else "last")
    advice = f"; {other} takes the other order" if free else ""
    return f"samples of {what} are taken as {sizes}{advice}"
