"""STL-10 as features of a network trained on ImageNet, which are extracted once."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gammvae.data.benchmarks import of_shape
from gammvae.data.dataset import Dataset
from gammvae.data.extraction import extract, resnet, scaling
from gammvae.data.published.array_cache import Arrays, prepared
from gammvae.data.published.downloads import Store, digest
from gammvae.errors import reading
from gammvae.system.paths import user_path

NETWORK, SIDE = "resnet50", 96


def stl10(store: Store, cache: str, device: str, parts: Mapping[str, int], weights: str) -> Dataset:
    """2,048 ResNet-50 features of each labeled image of STL-10, with the parts in order.

    Args:
        store: Holds ``stl10_binary/<part>_X.bin`` and ``<part>_y.bin``, and the weights.
        cache: Folder of prepared arrays, finished or not.
        device: Of the network, as for ``devices.choose_device``.
        parts: Number of images by the name of the part.
        weights: File with the weights ``IMAGENET1K_V1`` of torchvision.

    Raises:
        InputError: A file is missing and cannot be downloaded, or is damaged.
    """
    images = {part: store.require(f"stl10_binary/{part}_X.bin") for part in parts}
    labels = {part: store.require(f"stl10_binary/{part}_y.bin") for part in parts}
    network = store.require(weights)
    sha = hashlib.sha256()
    for path in (*images.values(), *labels.values(), network):
        sha.update(digest(path, "sha256:").encode())
    source = sha.hexdigest()

    def prepare() -> Arrays:
        x = np.concatenate([pixels(images[part], n) for part, n in parts.items()])
        y = np.concatenate([classes(labels[part], n) for part, n in parts.items()])
        begun = user_path(cache) / f".stl10-{source[:16]}.part"
        model, scale = resnet(NETWORK, network, device), scaling(NETWORK)
        place = next(model.parameters()).device

        def batch(part: slice) -> Tensor:
            return scale(torch.from_numpy(x[part].copy()).to(place))

        return {"x": extract(len(x), batch, NETWORK, model, begun), "y": y}

    arrays = prepared(cache, "stl10", source, prepare)
    (user_path(cache) / f".stl10-{source[:16]}.part").unlink(missing_ok=True)
    return Dataset(arrays["x"], arrays["y"], arrays["x"].shape[1:])


def pixels(path: Path, n_images: int) -> NDArray[np.uint8]:
    """Images ``(N, 3, 96, 96)``, which the file stores column by column."""
    with reading(path):
        flat = of_shape(np.fromfile(path, np.uint8), (n_images * 3 * SIDE * SIDE,))
    return flat.reshape(n_images, 3, SIDE, SIDE).swapaxes(2, 3)


def classes(path: Path, n_images: int) -> NDArray[np.int64]:
    """Classes ``(N,)``, counted from 0."""
    with reading(path):
        return of_shape(np.fromfile(path, np.uint8), (n_images,)).astype(np.int64) - 1
