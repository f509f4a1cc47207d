"""New samples for a trained model: arranged, checked and preprocessed like those of its run.

Notation: ``N`` samples, ``F`` features.
"""

import numpy as np

from gammvae.config.schema import DatasetConfig
from gammvae.data.dataset import Dataset
from gammvae.data.images import Shape, arranged
from gammvae.data.remarks import check_squares, remark_on_fill
from gammvae.data.rows import Rows, TransformedRows
from gammvae.data.training_data import Facts
from gammvae.errors import InputError


def prepared(
    rows: Rows, stored: Shape, given: DatasetConfig, facts: Facts, what: str
) -> tuple[Rows, list[str]]:
    """Samples as the model expects them.

    Args:
        rows: ``(N, F)`` in the order in which they are stored.
        stored: Shape of one sample as stored.
        given: Dataset configuration of the run.
        facts: Facts about the data that the run was trained on.
        what: What holds the samples, for messages.

    Returns:
        The rows ``(N, F)``, preprocessed, and remarks for the user.

    Raises:
        InputError: They do not match the samples that the run was trained on.
    """
    flat = len(stored) != 3
    wanted = given.shape if given.shape and flat else facts.shape
    by = "the shape of the run's samples, "
    x, shape, _ = arranged(rows, stored, wanted, given.channels, what, by)
    notes = []
    if flat and wanted == facts.shape and len(shape) == 3 and shape[0] > 1:
        notes.append(f"values are read in the order {shape[0]} channels, height, width")
    check_values(Dataset(x, None, shape), facts, what)
    preprocessing = facts.preprocessing
    return (x if preprocessing.name == "none" else TransformedRows(x, preprocessing)), notes


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
