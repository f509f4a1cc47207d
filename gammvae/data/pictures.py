"""Image files of any size and mode as arrays of one shape, with values from 0 to 1.

Notation: ``C`` channels, ``H`` height and ``W`` width in pixels.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.datasets.folder import IMG_EXTENSIONS
from torchvision.transforms.v2 import functional

from gammvae.errors import InputError, first_line

Shape = tuple[int, int, int]
Found = TypeVar("Found")

GRAY = ("1", "L", "LA", "La", "I", "F")
WIDE = "I;16"  # the beginning of modes with 16 bits
# The tag of the orientation that a camera writes, and its values for height and width exchanged.
ORIENTATION, TURNED = 0x0112, (5, 6, 7, 8)
# A message names no more files than this.
NAMED = 5


def image_files(folder: Path) -> tuple[list[Path], int]:
    """The image files in a folder and the folders in it, sorted by path; hidden ones are left out.

    Returns:
        The files, and the number of files of other kinds.

    Raises:
        InputError: There is no image.
    """
    parts = [(path, path.relative_to(folder).parts) for path in folder.rglob("*")]
    shown = sorted(
        (names, path)
        for path, names in parts
        if not any(name.startswith(".") for name in names) and path.is_file()
    )
    images = [path for _, path in shown if path.suffix.lower() in IMG_EXTENSIONS]
    if not images:
        raise InputError(
            f"{folder} holds no images: their names must end in {', '.join(IMG_EXTENSIONS)}"
        )
    return images, len(shown) - len(images)


def stored_shape(path: Path) -> Shape:
    """``(C, H, W)`` of an image as it is shown: 1 channel if it is gray, else 3."""
    with Image.open(path) as image:
        width, height = image.size
        if image.getexif().get(ORIENTATION) in TURNED:
            width, height = height, width
        gray = image.mode in GRAY or image.mode.startswith(WIDE)
        return 1 if gray else 3, height, width


def read_image(path: Path, channels: int) -> Tensor:
    """An image ``(C, H, W)`` in [0, 1], turned as the camera was held; transparency is ignored.

    Args:
        path: The file.
        channels: 1 for gray, 3 for color.

    Raises:
        ValueError: Its values have no fixed range.
    """
    with Image.open(path) as stored:
        image = ImageOps.exif_transpose(stored)
    if image.mode in ("I", "F"):
        raise ValueError(f"its mode {image.mode} has 32 bits and no fixed range of values")
    if image.mode.startswith(WIDE):  # converted by Pillow, all above 255 would be white
        bits = torch.from_numpy(np.asarray(image).astype(np.float32))
        return (bits / 0xFFFF).expand(channels, -1, -1)
    converted = functional.pil_to_tensor(image.convert("L" if channels == 1 else "RGB"))
    return functional.to_dtype(converted, torch.float32, scale=True)


def fitted(image: Tensor, height: int, width: int) -> Tensor:
    """An image ``(C, H, W)`` in [0, 1], resized to cover the given size and cut to its middle."""
    if image.shape[1:] == (height, width):
        return image
    scale = max(height / image.shape[1], width / image.shape[2])
    cover = [
        max(size, math.ceil(scale * old - 1e-6))
        for size, old in zip((height, width), image.shape[1:], strict=True)
    ]
    resized = functional.resize(image, cover, antialias=True)
    return functional.center_crop(resized, [height, width]).clamp(0, 1)


def from_each(paths: Sequence[Path], read: Callable[[Path], Found]) -> list[Found]:
    """What is read from each image.

    Args:
        paths: Of the images.
        read: Reads one of them.

    Raises:
        InputError: Images cannot be read; the message names the first ones.
    """
    found, broken = [], []
    for path in paths:
        try:
            found.append(read(path))
        except Exception as error:  # a decoder may raise anything on damaged bytes
            text = "it is no image" if isinstance(error, Image.UnidentifiedImageError) else ""
            broken.append(f"{path} ({text or first_line(error)})")
    if broken:
        more = ", ..." if len(broken) > NAMED else ""
        raise InputError(
            f"{len(broken)} of {len(paths)} images cannot be read: "
            + ", ".join(broken[:NAMED])
            + more
        )
    return found
