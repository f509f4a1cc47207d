"""Loaders of benchmarks that need little preparation: digits, MNIST, Fashion-MNIST, USPS, HHAR."""

import bz2
import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gammvae.data.dataset import Dataset
from gammvae.data.published.array_cache import prepared
from gammvae.data.published.downloads import Store, digest
from gammvae.errors import InputError, first_line, reading

log = logging.getLogger(__name__)

HHAR_ARCHIVE = "UCI HAR Dataset.zip"
# Larger than any file of that archive, which unpack to at most a quarter of this.
HHAR_MEMBER_BYTES = 2**28
HHAR_OPENML = 1478


def digits() -> Dataset:
    """The 1,797 images of 8 x 8 pixels that come with scikit-learn, in [0, 1]."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return Dataset((x / 16).astype(np.float32), y, (1, 8, 8))


def idx_images(store: Store, folder: str, parts: Mapping[str, int], side: int) -> Dataset:
    """MNIST and datasets in its format, with their parts concatenated in order, in [0, 1].

    Args:
        store: Holds ``<folder>/<part>-images-idx3-ubyte`` and ``-labels-idx1-ubyte``, torchvision's
            layout.
        folder: Their folder.
        parts: Number of samples by the name of the part.
        side: Height and width of an image in pixels.

    Raises:
        InputError: A file is missing and cannot be downloaded, or is damaged.
    """
    from torchvision.datasets.mnist import read_image_file, read_label_file

    x, y = [], []
    for part, n_samples in parts.items():
        images = store.require(f"{folder}/{part}-images-idx3-ubyte")
        labels = store.require(f"{folder}/{part}-labels-idx1-ubyte")
        with reading(images):
            x.append(of_shape(read_image_file(str(images)).numpy(), (n_samples, side, side)))
        with reading(labels):
            y.append(of_shape(read_label_file(str(labels)).numpy(), (n_samples,)))
    pixels = np.concatenate(x).reshape(-1, side**2).astype(np.float32)
    pixels /= np.float32(255)
    return Dataset(pixels, np.concatenate(y), (1, side, side))


def usps(store: Store, parts: Mapping[str, int], side: int) -> Dataset:
    """USPS, with its parts concatenated in order, in [0, 1].

    Gray values are rounded down to 1/255, as torchvision does.

    Args:
        store: Holds the parts in libsvm's format, compressed with bzip2.
        parts: Number of samples by the file of the part.
        side: Height and width of an image in pixels.

    Raises:
        InputError: A file is missing and cannot be downloaded, or is damaged.
    """
    from sklearn.datasets import load_svmlight_file

    tables = []
    for file, n_samples in parts.items():
        path = store.require(file)
        with reading(path), bz2.open(path) as content:
            pixels, classes = load_svmlight_file(content, n_features=side**2, dtype=np.float32)
            table = np.column_stack([pixels.toarray(), classes.astype(np.float32)])
            tables.append(of_shape(table, (n_samples, side**2 + 1)))
    table = np.concatenate(tables)
    pixels = ((table[:, :-1] + 1) / 2 * 255).astype(np.uint8)
    classes = table[:, -1].astype(np.int64) - 1
    return Dataset(pixels.astype(np.float32) / np.float32(255), classes, (1, side, side))


def hhar(
    store: Store, cache: str, parts: Mapping[str, int], features: int, openml_digest: str | None
) -> Dataset:
    """UCI-HAR: features of smartphone signals in [-1, 1] during six activities.

    The parts are concatenated in order. They come from the archive of the UCI repository, or from
    OpenML's copy if that is neither present nor can be downloaded.

    Args:
        store: Holds the archive, with ``UCI HAR Dataset/<part>/X_<part>.txt`` and ``y_<part>.txt``.
        cache: Folder of prepared arrays.
        parts: Number of samples by the name of the part.
        features: Number of features.
        openml_digest: Digest that the first part of OpenML's copy must have.

    Raises:
        InputError: Neither source is available, or the archive is damaged.
    """
    try:
        path = store.require(HHAR_ARCHIVE)
    except InputError as missing:
        if not store.download:
            raise
        return hhar_from_openml(store, missing, parts, features, openml_digest)
    source = f"{digest(path, 'sha256:')} {dict(parts)} {features}"
    arrays = prepared(cache, "hhar", source, lambda: hhar_from_uci(path, parts, features))
    return Dataset(arrays["x"], arrays["y"], (features,))


def hhar_from_uci(path: Path, parts: Mapping[str, int], features: int) -> dict[str, NDArray]:
    """Samples ``x`` ``(N, F)`` and classes ``y`` ``(N,)`` from the archive of UCI."""
    x: list[NDArray] = []
    y: list[NDArray] = []
    with reading(path), zipfile.ZipFile(path) as archive:
        for part, n_samples in parts.items():
            for name, tables, shape in (
                (f"{part}/X_{part}.txt", x, (n_samples, features)),
                (f"{part}/y_{part}.txt", y, (n_samples,)),
            ):
                member = archive.getinfo(f"UCI HAR Dataset/{name}")
                if member.file_size > HHAR_MEMBER_BYTES:
                    raise ValueError(f"{name} unpacks to {member.file_size} bytes")
                with archive.open(member) as file:
                    tables.append(of_shape(np.loadtxt(file, np.float32), shape))
    return {"x": np.concatenate(x), "y": np.concatenate(y).astype(np.int64) - 1}


def hhar_from_openml(
    store: Store,
    missing: InputError,
    parts: Mapping[str, int],
    features: int,
    expected: str | None,
) -> Dataset:
    """The same samples from OpenML, whose checksum scikit-learn verifies.

    Raises:
        InputError: They are not available, or the first part is not that of the UCI archive.
    """
    from sklearn.datasets import fetch_openml

    source = f"OpenML data set {HHAR_OPENML}"
    log.info("%s; trying %s", missing, source)
    try:
        x, y = fetch_openml(
            data_id=HHAR_OPENML,
            data_home=str(store.root),
            return_X_y=True,
            as_frame=False,
            parser="liac-arff",
        )
    except Exception as error:  # whatever a network, a disk or a parser can raise
        raise InputError(f"{missing}; {source} failed too: {first_line(error)}") from error
    x, y = x.astype(np.float32), y.astype(np.int64) - 1
    first = next(iter(parts.values()))
    found = Dataset(x[:first], y[:first], (features,)).digest
    if x.shape != (sum(parts.values()), features) or found != (expected or found):
        raise InputError(f"{missing}; {source} has other samples, or another order, than UCI's")
    return Dataset(x, y, (features,), (f"read from {source}, because {missing}",))


def of_shape(array: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Returns the array if it has the published shape.

    Raises:
        ValueError: It has another shape.
    """
    if array.shape != shape:
        raise ValueError(f"it holds shape {array.shape}, expected {shape}")
    return array
