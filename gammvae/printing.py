"""What is printed and logged, whoever wrote it: nothing in it is obeyed by a terminal."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from gammvae.writing import unlinked


def say(text: object, stream: TextIO | None = None) -> None:
    """Prints a text, whoever wrote it, on standard output or another stream.

    What the stream's encoding lacks is replaced. Nothing ends because standard error cannot be
    written: it then leads nowhere.
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


def plain(text: str) -> str:
    """The text with its control characters, which a terminal would obey, written out."""
    return "".join(one if one.isprintable() or one in "\n\t" else ascii(one)[1:-1] for one in text)


class LogFile(logging.StreamHandler):
    """Writes to a file; what goes wrong there, such as a full disk, ends the run."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Raises what was raised."""
        raise  # it is called where that was caught


class PlainFormatter(logging.Formatter):
    """Lines of a log in which nothing can be obeyed by a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, with control characters written out."""
        return plain(super().format(record))


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Copies what the program logs into a file."""
    with open(path, "a", encoding="utf-8", opener=unlinked) as file:
        handler = LogFile(file)
        handler.setFormatter(PlainFormatter("%(asctime)s %(levelname)s %(message)s"))
        logger = logging.getLogger("gammvae")
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
