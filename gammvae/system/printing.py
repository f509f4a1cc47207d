"""Prints and logs untrusted text, with control characters escaped."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from gammvae.system.writing import unlinked


def say(text: object, stream: TextIO | None = None) -> None:
    """Prints a possibly untrusted text on standard output or another stream.

    Characters that the stream's encoding lacks are replaced. If standard error cannot be written,
    the program continues without it.
    """
    stream = stream or sys.stdout
    coding = stream.encoding or "utf-8"
    shown = plain(str(text))
    if coding.lower().replace("-", "") != "utf8":
        shown = shown.replace("\N{PLUS-MINUS SIGN}", "+/-").encode(coding, "replace").decode(coding)
    try:
        print(shown, file=stream, flush=stream is sys.stderr)
    except OSError:
        if stream is not sys.stderr:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say_above_bars(text: object) -> None:
    """Prints a possibly untrusted text on standard error, on a line above all progress bars."""
    from tqdm import tqdm

    with tqdm.external_write_mode(sys.stderr):
        say(text, sys.stderr)


def plain(text: str) -> str:
    """The text with escaped control characters, so that a terminal does not execute them."""
    return "".join(one if one.isprintable() or one in "\n\t" else ascii(one)[1:-1] for one in text)


class TerminalHandler(logging.Handler):
    """Log handler for standard error that writes above a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record."""
        say_above_bars(self.format(record))


class LogFile(logging.StreamHandler):
    """Logs to a file; an error there, such as a full disk, ends the run."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Raises the error again."""
        raise  # logging calls this method while it handles the error


class PlainFormatter(logging.Formatter):
    """Formats log lines with escaped control characters."""

    def format(self, record: logging.LogRecord) -> str:
        """The line with escaped control characters."""
        return plain(super().format(record))


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Appends what the program logs to a file."""
    with open(path, "a", encoding="utf-8", opener=unlinked) as file:
        handler = LogFile(file)
        handler.setFormatter(PlainFormatter("%(asctime)s %(levelname)s %(message)s"))
        logger = logging.getLogger("gammvae")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
