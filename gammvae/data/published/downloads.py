"""Published dataset files: which of them are present, downloading the others, verifying all.

A download becomes visible only when it is complete and its digest is the published one.
"""

import hashlib
import logging
from pathlib import Path
from typing import IO

from filelock import FileLock

from gammvae.config.published import AboutConfig, check_address
from gammvae.data.published.transfer import BLOCK, retrieve
from gammvae.data.published.unpacking import UNPACKING_ERRORS, unpack
from gammvae.errors import InputError, first_line, reading
from gammvae.system.paths import user_path
from gammvae.system.writing import write_whole

log = logging.getLogger(__name__)

MAX_BYTES = 2**30  # of one file, so that a small archive cannot fill the disk
# A download may be larger than the published size by this factor, because sizes are rounded.
TOLERANCE = 1.1


class Store:
    """The published files of one dataset, below a folder.

    Args:
        name: Of the dataset.
        root: The folder.
        about: What is published, with paths relative to the folder.
        mirror: An address to use in place of the published ones, or ``None``. Every download is
            expected there as ``<dataset>/<last part of its published address>``.
        download: Whether missing files may be downloaded.

    Raises:
        InputError: The mirror is no http or https address.
    """

    def __init__(
        self,
        name: str,
        root: str,
        about: AboutConfig,
        mirror: str | None,
        download: bool,
    ) -> None:
        self.name = name
        self.root = user_path(root)
        self.files = about.files
        self._stand_ins = about.stand_ins
        self.most = int(TOLERANCE * (about.download_bytes or MAX_BYTES))
        if mirror is not None:
            check_address("dataset.mirror", mirror)
        self.mirror = mirror
        self.download = download

    def path(self, file: str) -> Path:
        """Where a file is expected."""
        return self.root / file

    def stand_ins(self) -> list[Path]:
        """Files that replace the published ones; an empty list if one of them is missing."""
        paths = [self.path(file) for file in self._stand_ins]
        return paths if all(path.is_file() for path in paths) else []

    def missing(self) -> list[str]:
        """The published files that are not present."""
        return [file for file in self.files if not self.path(file).is_file()]

    def altered(self) -> dict[str, str]:
        """The files that differ from the published ones, and their digests."""
        digests = {
            file: digest(self.path(file), source.digest)
            for file, source in self.files.items()
            if self.path(file).is_file()
        }
        return {file: found for file, found in digests.items() if found != self.files[file].digest}

    def partial(self, file: str) -> Path:
        """Where the download that contains a file is kept until it is complete."""
        name = self.files[file].url.rpartition("/")[2]
        return self.path(file).parent / f".{name}.part"

    def address(self, file: str) -> str:
        """Where a file is downloaded from."""
        url = self.files[file].url
        if self.mirror is None:
            return url
        return f"{self.mirror.rstrip('/')}/{self.name}/{url.rpartition('/')[2]}"

    def require(self, file: str) -> Path:
        """The path of a file, which is downloaded if it is missing and downloads are allowed.

        Raises:
            InputError: It is missing; the message says where it belongs and where it comes from.
        """
        path = self.path(file)
        if path.is_file():
            return path
        reason = f"dataset.download=false; it comes from {self.address(file)}"
        if self.download:
            try:
                self.fetch(file)
                return path
            except InputError as error:
                reason = f"the download failed: {error}"
            except OSError as error:
                reason = f"it cannot be written: {error.strerror or first_line(error)}"
        raise InputError(
            f"{path} is missing and {reason}; dataset.root or GAMMVAE_DATA can name another folder"
        )

    def fetch(self, file: str) -> None:
        """Downloads a file, and all other missing files of the same archive.

        Raises:
            InputError: The server does not deliver it, or delivers another file.
            OSError: The folder is not writable.
        """
        partial = self.partial(file)
        partial.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(partial.with_suffix(".lock")):
            if not self.path(file).is_file():  # another process may have been faster
                self._fetch(file, partial)

    def _fetch(self, file: str, partial: Path) -> None:
        source, resumed = self.files[file], partial.exists()
        wanted = [other for other in self.missing() if self.files[other].url == source.url]
        retrieve(self.address(file), partial, self.most)
        try:
            for name, content in unpack(partial, source.unpack, wanted):
                self._keep(name, content)
            if lacking := [name for name in wanted if not self.path(name).is_file()]:
                raise InputError(f"it does not hold {lacking[0]}")
        except (InputError, *UNPACKING_ERRORS) as error:
            partial.unlink()
            if not resumed:
                raise InputError(f"{self.address(file)}: {first_line(error)}") from error
            log.warning("%s: %s; begun again", self.address(file), first_line(error))
            self._fetch(file, partial)
        else:
            partial.unlink()

    def _keep(self, file: str, content: IO[bytes]) -> None:
        path, expected = self.path(file), self.files[file].digest
        path.parent.mkdir(parents=True, exist_ok=True)
        sha = hashlib.new(expected.partition(":")[0])

        def save(target: IO[bytes]) -> None:
            while block := content.read(BLOCK):
                target.write(block)
                sha.update(block)
                if target.tell() > MAX_BYTES:
                    raise InputError(f"{file} is larger than any published file")
            if (found := f"{sha.name}:{sha.hexdigest()}") != expected:
                raise InputError(f"{file} has the digest {found} where {expected} is published")

        write_whole(path, save)


def digest(path: Path, like: str) -> str:
    """Computes the digest of a file as ``algorithm:hexadecimal``.

    Args:
        path: The file.
        like: A digest of the same form, whose algorithm is used.

    Raises:
        InputError: The file cannot be read.
    """
    algorithm = like.partition(":")[0]
    with reading(path), path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"
