"""Enlarges the images of a dataset, as some sources do, and prints settings that train on them.

    python scripts/enlarge.py usps 28 FOLDER | xargs -r gammvae train experiment=dec_2025

Writes images of so many pixels a side, interpolated as by torchvision's Resize without
antialiasing, and their classes. The settings are quoted for a shell as for xargs; with -r it trains
nothing if there are none.

Takes seconds. Needs the dataset, which is downloaded if it is missing.
"""

import shlex
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from reporting import command_line
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import resize

from gammvae import load_dataset
from gammvae.cli.terminal import exit_codes
from gammvae.config.overrides import in_grammar
from gammvae.data.dataset import Dataset
from gammvae.errors import InputError
from gammvae.model.building import image_shape


def enlarged(dataset: Dataset, side: int) -> NDArray[np.float32]:
    """The images of a dataset, with ``side`` pixels in each direction, ``(N, C side side)``.

    Raises:
        InputError: The samples are no images, or have as many pixels already.
    """
    shape = image_shape(dataset.shape, "enlarging")
    if side <= max(shape[1:]):
        raise InputError(
            f"{side} is too small: images have {shape[1]} x {shape[2]} pixels, and must get more"
        )
    images = torch.from_numpy(np.asarray(dataset.x)).unflatten(-1, shape)
    found = resize(images, [side, side], InterpolationMode.BILINEAR, antialias=False)
    return found.flatten(1).numpy()


def settings(dataset: Dataset, images: NDArray[np.float32], folder: Path) -> list[str]:
    """Writes images and classes; returns the settings of ``gammvae train`` that read them."""
    assert dataset.y is not None
    channels = dataset.shape[0]
    side = round((images.shape[1] / channels) ** 0.5)
    for name, values in (("x", images), ("classes", dataset.y)):
        np.save(folder / f"{name}.npy", values)
    return [
        *("dataset=file", "recipe=images", f"dataset.path={in_grammar(str(folder / 'x.npy'))}"),
        f"dataset.labels={in_grammar(str(folder / 'classes.npy'))}",
        f"dataset.shape=[{channels},{side},{side}]",
        *("preprocess=none", f"n_clusters={len(np.unique(dataset.y))}"),
    ]


def main() -> None:
    """Writes the images and prints the settings."""
    parser = command_line(__doc__)
    parser.add_argument("dataset", help="a dataset of images by name, such as usps")
    parser.add_argument("side", type=int, help="height and width of the enlarged images, in pixels")
    parser.add_argument("folder", type=Path, help="folder for the arrays")
    arguments = parser.parse_args()
    with exit_codes():
        dataset, folder = load_dataset(arguments.dataset), arguments.folder.resolve()
        images = enlarged(dataset, arguments.side)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder} cannot be made: {error.strerror}") from error
        print(shlex.join(settings(dataset, images, folder)))


if __name__ == "__main__":
    main()
