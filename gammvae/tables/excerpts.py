"""Tables with other datasets, seeds and metrics or fewer rows than their descriptions name."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gammvae.errors import InputError, nearest
from gammvae.tables.described import Description, Row


class Choice(NamedTuple):
    """What takes the place of a table's own lists; ``None`` for what stays.

    Attributes:
        datasets: Names of datasets, which need not be among the table's.
        seeds: Seeds, which need not be among the table's.
        metrics: Metrics, which need not be among the table's.
        rows: Names of rows; the table keeps those that it has.
    """

    datasets: Sequence[str] | None = None
    seeds: Sequence[int] | None = None
    metrics: Sequence[str] | None = None
    rows: Sequence[str] | None = None

    def of(self, table: Description) -> Description:
        """The table with what is chosen.

        Published figures stay with their datasets, and two rows are compared if both are there.
        Several metrics on a single chosen dataset are the columns of one table.
        """
        chosen: Description = table.copy()
        if self.datasets is not None:
            chosen["datasets"] = list(self.datasets)
        if self.seeds is not None:
            chosen["seeds"] = list(self.seeds)
        if self.metrics is not None:
            chosen["metrics"] = list(self.metrics)
        chosen["rows"] = [
            published_on(row, chosen["datasets"])
            for row in table["rows"]
            if self.rows is None or row["name"] in self.rows
        ]
        if self != Choice() and len(chosen["datasets"]) == 1 < len(chosen["metrics"]):
            chosen["columns"] = "metrics"
        if not {*table.get("compare", ())} <= {*names_of([chosen])}:
            del chosen["compare"]
        return chosen


def published_on(row: Row, datasets: Iterable[str]) -> Row:
    """The row with the figures that are published on some datasets."""
    if "published" not in row:
        return row
    known = row["published"]
    return {**row, "published": {name: known[name] for name in datasets if name in known}}


def names_of(tables: Iterable[Description]) -> list[str]:
    """Names of the rows of tables, each once."""
    return list(dict.fromkeys(row["name"] for table in tables for row in table["rows"]))


def rows_in(text: str, names: Sequence[str]) -> list[str]:
    """The names of rows in a list of them, in the order of ``names``.

    Args:
        text: Names, separated by commas. They may contain commas themselves.
        names: All names.

    Raises:
        InputError: There is an unknown name, or none.
    """
    wanted, rest = set(), text
    longest_first = sorted(names, key=len, reverse=True)  # "GMM, diagonal" before "GMM"
    while rest := rest.strip(" ,"):
        for name in longest_first:
            if found := re.match(rf"{re.escape(name)} *(,|$)", rest):
                break
        else:
            unknown = rest.partition(",")[0].strip()
            raise InputError(
                f"row={text}: no table has the row {unknown!r}: {nearest(unknown, names)}"
                f"the rows are {'; '.join(names)}"
            )
        wanted.add(name)
        rest = rest[found.end() :]
    if not wanted:
        raise InputError(f"row={text} names no row: the rows are {'; '.join(names)}")
    return [name for name in names if name in wanted]
