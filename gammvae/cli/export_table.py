"""The work of ``gammvae export`` for tables: the clusters of all samples beside the user's columns.

Notation: ``N`` samples, ``K`` clusters, ``D`` latent features.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from numpy.typing import NDArray

from gammvae.cli.places import Places
from gammvae.cli.reuse import usable_config
from gammvae.cli.run_data import data_of
from gammvae.cli.settings import ExportSettings
from gammvae.cli.table_writer import write_table
from gammvae.cli.users_columns import Taken, has_positions, is_table, users_columns
from gammvae.errors import InputError, reading
from gammvae.runs.contents import DATA
from gammvae.runs.directory import RunDirectory
from gammvae.runs.trained import sample_names
from gammvae.system.paths import user_path
from gammvae.system.writing import refuse_existing, refuse_replacing

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
        InputError: The run is not finished, its data are needed and cannot be read, a column of
            the data has the name of one of the results, or the file to write exists.
    """
    import pyarrow

    result, dataset = directory.read_result(), directory.read_config().dataset
    arrays = directory.read_assignments(result["samples"], result["n_clusters"])
    taken, names = Taken({}, {}), sample_names(directory)
    needed = settings.columns or is_table(dataset)
    config = usable_config(directory, where, config_dir) if needed else None
    if config and config.dataset.path is not None:  # it may be another than that of the run
        refuse_replacing("out", target, [user_path(config.dataset.path)])
    refuse_existing("out", target, settings.overwrite)
    if config:
        data, as_text = data_of(directory, config, result), target.suffix.lower() == ".csv"
        taken = users_columns(config.dataset, data, settings.columns, as_text)
        names = list(data.samples)
    named, found = {}, results(arrays, settings.embedding)
    if len(names) == result["samples"]:
        with reading(directory / DATA):
            named = {"sample": column_of(names, has_positions(dataset))}
    check_names(taken, [*named, *found])
    columns = {**taken.row_index, **named, **taken.others, **found}
    write_table(target, [pyarrow.table(columns)])
    shown = [name or "''" for name in columns]
    more = f" and {len(shown) - NAMED} more" if len(shown) > NAMED else ""
    return [f"{result['samples']} samples: {', '.join(shown[:NAMED])}{more}", str(target)]


def check_names(taken: Taken, own: Sequence[str]) -> None:
    """Refuses columns of the user that have the name of one of ours.

    Raises:
        InputError: There is one.
    """
    for name in own:
        if name in taken.others:
            raise InputError(
                f"the data have a column {name!r} as the export has: columns=false leaves it out"
            )
        if name in taken.row_index:
            raise InputError(
                f"the row index of the data is called {name!r} as a column of the export: "
                "dataset.path=FILE must name a file in which it is called otherwise"
            )


def column_of(names: Sequence[str], as_positions: bool) -> "pyarrow.Array":
    """The names of a run's samples as a column.

    Args:
        names: Of image files or of cells, or positions in the user's file, counted from 0, if
            samples were left out because they lack a value.
        as_positions: Whether they are such positions.
    """
    import pyarrow

    return pyarrow.array([int(name) for name in names] if as_positions else names)


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
