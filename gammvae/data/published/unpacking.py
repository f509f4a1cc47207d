"""The files inside a download that is compressed or an archive."""

import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

# What reading a damaged download raises.
UNPACKING_ERRORS = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError)


def unpack(packed: Path, kind: str | None, names: list[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yields the wanted files of a download, each of which must be read before the next.

    Args:
        packed: The download.
        kind: ``gzip``, ``zip`` or ``tar``; ``None`` if the download is the file itself.
        names: Of the wanted files: paths relative to the folder, and the same in an archive.
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
