"""Terminal messages, exit codes and the order of arguments."""

import argparse
import errno
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from gammvae.errors import DivergenceError, InputError, ProcessLost, nearest
from gammvae.system.printing import TerminalHandler, say
from gammvae.system.processes import count, first_to_say, rank

# Errors of the file system that the user can resolve, such as a full disk or lack of permission.
DISK_ERRORS = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOSPC,
    errno.EDQUOT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
    errno.EFBIG,
    errno.ELOOP,
    errno.EIO,
}

# Most characters of an error message, which may quote a long invalid value.
LONGEST = 1500

TAKES_A_PATH = ("--config-path", "-cp", "--config-name", "-cn", "--config-dir", "-cd")


@contextmanager
def exit_codes() -> Iterator[None]:
    """Ends the program with a one-line message and an exit code if an expected error is raised."""
    try:
        yield
    except InputError as error:
        stop(error, code=2)
    except (DivergenceError, ProcessLost) as error:
        stop(error, code=1)
    except BrokenPipeError:  # the reader of the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        stop(f"{error.filename or 'output'} cannot be written or read: {error.strerror}", code=2)
    except KeyboardInterrupt:
        stop("interrupted; the same command continues from here", code=130)


def open_streams() -> None:
    """Opens closed standard streams on the null device.

    Otherwise a file opened later would get the number of such a stream, and messages would be
    written into it.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 - until the program ends


def stop(message: object, code: int) -> NoReturn:
    """Ends the program with one line on standard error, which one process of a run says."""
    text = re.sub(r"\s+", " ", str(message), flags=re.ASCII)
    if count() > 1:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's, until the line is said
    if first_to_say():
        say(f"gammvae: {text if len(text) <= LONGEST else f'{text[:LONGEST]}...'}", sys.stderr)
    sys.exit(code)


def log_to_terminal(level: int = logging.INFO) -> None:
    """Shows the program's log messages on standard error, those of process 0 if there are more.

    Args:
        level: Least important messages to show, unless a level was chosen before.
    """
    logger = logging.getLogger("gammvae")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler() if rank() else TerminalHandler(level))
        logger.setLevel(logging.DEBUG)
        logger.propagate = False  # Hydra gives the root logger a handler of its own
        logging.getLogger("matplotlib").setLevel(
            logging.WARNING
        )  # its messages would be shown as well


def flags_first(arguments: list[str]) -> list[str]:
    """Moves flags before overrides, as Hydra requires.

    Args:
        arguments: Flags and ``key=value`` overrides in any order.
    """
    overrides = [
        argument
        for before, argument in zip(["", *arguments], arguments, strict=False)
        if "=" in argument and not argument.startswith("-") and before not in TAKES_A_PATH
    ]
    return [argument for argument in arguments if argument not in overrides] + overrides


@contextmanager
def one_line_usage_errors(hint: str = "") -> Iterator[None]:
    """Makes all argument parsers, including Hydra's own, raise ``InputError`` on usage errors.

    Args:
        hint: Advice that follows a message about unknown flags.
    """

    def error(parser: argparse.ArgumentParser, message: str) -> NoReturn:
        flag = re.match(r"unrecognized arguments: (-[^\s=]*)", message)
        if flag and (near := nearest(flag[1], parser._option_string_actions)):
            message += f"; {near.rstrip()}"
        raise InputError(message + (hint if message.startswith("unrecognized") else ""))

    original = argparse.ArgumentParser.error
    setattr(argparse.ArgumentParser, "error", error)  # noqa: B010 - mypy forbids the plain form
    try:
        yield
    finally:
        setattr(argparse.ArgumentParser, "error", original)  # noqa: B010
