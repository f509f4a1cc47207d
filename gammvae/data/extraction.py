"""Features of images: what a network trained on ImageNet computes below its last layer.

Notation: ``N`` images, ``B`` images of a batch, ``F`` features, ``H`` and ``W`` height and width.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import get_model, get_model_weights

from gammvae.devices import choose_device
from gammvae.errors import reading
from gammvae.system.progress import meter
from gammvae.system.writing import unlinked

log = logging.getLogger(__name__)

BATCH = 64


class Network(NamedTuple):
    """A network of torchvision.

    Attributes:
        weights: The published file of its weights ``IMAGENET1K_V1``.
        features: Number ``F`` of its features.
    """

    weights: str
    features: int


NETWORKS = {
    "resnet18": Network("resnet18-f37072fd.pth", 512),
    "resnet50": Network("resnet50-0676ba61.pth", 2048),
}


def resnet(name: str, weights: Path, device: str) -> nn.Module:
    """A ResNet up to its global average pool, from ``(B, 3, 224, 224)`` to ``(B, F)``.

    Args:
        name: A key of ``NETWORKS``.
        weights: File with its weights.
        device: Of the network, as for ``devices.choose_device``.

    Raises:
        InputError: The file is damaged.
    """
    network = get_model(name)
    with reading(weights):
        network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    network.fc = nn.Identity()
    return network.to(choose_device(device)).eval()


def scaling(name: str) -> Callable[[Tensor], Tensor]:
    """How torchvision scales images ``(..., 3, H, W)`` for a network to ``(..., 3, 224, 224)``."""
    return get_model_weights(name)["IMAGENET1K_V1"].transforms()


@torch.no_grad()
def extract(
    n_images: int,
    batch: Callable[[slice], Tensor],
    name: str,
    network: nn.Module,
    begun: Path,
) -> NDArray[np.float32]:
    """Features ``(N, F)`` of images.

    Args:
        n_images: ``N``.
        batch: Returns some of the images, scaled, ``(B, 3, 224, 224)``.
        name: Of the network, a key of ``NETWORKS``.
        network: As ``resnet`` returns it.
        begun: The file to which every batch is added; the batches in it are not computed again.

    Raises:
        InputError: As ``batch`` raises it.
    """
    features, device = NETWORKS[name].features, next(network.parameters()).device
    begun.parent.mkdir(parents=True, exist_ok=True)
    row = features * np.dtype(np.float32).itemsize
    with open(begun, "ab", opener=unlinked) as file:
        done = file.tell() // (row * BATCH) * BATCH
        file.truncate(done * row)
        log.info("features of %s of %d images on %s, from image %d", name, n_images, device, done)
        with meter(total=n_images, initial=done, desc="features", disable=None) as bar:
            for start in range(done, n_images, BATCH):
                images = batch(slice(start, min(start + BATCH, n_images)))
                file.write(network(images.to(device)).float().cpu().numpy().tobytes())
                file.flush()
                bar.update(len(images))
        os.fsync(file.fileno())
    return np.fromfile(begun, np.float32).reshape(n_images, features)
