"""Classes from files: integers or text, one for each sample.

Notation: ``N`` samples.
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gammvae.errors import InputError

# Integers in their usual form only, so that no two texts become the same number.
INTEGER = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)
CLASS_NAMES = ("class", "classes", "label", "labels", "target", "y")
# Separators of columns; a file of classes must have only one column.
SEPARATORS = ",\t;|"
# float64 represents all integers up to here exactly.
MOST_WHOLE = 2.0**53


def from_text(texts: Sequence[str]) -> NDArray:
    """Classes ``(N,)`` as integers if all texts are unambiguous integers, else as text.

    ``01``, ``+1``, ``1_0`` and ``1e3`` are text, because they differ from ``1``, ``10`` and
    ``1000``. Spaces around numbers are ignored; spaces around text belong to the text.
    """
    numbers = [text.strip() for text in texts]
    if all(number.endswith(".0") for number in numbers):  # as pandas writes them
        numbers = [number.removesuffix(".0") for number in numbers]
    if all(map(INTEGER.fullmatch, numbers)):
        return np.array([int(number) for number in numbers], np.int64)
    return np.array(texts, dtype=str)


def read_labels(path: Path, n_samples: int, hint: str = "") -> tuple[NDArray, list[str]]:
    """Reads classes from a text file with one class a line.

    If there is one line more than there are samples, the first is a header, unless it is a class
    as well. pandas writes "0" above a column without a name.

    Args:
        path: The file, UTF-8; a class in quotes may contain anything.
        n_samples: ``N``.
        hint: The end of the message if there is one class too few.

    Returns:
        Classes ``(N,)``, and remarks for the user.

    Raises:
        InputError: A line holds no class, or several.
    """
    lines = path.read_text("utf-8-sig").rstrip().split("\n")
    for separator in SEPARATORS:
        check_lines(lines, separator, path)
    values = [row[0] for row in csv.reader(lines, delimiter="\t")]
    first, *stripped = (value.strip() for value in values)
    others = values[1:]
    alone, text = first not in stripped, INTEGER.fullmatch(first) is None
    numbers = all(map(INTEGER.fullmatch, stripped))
    if len(others) == n_samples and (first == "0" or (alone and (text or not numbers))):
        return from_text(others), [f"{path}: its first line, {first!r}, is taken as a header"]
    if len(values) == n_samples and alone and text and (numbers or first.lower() in CLASS_NAMES):
        raise InputError(
            f"{path} has a header, {first!r}, and {len(others)} classes below it for {n_samples} "
            f"samples: every sample must have one class{hint}"
        )
    return from_text(values), []


def check_lines(lines: Sequence[str], separator: str, path: Path) -> None:
    """Refuses blank lines and lines with several columns.

    Raises:
        InputError: There is one.
    """
    reader = csv.reader(lines, delimiter=separator)
    for row in reader:
        if len(row) > 1:
            raise InputError(
                f"{path} has more than one column: {separator!r} parts line {reader.line_num}; it "
                "must hold a class a line, with quotes around one that has this in it"
            )
        if not row or not row[0].strip():
            raise InputError(
                f"{path} has no class in line {reader.line_num}: every sample must have one"
            )


def checked_classes(classes: NDArray, name: str, n_samples: int, hint: str = "") -> NDArray:
    """Classes ``(N,)`` as integers or text.

    Args:
        classes: As stored.
        name: Where they come from, for messages.
        n_samples: ``N``.
        hint: The end of the message if there is one class too few.

    Raises:
        InputError: They are of another type, their number is not ``N``, or one is missing.
    """
    if classes.ndim == 2 and classes.shape[1] == 1:
        classes = classes[:, 0]
    if classes.shape != (n_samples,):
        raise InputError(
            f"{name} has the shape {classes.shape} for {n_samples} samples: "
            f"every sample must have one class{hint if classes.shape == (n_samples - 1,) else ''}"
        )
    if classes.dtype.kind == "f":
        classes = checked_whole(classes, name)
    if classes.dtype.kind == "b":
        classes = classes.astype(np.int64)
    if classes.dtype.kind not in "iuUS":
        raise InputError(
            f"{name} holds {classes.dtype}, {classes[0]} for one: "
            "classes must be whole numbers or text"
        )
    if classes.dtype.kind in "US" and (blank := np.char.str_len(np.char.strip(classes)) == 0).any():
        raise InputError(
            f"{name} has no class for sample {blank.argmax() + 1}: every sample must have one"
        )
    return classes


def checked_whole(classes: NDArray, name: str) -> NDArray[np.int64]:
    """Classes ``(N,)`` of a floating-point type as integers.

    Raises:
        InputError: One is missing, or is no integer.
    """
    if (missing := ~np.isfinite(classes)).any():
        sample = missing.argmax()
        raise InputError(
            f"{name} has no class for sample {sample + 1}, but {classes[sample]}: "
            "every sample must have one"
        )
    whole = (classes == np.floor(classes)) & (np.abs(classes) <= MOST_WHOLE)
    if not whole.all():
        sample = whole.argmin()
        raise InputError(
            f"{name} holds {classes.dtype}, {classes[sample]} for sample {sample + 1}: "
            "classes must be whole numbers or text"
        )
    return classes.astype(np.int64)
