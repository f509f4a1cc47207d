"""Enlarges the images of a dataset, as some sources do, and prints settings that train on them.

    python scripts/enlarge.py usps 28 FOLDER | xargs gammvae train experiment=dec_2025

Writes images of so many pixels a side, interpolated as by torchvision's Resize without
antialiasing, and their classes. The settings are quoted for a shell as for xargs.

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
from gammvae.config.overrides import in_grammar
from gammvae.data.dataset import Dataset


def enlarged(dataset: Dataset, side: int) -> NDArray[np.float32]:
    """The images of a dataset, with ``side`` pixels in each direction, ``(N, C side side)``."""
    images = torch.from_numpy(np.asarray(dataset.x)).unflatten(-1, dataset.shape)
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
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    dataset = load_dataset(arguments.dataset)
    print(shlex.join(settings(dataset, enlarged(dataset, arguments.side), folder)))


if __name__ == "__main__":
    main()
