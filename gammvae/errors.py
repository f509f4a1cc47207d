"""The errors that are not a defect of the program, and how their messages are made."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path


class InputError(ValueError):
    """A setting or a file cannot be used; the message names it, its value and the rule."""


class InUseError(InputError):
    """A folder is in use by another process; the message names it."""


class DivergenceError(ArithmeticError):
    """Training left the finite numbers; the message names the term, the stage and the epoch."""


class ProcessLost(BaseException):
    """Another process of the run has ended; like an interrupt, it may come at any moment."""


def first_line(error: BaseException) -> str:
    """The beginning of an error's message, on one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def nearest(given: str, names: Iterable[str]) -> str:
    """A question for the one who gave an unknown name, if a known one is much like it.

    It is followed by a space, or empty, so that the list of all names can come next.
    """
    found = get_close_matches(given, list(names), n=1)
    return f"did you mean {found[0]}? " if found else ""


@contextmanager
def blaming(path: Path) -> Iterator[None]:
    """Puts the name of a file in front of messages about its content.

    Args:
        path: The file.

    Raises:
        InputError: As raised inside, with the name, unless the message names its folder already.
    """
    try:
        yield
    except InputError as error:
        if str(path.parent) in str(error):
            raise
        raise InputError(f"{path}: {error}") from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns any error that occurs while a file is read into one that names the file.

    Args:
        path: The file.

    Raises:
        InputError: It cannot be opened, or its parser raised something.
    """
    try:
        yield
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{path} cannot be read: it does not fit into memory") from error
    except Exception as error:  # a parser may raise anything on damaged bytes
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"{path} cannot be read: {error.strerror}") from error
        raise InputError(f"{path} is damaged: {first_line(error)}") from error
