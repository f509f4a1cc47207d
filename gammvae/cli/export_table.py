"""The work of ``gammvae export`` for tables: the clusters of all samples beside the user's columns.

Notation: ``N`` samples, ``K`` clusters, ``D`` latent features.
"""

import csv
import io
from pathlib import Path
from typing import IO, TYPE_CHECKING

from numpy.typing import NDArray

from gammvae.cli.places import Places
from gammvae.cli.reuse import usable_config
from gammvae.cli.run_data import data_of
from gammvae.cli.settings import ExportSettings
from gammvae.cli.users_columns import is_table, users_columns
from gammvae.errors import InputError
from gammvae.runs.directory import RunDirectory
from gammvae.runs.trained import sample_names
from gammvae.system.memory import CHUNK_ROWS
from gammvae.system.paths import user_path
from gammvae.system.writing import refuse_replacing, write_whole

if TYPE_CHECKING:
    import pyarrow

# The summary names no more columns than this.
NAMED = 12


def export_table(
    directory: RunDirectory,
    target: Path,
    settings: ExportSettings,
    where: Places,
    config_dir: str | None,
) -> list[str]:
    """Writes one row per sample, and returns a summary in lines.

    Args:
        directory: Directory of the run, of any method.
        target: File to write, ``.csv`` or ``.parquet``.
        settings: Settings of the command, which say what columns are wanted.
        where: See ``reuse.usable_config``.
        config_dir: Folder with the user's own configuration files, or ``None``.

    Raises:
        InputError: The run is not finished, its data are needed and cannot be read, or a column of
            the data has the name of one of the results.
    """
    result = directory.read_result()
    arrays = directory.read_assignments(result["samples"], result["n_clusters"])
    columns, own = {}, results(arrays, settings.embedding)
    if not is_table(directory.read_config().dataset):
        own = names_of(directory, result["samples"]) | own
    if settings.columns or is_table(directory.read_config().dataset):
        config = usable_config(directory, where, config_dir)
        if config.dataset.path is not None:  # it may be another than that of the run
            refuse_replacing("out", target, [user_path(config.dataset.path)])
        dataset, as_text = data_of(directory, config, result), target.suffix.lower() == ".csv"
        columns = users_columns(config.dataset, dataset, settings.columns, as_text)
    if both := sorted(columns.keys() & own.keys()):
        raise InputError(
            f"the data have a column {both[0]!r} as the export has: columns=false leaves it out"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    write(target, {**columns, **own})
    names = [name or "''" for name in (*columns, *own)]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return [f"{result['samples']} samples: {', '.join(names[:NAMED])}{more}", str(target)]


def names_of(directory: RunDirectory, n_samples: int) -> "dict[str, pyarrow.Array]":
    """The names of a run's samples as a column, if they have some: of image files, of cells."""
    import pyarrow

    names = sample_names(directory)
    return {"sample": pyarrow.array(names)} if len(names) == n_samples else {}


def results(arrays: dict[str, NDArray], embedding: bool) -> "dict[str, pyarrow.Array]":
    """Columns with the results of a run.

    Args:
        arrays: Labels ``(N,)``, responsibilities ``(N, K)`` and embedding ``(N, D)``.
        embedding: Whether the embedding is wanted.
    """
    import pyarrow

    labels, points = arrays["labels"], arrays["embedding"].T if embedding else ()
    columns = {
        "cluster": labels,
        "probability": arrays["responsibilities"].max(1),
        **{f"embedding_{index}": values for index, values in enumerate(points)},
    }
    return {name: pyarrow.array(values) for name, values in columns.items()}


def write(target: Path, columns: "dict[str, pyarrow.Array | pyarrow.ChunkedArray]") -> None:
    """Writes a table.

    Args:
        target: ``.csv`` or ``.parquet``.
        columns: Of equal length, by name.

    Raises:
        InputError: A column cannot be written as text.
    """
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table(columns)
    if target.suffix.lower() == ".parquet":
        write_whole(target, lambda file: parquet.write_table(table, file))
        return
    try:
        texts = table.cast(pyarrow.schema([(name, pyarrow.string()) for name in columns]))
    except (pyarrow.ArrowNotImplementedError, pyarrow.ArrowInvalid) as error:
        raise InputError(
            f"out={target} cannot hold lists: a .parquet file can, or columns=false"
        ) from error
    write_whole(target, lambda file: write_csv(file, texts))


def write_csv(file: IO[bytes], texts: "pyarrow.Table") -> None:
    """One line per row, and nothing where a value is missing; arrow itself quotes every text."""
    stream = io.TextIOWrapper(file, "utf-8", newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(texts.column_names)
    for batch in texts.to_batches(max_chunksize=CHUNK_ROWS):
        writer.writerows(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    stream.flush()
    stream.detach()
