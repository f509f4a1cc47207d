"""STL-10 as features of a network trained on ImageNet, which are extracted once."""

import hashlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torchvision.models import ResNet50_Weights, resnet50
from tqdm import tqdm

from gammvae.data.benchmarks import of_shape
from gammvae.data.dataset import Dataset
from gammvae.data.published.array_cache import Arrays, prepared
from gammvae.data.published.downloads import Store, digest
from gammvae.devices import choose_device
from gammvae.errors import reading
from gammvae.system.paths import user_path
from gammvae.system.writing import unlinked

log = logging.getLogger(__name__)

FEATURES, SIDE = 2048, 96
BATCH = 64


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
        features = extract(x, resnet(network, device), begun)
        return {"x": features, "y": y}

    arrays = prepared(cache, "stl10", source, prepare)
    (user_path(cache) / f".stl10-{source[:16]}.part").unlink(missing_ok=True)
    return Dataset(arrays["x"], arrays["y"], (FEATURES,))


def pixels(path: Path, n_images: int) -> NDArray[np.uint8]:
    """Images ``(N, 3, 96, 96)``, which the file stores column by column."""
    with reading(path):
        flat = of_shape(np.fromfile(path, np.uint8), (n_images * 3 * SIDE * SIDE,))
    return flat.reshape(n_images, 3, SIDE, SIDE).swapaxes(2, 3)


def classes(path: Path, n_images: int) -> NDArray[np.int64]:
    """Classes ``(N,)``, counted from 0."""
    with reading(path):
        return of_shape(np.fromfile(path, np.uint8), (n_images,)).astype(np.int64) - 1


def resnet(weights: Path, device: str) -> nn.Module:
    """ResNet-50 up to its global average pool."""
    network = resnet50()
    with reading(weights):
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    network.fc = nn.Identity()
    return network.to(choose_device(device)).eval()


@torch.no_grad()
def extract(images: NDArray[np.uint8], network: nn.Module, begun: Path) -> NDArray[np.float32]:
    """Features ``(N, 2048)`` of images ``(N, 3, H, W)``, scaled as torchvision does for ImageNet.

    Args:
        images: The images.
        network: Maps ``(B, 3, 224, 224)`` to ``(B, 2048)``.
        begun: The file to which every batch is added; the batches in it are not computed again.
    """
    transform = ResNet50_Weights.IMAGENET1K_V1.transforms()
    device = next(network.parameters()).device
    begun.parent.mkdir(parents=True, exist_ok=True)
    row = FEATURES * np.dtype(np.float32).itemsize
    with open(begun, "ab", opener=unlinked) as file:
        done = file.tell() // (row * BATCH) * BATCH
        file.truncate(done * row)
        log.info("ResNet-50 features of %d images on %s, from image %d", len(images), device, done)
        with tqdm(total=len(images), initial=done, desc="features", disable=None) as bar:
            for start in range(done, len(images), BATCH):
                batch = torch.from_numpy(images[start : start + BATCH].copy())
                features = network(transform(batch.to(device)))
                file.write(features.float().cpu().numpy().tobytes())
                file.flush()
                bar.update(len(batch))
        os.fsync(file.fileno())
    return np.fromfile(begun, np.float32).reshape(len(images), FEATURES)
