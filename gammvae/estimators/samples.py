"""Samples in memory as the program's data: in a file to train on, or as rows for a trained model.

Notation: ``N`` samples, ``F`` features.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import scipy.sparse
from pyarrow.parquet import write_table

from gammvae.config.overrides import in_grammar
from gammvae.config.schema import Config
from gammvae.data.new_samples import prepared
from gammvae.data.rows import IN_MEMORY_BYTES, Rows, SparseRows, smallest_floats
from gammvae.data.training_data import Facts
from gammvae.errors import InputError
from gammvae.mixture.arguments import check_values

# Samples (N, F) as an array or in scipy's CSR format, which has no types.
Matrix = Any


def check_rows(x: Any) -> None:  # noqa: ANN401 - of any type
    """Refuses samples that are no rows of numbers, or have masked values.

    Raises:
        ValueError: They are not; the message says how they become such.
    """
    check_values(x)
    if getattr(x, "ndim", 2) > 2:
        raise InputError(
            f"X has {x.ndim} dimensions: samples must be rows, as in X.reshape(len(X), -1); "
            f"dataset__shape={[*x.shape[1:]]} says what shape they have"
        )


def write_samples(x: Matrix, names: Sequence[str] | None, folder: Path) -> list[str]:
    """Writes samples to a file, and returns the words with which ``gammvae train`` reads it.

    Args:
        x: ``(N, F)`` of real numbers, in scipy's CSR format or dense.
        names: Of the features, where known; a run refuses tables with other columns. Tables that
            are streamed have none.
        folder: Where the file is written.
    """
    path, words = folder / "samples.npy", ["dataset=file"]
    if scipy.sparse.issparse(x):
        scipy.sparse.save_npz(path := folder / "samples.npz", x, compressed=False)
    elif names is not None and len(set(names)) == len(names) and 4 * x.size <= IN_MEMORY_BYTES:
        columns = dict(zip(names, np.asarray(x).T, strict=True))
        write_table(pyarrow.table(columns), path := folder / "samples.parquet")
        words.append("dataset.index=keep")  # no column is left out
    else:
        np.save(path, x)
    return [*words, f"dataset.path={in_grammar(str(path))}"]


def rows_like(x: Matrix, config: Config, facts: Facts) -> Rows:
    """Samples as the model of a run expects them, ``(N, F)``.

    Args:
        x: ``(N, F)``, in scipy's CSR format or dense, with the features of the run.
        config: Configuration of the run.
        facts: Facts about the data that the run was trained on.

    Raises:
        InputError: A value is out of the range that the run's model can process.
    """
    sparse = scipy.sparse.issparse(x)
    rows = SparseRows(x) if sparse else np.ascontiguousarray(smallest_floats(x))
    return prepared(rows, config.dataset, facts, "X")
