"""Published dataset files: which are here, fetching those that are not, and verifying all.

A download is resumed where it broke off, verified by its digest and renamed into place as a whole.
"""

import gzip
import hashlib
import logging
import re
import ssl
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any, cast
from urllib.error import HTTPError, URLError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    UnknownHandler,
)

from filelock import FileLock
from tqdm import tqdm

from gammvae import __version__
from gammvae.config.published import AboutConfig, check_address
from gammvae.errors import InputError, first_line, reading
from gammvae.paths import user_path
from gammvae.writing import unlinked, write_whole

log = logging.getLogger(__name__)

BLOCK = 2**18
TIMEOUT = 30.0  # seconds without a byte
# Attempts in a row that bring nothing new, with pauses of 0.5, 1 and 2 seconds; and at all.
FRUITLESS_ATTEMPTS, ATTEMPTS = 4, 100
NETWORK_ERRORS = (URLError, HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
UNPACKING_ERRORS = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)
MAX_BYTES = 2**30  # of a file, so that a package cannot unpack without end
# A download may be so many times as large as all that is published: sizes are rounded.
TOLERANCE = 1.1
TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)


class TooLarge(InputError):
    """A server sends more than is published."""


class Store:
    """The published files of one dataset, below a folder.

    Args:
        name: The dataset's.
        root: The folder.
        about: What is published, by its path below the folder.
        mirror: An address in place of the published ones, below which every download lies as
            ``<dataset>/<last part of its published address>``; or ``None``.
        download: Whether missing files may be fetched.

    Raises:
        InputError: The mirror is no address of the web.
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
        """Files that serve in place of the published ones; none if one of them is not here."""
        paths = [self.path(file) for file in self._stand_ins]
        return paths if all(path.is_file() for path in paths) else []

    def missing(self) -> list[str]:
        """The files that are not here."""
        return [file for file in self.files if not self.path(file).is_file()]

    def altered(self) -> dict[str, str]:
        """The files that are here and not the published ones, and the digests they have."""
        digests = {
            file: digest(self.path(file), source.digest)
            for file, source in self.files.items()
            if self.path(file).is_file()
        }
        return {file: found for file, found in digests.items() if found != self.files[file].digest}

    def partial(self, file: str) -> Path:
        """Where the download that brings a file is kept until it is whole."""
        name = self.files[file].url.rpartition("/")[2]
        return self.path(file).parent / f".{name}.part"

    def address(self, file: str) -> str:
        """Where a file is downloaded from."""
        url = self.files[file].url
        if self.mirror is None:
            return url
        return f"{self.mirror.rstrip('/')}/{self.name}/{url.rpartition('/')[2]}"

    def require(self, file: str) -> Path:
        """The path of a file, which is fetched if it is missing and that is allowed.

        Raises:
            InputError: It is not there, with where it is expected and where it comes from.
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
        """Downloads a file, and what else comes in the same archive.

        Raises:
            InputError: The server does not give it, or what it gives is not the published file.
            OSError: The folder cannot be written.
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
    """``algorithm:hexadecimal`` of a file, by the algorithm of another such digest.

    Raises:
        InputError: The file cannot be read.
    """
    algorithm = like.partition(":")[0]
    with reading(path), path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"


def retrieve(url: str, partial: Path, most: int) -> None:
    """Downloads into a file, going on from what it holds, as often as the connection breaks.

    Args:
        url: Of the web.
        partial: The file.
        most: Bytes that it may have.

    Raises:
        InputError: The server refuses, sends more, or attempts bring nothing more.
    """
    fruitless, reason = 0, ""
    for _ in range(ATTEMPTS):
        before = size_of(partial)
        try:
            if transfer(url, partial, most):
                return
            reason = "the connection was closed early"
        except TooLarge:
            partial.unlink()
            raise
        except HTTPError as error:
            reason = f"{error.code} {error.reason}"
            if error.code not in TRY_AGAIN:
                break
        except NETWORK_ERRORS as error:
            reason = first_line(getattr(error, "reason", None) or error)
        except ValueError as error:  # a malformed address
            reason = first_line(error)
            break
        fruitless = 0 if size_of(partial) > before else fruitless + 1
        if fruitless == FRUITLESS_ATTEMPTS:
            break
        level = logging.DEBUG if fruitless else logging.INFO  # offline, one line is enough
        log.log(level, "%s: %s; trying again from byte %d", url, reason, size_of(partial))
        time.sleep(0.25 * 2**fruitless)
    raise InputError(f"{url}: {reason}")


def transfer(url: str, partial: Path, most: int) -> bool:
    """One request for what a file still lacks; whether the file is as long as announced.

    Raises:
        TooLarge: More than ``most`` bytes are announced or come.
    """
    have = size_of(partial)
    headers = {"User-Agent": f"gammvae/{__version__}", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    try:
        response = web().open(Request(url, headers=headers), timeout=TIMEOUT)
    except HTTPError as error:
        if error.code == 416:  # nothing follows: it is whole, or the digest will tell
            return True
        raise
    with response:
        start, total = span(response)
        if start != have:
            start = 0
        log.info("downloading %s%s", url, f" from byte {start}" if start else "")
        with (
            open(partial, "r+b" if start else "wb", opener=unlinked) as file,
            tqdm(
                total=total,
                initial=start,
                desc=url.rpartition("/")[2],
                unit="B",
                unit_scale=True,
                disable=None,
            ) as bar,
        ):
            file.seek(start)
            while block := response.read(BLOCK):
                if max(total or 0, file.tell() + len(block)) > most:
                    raise TooLarge(f"{url}: it is larger than the {most:,} bytes that it may have")
                file.write(block)
                bar.update(len(block))
    return total is None or size_of(partial) >= total


def web() -> OpenerDirector:
    """What opens addresses of the web, and follows redirections to no others."""
    opener = OpenerDirector()
    for handler in (
        *(ProxyHandler, HTTPHandler, HTTPSHandler, HTTPRedirectHandler),
        *(HTTPDefaultErrorHandler, HTTPErrorProcessor, UnknownHandler),
    ):
        opener.add_handler(handler())
    return opener


def span(response: Any) -> tuple[int, int | None]:  # noqa: ANN401 - urllib names no type
    """The position of a response's first byte in the whole file, and the file's length if told."""
    if response.status == 206:
        told = re.match(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if told:
            return int(told[1]), None if told[2] == "*" else int(told[2])
        raise HTTPException("a partial answer does not say which part it is")
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def size_of(path: Path) -> int:
    """A file's size in bytes, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0


def unpack(packed: Path, kind: str | None, names: list[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yields the wanted files of a download, each to be read before the next.

    Args:
        packed: The download.
        kind: ``None`` if it is the file itself, ``gzip``, ``zip`` or ``tar``.
        names: Paths below the dataset's folder, which are also those inside an archive.
    """
    if kind == "zip":
        with zipfile.ZipFile(packed) as archive:
            for name in set(names) & set(archive.namelist()):
                yield name, archive.open(name)
    elif kind == "tar":
        with tarfile.open(packed, "r|*") as stream:
            for member in stream:
                if member.name in names and (content := stream.extractfile(member)):
                    yield member.name, content
    elif kind == "gzip":
        with gzip.open(packed) as unpacked:
            yield names[0], cast(IO[bytes], unpacked)
    else:
        with packed.open("rb") as file:
            yield names[0], file
