"""Names of rows whose settings are too many for the name of a folder.

Names of folders are cut, and only their hash then tells one row from another. In a table, such rows
are named after the settings in which the rows of their model differ.
"""

from collections.abc import Iterable, Sequence

from gammvae.runs.naming import was_cut
from gammvae.tables.results import Run, row_folder

# Facts of runs that are no settings.
NO_SETTINGS = ("versions.", "dataset_digest")
# How Python writes values, and how the command line does.
ON_COMMAND_LINE = {"None": "null", "True": "true", "False": "false"}


def with_telling_names(runs: Sequence[Run]) -> list[Run]:
    """The runs, with other names of those rows whose names were cut.

    A row keeps its name if the settings in which it differs do not tell it from all others.
    """
    names: dict[str, str] = {}
    for row in {run.row for run in runs if was_cut(row_folder(run.path, run.seed))}:
        members = [run for run in runs if run.row == row]
        model = members[0].made["model.name"]
        settings = differing(run for run in runs if run.made["model.name"] == model)
        if common := in_common(members, settings):
            names[row] = f"{model} {common}"
    rows = [names.get(row, row) for row in {run.row for run in runs}]
    names = {row: name for row, name in names.items() if rows.count(name) == 1}
    return [run._replace(row=names.get(run.row, run.row)) for run in runs]


def differing(runs: Iterable[Run]) -> list[str]:
    """The settings in which runs on the same dataset differ, in alphabetical order."""
    values: dict[tuple[str, str], set[str | None]] = {}
    by_dataset: dict[str, list[Run]] = {}
    for run in runs:
        by_dataset.setdefault(run.dataset, []).append(run)
    for dataset, members in by_dataset.items():
        for key in {key for run in members for key in run.made if not key.startswith(NO_SETTINGS)}:
            values[dataset, key] = {run.made.get(key) for run in members}
    return sorted({key for (_, key), found in values.items() if len(found) > 1})


def in_common(members: Sequence[Run], settings: Sequence[str]) -> str:
    """Those of the settings that all members of a row have in common, as on the command line."""
    words = []
    for key in settings:
        found = {run.made.get(key) for run in members}
        if len(found) == 1 and (value := found.pop()) is not None:
            words.append(f"{key}={ON_COMMAND_LINE.get(value, value.replace(', ', ','))}")
    return ",".join(words)
