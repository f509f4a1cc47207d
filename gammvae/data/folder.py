"""``dataset=folder``: the user's own images, in one folder or in folders of their own.

Notation: ``N`` samples, ``F`` features.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gammvae.config.overrides import override
from gammvae.data.dataset import Dataset
from gammvae.data.files import separate_classes
from gammvae.data.labels import checked_classes
from gammvae.data.pictures import Shape, fitted, from_each, image_files, read_image, stored_shape
from gammvae.data.rows import check_fits
from gammvae.errors import InputError
from gammvae.system.paths import user_path
from gammvae.system.progress import meter

# dataset.labels=folders: the folders in the folder are the classes.
FOLDERS = "folders"
# The largest height and width that a message proposes for images of several sizes.
PROPOSED = 64


def load(
    path: str | None, labels: str | None, shape: Sequence[int] | None, key: str = "dataset.path"
) -> Dataset:
    """Loads the images in a folder, sorted by path, with values in [0, 1].

    Args:
        path: The folder.
        labels: ``folders``: the class of an image is the name of the folder in ``path`` that it is
            in; or a file with one class a line, in the order of the images.
        shape: ``(channels, height, width)``, with 1 or 3 channels. Other images are converted,
            resized to cover this and cut to their middle. ``None``: as stored, if all have one
            size.
        key: The setting that names the folder, for messages.

    Raises:
        InputError: Images are missing, cannot be read or differ in size, or have no class.
    """
    if path is None:
        raise InputError("dataset.path is missing: dataset=folder needs dataset.path=FOLDER")
    folder = existing_folder(key, path)
    images = find_images(folder, labels)
    size = checked_shape(shape) if shape else common_shape(folder, images.files)
    x = read_images(folder, images.files, size)
    return Dataset(x, images.classes, size, images.notes, samples=images.names)


class Images(NamedTuple):
    """The images in a folder.

    Attributes:
        files: The image files, sorted by path.
        names: Their paths below the folder, with ``/`` between the parts.
        classes: ``(N,)``, or ``None``.
        notes: What the user should know about them.
    """

    files: Sequence[Path]
    names: tuple[str, ...]
    classes: NDArray | None
    notes: tuple[str, ...]


def find_images(folder: Path, labels: str | None) -> Images:
    """The images in a folder, and their classes as ``load`` takes them.

    Raises:
        InputError: There is no image, or one has no class.
    """
    files, others = image_files(folder)
    names = tuple(path.relative_to(folder).as_posix() for path in files)
    notes = [f"{others} files in {folder} are no images and left out"] if others else []
    classes = None
    if labels is not None:
        classes, remarks = classes_of(labels, folder, files)
        notes += remarks
    return Images(files, names, classes, tuple(notes))


def existing_folder(key: str, name: str) -> Path:
    """The path of an existing folder.

    Args:
        key: The setting that names it, for messages.
        name: The path as given.

    Raises:
        InputError: There is no such folder.
    """
    folder = user_path(name)
    if not folder.exists():
        raise InputError(f"{key}={name} does not exist")
    if not folder.is_dir():
        raise InputError(f"{key}={name} is not a folder")
    return folder


def checked_shape(shape: Sequence[int]) -> Shape:
    """``(channels, height, width)`` as the user gives them.

    Raises:
        InputError: There are not three sizes, or neither 1 nor 3 channels.
    """
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise InputError(
            f"dataset.shape={list(shape)} does not suit images in a folder: it must be "
            "[1,HEIGHT,WIDTH] for gray or [3,HEIGHT,WIDTH] for color"
        )
    channels, height, width = shape
    return channels, height, width


def common_shape(folder: Path, files: Sequence[Path]) -> Shape:
    """The shape of all images: gray if all are.

    Raises:
        InputError: They differ in height or width; the message proposes a size.
    """
    shapes = from_each(files, stored_shape)
    channels = max(shape[0] for shape in shapes)
    sizes = sorted({shape[1:] for shape in shapes})
    if len(sizes) > 1:
        small, large = (" x ".join(map(str, size)) for size in (sizes[0], sizes[-1]))
        side = min(PROPOSED, *(min(size) for size in sizes))
        wanted = override("dataset.shape", [channels, side, side])
        raise InputError(
            f"images in {folder} have {len(sizes)} sizes, such as {small} and {large} (height x "
            f"width): {wanted} resizes them"
        )
    return channels, *sizes[0]


def read_images(folder: Path, files: Sequence[Path], shape: Shape) -> NDArray[np.float32]:
    """The images as rows ``(N, F)`` in [0, 1].

    Args:
        folder: That the images are in, for messages.
        files: The images.
        shape: Channels, height and width that all of them are brought to.

    Raises:
        InputError: Some cannot be read, or all together do not fit into memory.
    """
    channels, height, width = shape
    check_fits(4 * len(files) * math.prod(shape), folder)
    x = np.empty((len(files), math.prod(shape)), np.float32)
    with meter(total=len(files), desc="reading", unit="image", disable=None) as bar:
        rows = iter(x)

        def read(path: Path) -> None:
            next(rows)[:] = fitted(read_image(path, channels), height, width).numpy().ravel()
            bar.update()

        from_each(files, read)
    return x


def classes_of(name: str, folder: Path, files: Sequence[Path]) -> tuple[NDArray, list[str]]:
    """The classes ``(N,)`` of images and remarks, see ``load``.

    Raises:
        InputError: An image is in no folder, or the file of classes cannot be read.
    """
    if name != FOLDERS:
        found, remarks = separate_classes(name, len(files))
        return checked_classes(found, f"dataset.labels={name}", len(files)), remarks
    parts = [path.relative_to(folder).parts for path in files]
    alone = next((path for path, names in zip(files, parts, strict=True) if len(names) == 1), None)
    if alone is not None:
        raise InputError(
            f"dataset.labels={FOLDERS} does not suit {alone}: "
            f"every image must be in a folder in {folder}"
        )
    return np.array([names[0] for names in parts]), []
