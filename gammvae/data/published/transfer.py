"""One HTTP transfer into a file, resumed wherever it was interrupted.

The libraries that were considered lack the resumption: pooch and torchvision start again after an
interruption. Neither limits the size, or lets a second process wait for the first. The package
requests would replace only ``web``, and bring four further packages.
"""

import logging
import re
import ssl
import time
from http.client import HTTPException
from pathlib import Path
from typing import Any
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

from gammvae import __version__
from gammvae.errors import InputError, first_line
from gammvae.system.progress import meter
from gammvae.system.writing import unlinked

log = logging.getLogger(__name__)

BLOCK = 2**18  # bytes that are read at a time
TIMEOUT = 30.0  # seconds without a byte
# Attempts in a row that bring nothing new, with pauses of 0.5, 1 and 2 seconds; and in total.
FRUITLESS_ATTEMPTS, ATTEMPTS = 4, 100
NETWORK_ERRORS = (URLError, HTTPException, ConnectionError, TimeoutError, ssl.SSLError)
TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)  # status codes of passing refusals


class TooLarge(InputError):
    """A server sends more than is published."""


def retrieve(url: str, partial: Path, most: int) -> None:
    """Downloads into a file, continuing after every interruption from what the file holds.

    Args:
        url: An http or https address.
        partial: The file.
        most: Its largest size in bytes.

    Raises:
        InputError: The server refuses, sends more, or repeated attempts bring no further byte.
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
    """Makes one request for the rest of a file.

    Args:
        url: An http or https address.
        partial: The file.
        most: Its largest size in bytes.

    Returns:
        Whether the file now has the announced length, or none was announced.

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
            meter(
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
    """An opener of http and https addresses, which refuses redirects to any other scheme."""
    opener = OpenerDirector()
    for handler in (
        *(ProxyHandler, HTTPHandler, HTTPSHandler, HTTPRedirectHandler),
        *(HTTPDefaultErrorHandler, HTTPErrorProcessor, UnknownHandler),
    ):
        opener.add_handler(handler())
    return opener


def span(response: Any) -> tuple[int, int | None]:  # noqa: ANN401 - urllib names no type
    """Where a response starts in the whole file, and the length of the file if it is announced."""
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
