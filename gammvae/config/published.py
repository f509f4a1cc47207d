"""Published facts about a dataset: its files with their digests, and its size."""

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from omegaconf import MISSING, DictConfig, OmegaConf

from gammvae.errors import InputError

PACKED = (None, "gzip", "zip", "tar")
BYTES = {"kB": 10**3, "MB": 10**6, "GB": 10**9}


@dataclass
class FileConfig:
    """A published file: its address and its digest as ``algorithm:hexadecimal``.

    The download may be packed (``unpack``: gzip, zip or tar). In an archive, the member has the
    name of the file.
    """

    url: str = MISSING
    digest: str = MISSING
    unpack: str | None = None


@dataclass
class AboutConfig:
    """Published facts about a dataset, to be shown and checked.

    ``size`` is that of all downloads together, and larger downloads are refused. ``stand_ins`` are
    files that can replace the published ``files`` if all of them are present. ``contents`` maps
    digests of known variants of the data to how these differ from the published data.

    Raises:
        InputError: The name of a file leads out of the data folder, its address is not http or
            https, or its digest is invalid.
    """

    samples: int | None = None
    features: int | None = None
    licence: str | None = None
    size: str | None = None
    files: dict[str, FileConfig] = field(default_factory=dict)
    stand_ins: list[str] = field(default_factory=list)
    contents: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (*self.files, *self.stand_ins):
            check_inside(name)
        for name, file in self.files.items():
            check_address(f"the address of {name}", file.url)
            check_digest(name, file.digest)
            if file.unpack not in PACKED:
                raise InputError(f"unpack={file.unpack} of {name} must be null, gzip, zip or tar")

    @property
    def download_bytes(self) -> int | None:
        """The published size of all downloads in bytes; ``None`` if ``size`` does not give it."""
        told = re.fullmatch(r"([\d.]+) (kB|MB|GB)", self.size or "")
        return int(float(told[1]) * BYTES[told[2]]) if told else None


def check_stated(dataset: DictConfig) -> None:
    """Refuses a published file without an address or a digest.

    Args:
        dataset: The configuration of a dataset, in which values may be missing.

    Raises:
        InputError: There is such a file.
    """
    for name, file in dataset.about.files.items():
        for key in ("url", "digest"):
            if OmegaConf.is_missing(file, key):
                raise InputError(
                    f"dataset {dataset.name} has no {key} for {name}: every file below about.files "
                    "must have a url and a digest; leave out one that is not published"
                )


def check_inside(name: str) -> None:
    """Refuses a file name that leads out of the data folder.

    Raises:
        InputError: The name is empty or absolute, or has a part ``..``.
    """
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise InputError(f"{name!r} is not a valid file name: it must be relative and without '..'")


def check_address(what: str, url: str) -> None:
    """Refuses an address that is not on the web.

    Raises:
        InputError: The address is neither http nor https.
    """
    if not re.match(r"https?://[^/]", url):
        raise InputError(f"{what} is {url}: it must begin with http:// or https://")


def check_digest(name: str, digest: str) -> None:
    """Refuses a malformed or truncated digest.

    Raises:
        InputError: The algorithm is unknown, or the digest does not have its full length.
    """
    algorithm, _, digits = digest.partition(":")
    known = algorithm in hashlib.algorithms_guaranteed
    length = 2 * hashlib.new(algorithm).digest_size if known else 0
    if not length or not re.fullmatch(f"[0-9a-f]{{{length}}}", digits):
        raise InputError(
            f"the digest of {name} is {digest}: it must be ALGORITHM:HEXADECIMAL in full length"
        )
