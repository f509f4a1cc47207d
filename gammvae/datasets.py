"""From a name to arrays: the loaders behind ``conf/dataset/*.yaml``.

A loader is any function that returns a ``Dataset``. It is given ``root`` and ``download`` if it has
arguments of these names, and whatever else its YAML says.
"""

import hashlib
import importlib
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gammvae.errors import InputError


@dataclass(frozen=True)
class Dataset:
    """Samples in a fixed order, and their classes where known.

    Attributes:
        x: ``(N, F)``, float32.
        y: Classes ``(N,)``, or ``None``. Only the final report looks at them.
        shape: Shape of one sample, its product is ``F``; images are ``(channels, height, width)``.
    """

    x: NDArray[np.float32]
    y: NDArray[Any] | None
    shape: tuple[int, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of samples, shape and classes, in hexadecimal."""
        sha = hashlib.sha256(repr((self.x.shape, self.shape)).encode())
        sha.update(np.ascontiguousarray(self.x).data)
        if self.y is not None:
            sha.update(np.ascontiguousarray(self.y).tobytes())
        return sha.hexdigest()


def load_dataset(
    name: str, likelihood: str, loader: dict[str, Any], *, root: str, download: bool
) -> Dataset:
    """Calls a loader and checks what it returns.

    Args:
        name: For messages.
        likelihood: What the samples must suit: ``bernoulli`` or ``normal``.
        loader: The function's dotted path under ``_target_``, and its arguments.
        root: Folder of dataset files, for loaders that take it.
        download: Whether missing files may be fetched, for loaders that take it.

    Raises:
        InputError: The loader cannot be imported or called, a file is missing or damaged, or the
            samples do not suit the likelihood.
    """
    arguments = dict(loader)
    target = arguments.pop("_target_")
    try:
        module, _, attribute = target.rpartition(".")
        load: Callable[..., Dataset] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"dataset.loader._target_={target} cannot be imported: {error}") from error
    signature = inspect.signature(load)
    for argument, value in (("root", root), ("download", download)):
        if argument in signature.parameters:
            arguments.setdefault(argument, value)
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise InputError(f"dataset.loader does not suit {target}: {error}") from error
    dataset = load(**arguments)
    check_samples(dataset, name, likelihood)
    return dataset


def check_samples(dataset: Dataset, name: str, likelihood: str) -> None:
    """Refuses samples that cannot be trained on.

    Raises:
        InputError: No samples, shapes that disagree, values that are not finite, or values
            outside [0, 1] under a Bernoulli likelihood.
    """
    x, y = dataset.x, dataset.y
    if x.ndim != 2 or 0 in x.shape or x.dtype != np.float32:
        raise InputError(
            f"dataset {name} has samples of shape {x.shape} and type {x.dtype}: "
            "they must be a table of float32, neither side empty"
        )
    if math.prod(dataset.shape) != x.shape[1] or (y is not None and y.shape != (len(x),)):
        raise InputError(
            f"dataset {name} has {x.shape[0]} samples of {x.shape[1]} features, sample shape "
            f"{dataset.shape} and classes of shape {None if y is None else y.shape}: "
            "these must agree"
        )
    low, high = float(x.min()), float(x.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        row, column = np.argwhere(~np.isfinite(x))[0]
        raise InputError(
            f"dataset {name} has the value {x[row, column]} in sample {row}, feature {column}: "
            "all values must be finite"
        )
    if likelihood == "bernoulli" and (low < 0 or high > 1):
        raise InputError(
            f"dataset {name} has values from {low:g} to {high:g}: a bernoulli likelihood needs "
            "values in [0, 1]; dataset.likelihood=normal takes any"
        )


def digits() -> Dataset:
    """The 1,797 images of 8 x 8 pixels that scikit-learn brings along, in [0, 1]."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return Dataset((x / 16).astype(np.float32), y, (1, 8, 8))


def idx_images(root: str, download: bool, name: str) -> Dataset:
    """MNIST or Fashion-MNIST, train and test joined: 70,000 images of 28 x 28, in [0, 1].

    Args:
        root: Folder that holds ``<name>/raw``, torchvision's layout.
        download: Whether torchvision may fetch missing files.
        name: The class of ``torchvision.datasets``: ``MNIST`` or ``FashionMNIST``.

    Raises:
        InputError: A file is missing and cannot be fetched, or is damaged.
    """
    import torchvision
    from torchvision.datasets.mnist import read_image_file, read_label_file

    source = getattr(torchvision.datasets, name)
    base = Path(root).expanduser()
    x, y = [], []
    for part, n_samples in [("train", 60_000), ("t10k", 10_000)]:
        images = base / name / "raw" / f"{part}-images-idx3-ubyte"
        labels = base / name / "raw" / f"{part}-labels-idx1-ubyte"
        for path in (images, labels):
            require(path, partial(source, base, download=True), source.mirrors[0], download)
        x.append(read(lambda path: read_image_file(path).numpy(), images, (n_samples, 28, 28)))
        y.append(read(lambda path: read_label_file(path).numpy(), labels, (n_samples,)))
    pixels = np.concatenate(x).reshape(-1, 28 * 28)
    return Dataset(pixels.astype(np.float32) / np.float32(255), np.concatenate(y), (1, 28, 28))


def usps(root: str, download: bool) -> Dataset:
    """USPS, train and test joined: 9,298 images of 16 x 16, in [0, 1].

    Gray values are rounded down to 1/255, as torchvision does.

    Args:
        root: Folder that holds ``USPS/usps.bz2`` and ``USPS/usps.t.bz2``, libsvm's format.
        download: Whether torchvision may fetch missing files.

    Raises:
        InputError: A file is missing and cannot be fetched, or is damaged.
    """
    from sklearn.datasets import load_svmlight_file
    from torchvision.datasets import USPS

    def load(path: str) -> NDArray[np.float32]:
        pixels, classes = load_svmlight_file(path, n_features=256, dtype=np.float32)
        return np.column_stack([pixels.toarray(), classes.astype(np.float32)])

    tables = []
    for part, n_samples in [("train", 7_291), ("test", 2_007)]:
        address, file, _ = USPS.split_list[part]
        path = Path(root).expanduser() / "USPS" / file
        fetch = partial(USPS, path.parent, train=part == "train", download=True)
        require(path, fetch, address, download)
        tables.append(read(load, path, (n_samples, 257)))
    table = np.concatenate(tables)
    pixels = ((table[:, :-1] + 1) / 2 * 255).astype(np.uint8)
    return Dataset(
        pixels.astype(np.float32) / np.float32(255), table[:, -1].astype(np.int64) - 1, (1, 16, 16)
    )


def require(path: Path, fetch: Callable[[], Any], address: str, download: bool) -> None:
    """Makes sure that a file is there, fetching it if that is allowed.

    Raises:
        InputError: It is not, with where it is expected and where it comes from.
    """
    if path.is_file():
        return
    reason = "dataset.download=false"
    if download:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fetch()
        except Exception as error:  # whatever a network, a disk or a checksum can raise
            reason = f"the download failed: {' '.join(str(error).split())}"
    if not path.is_file():
        raise InputError(
            f"{path} is missing and {reason}; it comes from {address}; "
            "dataset.root or GAMMVAE_DATA can name another folder"
        )


def read(load: Callable[[str], NDArray[Any]], path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """Reads one file and checks that it is whole.

    Raises:
        InputError: It cannot be parsed, or holds another shape.
    """
    try:
        array = load(str(path))
    except Exception as error:  # a parser may raise anything on damaged bytes
        raise InputError(
            f"{path} is damaged: {' '.join(str(error).split()) or type(error).__name__}"
        ) from error
    if array.shape != shape:
        raise InputError(f"{path} is damaged: it holds shape {array.shape}, expected {shape}")
    return array
