"""Classes from files: whole numbers or text, one for every sample.

Letters: ``N`` samples.
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gammvae.errors import InputError

# Integers as they are written in one way only, so that no two texts become one number.
INTEGER = re.compile(r"0|-?[1-9]\d{0,17}", re.ASCII)
CLASS_NAMES = ("class", "classes", "label", "labels", "target", "y")
# What parts columns, which a file of classes must not have.
SEPARATORS = ",\t;|"
# float64 holds all whole numbers up to here.
MOST_WHOLE = 2.0**53


def from_text(texts: Sequence[str]) -> NDArray:
    """Classes ``(N,)`` as whole numbers if all texts are such without a doubt, else as text.

    ``1`` and ``01``, ``+1``, ``1_0`` or ``1e3`` beside it are text, because they are different.
    """
    texts = [text.strip() for text in texts]
    if texts and all(text.endswith(".0") for text in texts):  # as pandas writes them
        shortened = [text.removesuffix(".0") for text in texts]
        texts = shortened if all(map(INTEGER.fullmatch, shortened)) else texts
    if all(map(INTEGER.fullmatch, texts)):
        return np.array([int(text) for text in texts], np.int64)
    return np.array(texts, dtype=str)


def read_labels(path: Path, n_samples: int) -> tuple[NDArray, list[str]]:
    """Classes from a file of text, one a line, and what should be said about it.

    A line more than there are samples makes the first one a header, unless it is a class as well;
    "0" is what pandas writes above a column without a name.

    Args:
        path: The file, UTF-8; a quoted class may hold anything.
        n_samples: ``N``.

    Raises:
        InputError: A line holds none, or more than one.
    """
    lines = path.read_text("utf-8-sig").rstrip().split("\n")
    for separator in SEPARATORS:
        check_lines(lines, separator, path)
    values = [row[0].strip() for row in csv.reader(lines, delimiter="\t")]
    first, others = values[0], values[1:]
    alone, text = first not in others, INTEGER.fullmatch(first) is None
    numbers = all(map(INTEGER.fullmatch, others))
    if len(others) == n_samples and (first == "0" or (alone and (text or not numbers))):
        return from_text(others), [f"{path}: its first line, {first!r}, is taken as a header"]
    if len(values) == n_samples and alone and text and (numbers or first.lower() in CLASS_NAMES):
        raise InputError(
            f"{path} has a header, {first!r}, and {len(others)} classes below it for {n_samples} "
            "samples: every sample must have one class"
        )
    return from_text(values), []


def check_lines(lines: Sequence[str], separator: str, path: Path) -> None:
    """Refuses lines that are blank, or that a separator parts.

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


def checked_classes(classes: NDArray, name: str, n_samples: int) -> NDArray:
    """Classes ``(N,)`` as integers or text.

    Args:
        classes: As stored.
        name: Where, for messages.
        n_samples: ``N``.

    Raises:
        InputError: They are something else, of another number than the samples, or one is missing.
    """
    if classes.ndim == 2 and classes.shape[1] == 1:
        classes = classes[:, 0]
    if classes.shape != (n_samples,):
        raise InputError(
            f"{name} has the shape {classes.shape} for {n_samples} samples: "
            "every sample must have one class"
        )
    if classes.dtype.kind == "f":
        whole = np.isfinite(classes) & (classes == np.floor(classes))
        if (whole & (np.abs(classes) <= MOST_WHOLE)).all():
            classes = classes.astype(np.int64)
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
