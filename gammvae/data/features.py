"""``dataset=features``: the user's own images as features of a network trained on ImageNet.

Notation: ``B`` images of a batch.
"""

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from gammvae.data.dataset import Dataset
from gammvae.data.extraction import NETWORKS, extract, resnet, scaling
from gammvae.data.folder import existing_folder, find_images
from gammvae.data.pictures import from_each, read_image
from gammvae.data.published.array_cache import Arrays, prepared
from gammvae.data.published.downloads import Store, digest
from gammvae.errors import InputError
from gammvae.system.paths import user_path


def load(
    path: str | None, labels: str | None, network: str, store: Store, cache: str, device: str
) -> Dataset:
    """Features of the images in a folder, in the order of their sorted paths.

    Args:
        path: The folder.
        labels: As for ``folder.load``.
        network: A key of ``extraction.NETWORKS``.
        store: Holds the network's weights.
        cache: Folder of prepared arrays, finished or not.
        device: Of the network, as for ``devices.choose_device``.

    Raises:
        InputError: Images or weights are missing or cannot be read, or an image has no class.
    """
    if path is None:
        raise InputError("dataset.path is missing: dataset=features needs dataset.path=FOLDER")
    images = find_images(existing_folder("dataset.path", path), labels)
    weights = store.require(NETWORKS[network].weights)
    sha = hashlib.sha256(network.encode())
    for file in (weights, *images.files):
        sha.update(digest(file, "sha256:").encode())
    source = sha.hexdigest()
    begun = user_path(cache) / f".features-{source[:16]}.part"

    def prepare() -> Arrays:
        scale = scaling(network)

        def read(file: Path) -> Tensor:
            return scale(read_image(file, 3))

        def batch(part: slice) -> Tensor:
            return torch.stack(from_each(images.files[part], read))

        found = extract(len(images.files), batch, network, resnet(network, weights, device), begun)
        return {"x": found}

    x = prepared(cache, f"features-{source[:16]}", source, prepare)["x"]
    begun.unlink(missing_ok=True)
    return Dataset(x, images.classes, x.shape[1:], images.notes, samples=images.names)
