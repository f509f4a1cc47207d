"""New samples for a trained model: arranged, checked and preprocessed like those of its run.

Notation: ``N`` samples, ``F`` features.
"""

from dataclasses import replace

import numpy as np

from gammvae.config.sections import DatasetConfig
from gammvae.data.dataset import Dataset
from gammvae.data.images import arranged
from gammvae.data.missing import filled, without_missing
from gammvae.data.remarks import check_squares, remark_on_fill
from gammvae.data.rows import Rows, TransformedRows
from gammvae.data.training_data import Facts
from gammvae.errors import InputError


def prepared(rows: Rows, given: DatasetConfig, facts: Facts, what: str) -> Rows:
    """Samples ``(N, F)`` as the model expects them; see ``in_order_of`` and ``preprocessed``."""
    data, _ = in_order_of(given, facts, Dataset(rows, None, (rows.shape[1],)), what)
    return preprocessed(data, facts, what)


def in_order_of(
    given: DatasetConfig, facts: Facts, data: Dataset, what: str
) -> tuple[Dataset, list[str]]:
    """Samples in the order of a run's, and what the user should know.

    Args:
        given: Dataset configuration of the run.
        facts: Facts about the data that the run was trained on.
        data: The samples in the order in which they are stored.
        what: What holds the samples, for messages.

    Raises:
        InputError: They are of another shape.
    """
    flat = len(data.shape) != 3
    wanted = given.shape if given.shape and flat else facts.shape
    by = "the shape of the run's samples, "
    x, shape, _ = arranged(data.x, data.shape, wanted, given.channels, what, by)
    notes = []
    if flat and wanted == facts.shape and len(shape) == 3 and shape[0] > 1:
        notes.append(f"values are read in the order {shape[0]} channels, height, width")
    return replace(data, x=x, shape=shape), notes


def completed(
    data: Dataset, given: DatasetConfig, facts: Facts, what: str
) -> tuple[Dataset, list[str]]:
    """Samples with missing values treated as they were in training, and how many there were.

    Args:
        data: The samples, of which some may lack values.
        given: Dataset configuration of the run.
        facts: Facts about the data that the run was trained on.
        what: What holds the samples, for messages.
    """
    if facts.medians is not None:
        missing = int(np.isnan(data.x).sum()) if isinstance(data.x, np.ndarray) else 0
        said = f"{missing} missing values are replaced by medians of the run"
        return replace(data, x=filled(data.x, facts.medians)), [said] if missing else []
    if given.missing != "drop" or not isinstance(data.x, np.ndarray):
        return data, []
    kept = without_missing(data, "drop", what)
    return kept, list(kept.notes)


def preprocessed(data: Dataset, facts: Facts, what: str) -> Rows:
    """Samples ``(N, F)`` preprocessed like those of a run.

    Args:
        data: The samples.
        facts: Facts about the data that the run was trained on.
        what: What holds the samples, for messages.

    Raises:
        InputError: A value is out of the range that the run's model can process.
    """
    check_values(data, facts, what)
    preprocessing = facts.preprocessing
    return data.x if preprocessing.name == "none" else TransformedRows(data.x, preprocessing)


def check_values(data: Dataset, facts: Facts, what: str) -> None:
    """Refuses values outside the range that a run's model can process.

    Args:
        data: The samples.
        facts: Facts about the data that the run was trained on.
        what: What holds the samples, for messages.

    Raises:
        InputError: A value is not finite or out of range, or squares of the values overflow.
    """
    found, preprocess = data.scan, facts.preprocessing.name
    if found.bad is not None:
        row, column, value = found.bad
        raise InputError(
            f"{what} has the value {value} in sample {row}, feature {column}: "
            "all values must be finite in float32"
        )
    low, high = found.low.min(), found.high.max()
    within = low >= 0 and high <= 1
    if facts.likelihood == "bernoulli" and preprocess == "none" and not within:
        raise InputError(
            f"{what} has values from {low:g} to {high:g}: the run was trained on values in [0, 1]"
        )
    if preprocess in ("none", "standardize"):
        low, high = facts.preprocessing(np.stack([found.low, found.high]))
        fill = remark_on_fill(data.x, found, facts.names)
        check_squares(low, high, len(low), what, fill)
