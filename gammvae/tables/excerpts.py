"""Tables with other datasets, other seeds or fewer rows than their descriptions name."""

from collections.abc import Sequence
from typing import NamedTuple

from gammvae.errors import InputError, nearest
from gammvae.tables.described import Description, Row


class Choice(NamedTuple):
    """What takes the place of a table's own lists; ``None`` for what stays.

    Attributes:
        datasets: Names of datasets, which need not be among the table's.
        seeds: Seeds, which need not be among the table's.
        rows: Names of the table's rows, separated by commas.
    """

    datasets: Sequence[str] | None = None
    seeds: Sequence[int] | None = None
    rows: str | None = None

    def of(self, name: str, table: Description) -> Description:
        """The table with what is chosen.

        Published figures stay with their datasets, and two rows are compared if both are there.

        Args:
            name: Name of the table, for messages.
            table: The table.

        Raises:
            InputError: The table has no row of a chosen name.
        """
        datasets = list(self.datasets or table["datasets"])
        rows = table["rows"] if self.rows is None else chosen_rows(name, table, self.rows)
        shown: list[Row] = [
            {**row, "published": {key: row["published"][key] for key in datasets if key in known}}
            if (known := row.get("published"))
            else row
            for row in rows
        ]
        new: Description = {
            **table,
            "datasets": datasets,
            "seeds": list(self.seeds or table["seeds"]),
            "rows": shown,
        }
        if not {*table.get("compare", ())} <= {row["name"] for row in rows}:
            del new["compare"]
        return new


def chosen_rows(name: str, table: Description, text: str) -> list[Row]:
    """The rows that a text names, in the order of the table.

    Args:
        name: Name of the table, for messages.
        table: The table.
        text: Names of rows, separated by commas. Names may contain commas themselves.

    Raises:
        InputError: The table has no row of a name.
    """
    names, rest = [row["name"] for row in table["rows"]], f"{text},"
    wanted = set()
    while rest.strip(" ,"):
        rest = rest.lstrip(" ,")
        # "GMM, diagonal" before "GMM"
        found = next((one for one in sorted(names, key=len)[::-1] if begins(rest, one)), None)
        if found is None:
            unknown = rest.partition(",")[0].strip()
            raise InputError(
                f"table {name} has no row {unknown!r}: {nearest(unknown, names)}"
                f"row must be some of {'; '.join(names)}"
            )
        wanted.add(found)
        rest = rest[len(found) :]
    if not wanted:
        raise InputError(f"row={text} names no row: table {name} has {'; '.join(names)}")
    return [row for row in table["rows"] if row["name"] in wanted]


def begins(text: str, name: str) -> bool:
    """Whether a list of names that are separated by commas begins with a name."""
    return text.startswith(name) and text[len(name) :].lstrip().startswith(",")
