"""Columns of text as one feature for each of their texts (one-hot encoding).

Notation: ``N`` samples.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gammvae.data.formats.cells import MAX_CLASS_NAME, check_distinct, holds_text
from gammvae.data.formats.request import Request, listed
from gammvae.errors import InputError

if TYPE_CHECKING:
    import pyarrow

# A column with more different texts than this is more likely to hold names than categories.
MOST_CATEGORIES = 100


class Encoded(NamedTuple):
    """A table whose columns of text are replaced.

    Attributes:
        table: The table; a column for each text is true where a row has this text, and empty where
            the row has none.
        categories: The texts, by column.
        notes: What the user should know about it.
    """

    table: "pyarrow.Table"
    categories: dict[str, tuple[str, ...]]
    notes: list[str]


def with_indicators(table: "pyarrow.Table", request: Request) -> Encoded:
    """Replaces every column of text by one column for each of its texts, in sorted order.

    Args:
        table: The features.
        request: Which texts the columns have, if that is known.

    Raises:
        InputError: A column has too many or too long texts, or one that is not among the known
            ones; or two columns get the same name.
    """
    import pyarrow
    import pyarrow.compute as pc

    encoded = Encoded(table, {}, [])
    names: list[str] = []
    columns: list[Any] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        known = (request.categories or {}).get(name)
        if known is None and not holds_text(column.type):
            names.append(name)
            columns.append(column)
            continue
        categories = checked(name, column, known)
        texts = column.cast("string")
        encoded.categories[name] = categories
        names += [f"{name}={text}" for text in categories]
        columns += [pc.equal(texts, text) for text in categories]
        encoded.notes.append(
            f"column {name!r} of text is read as {len(categories)} features, one for each of "
            + ", ".join(categories)
        )
    if not encoded.categories:
        return encoded
    check_distinct(names, "columns of text")
    return encoded._replace(table=pyarrow.table(columns, names))


def checked(
    name: str, column: "pyarrow.ChunkedArray", known: Sequence[str] | None
) -> tuple[str, ...]:
    """The texts of a column, sorted, or those that are known.

    Raises:
        InputError: See ``with_indicators``.
    """
    # Before anything else: a few bytes of a dictionary can stand for any number of long texts.
    found = sorted(set(column.unique().cast("string").to_pylist()) - {None})
    if known is not None:
        if unknown := next((text for text in found if text not in known), None):
            raise InputError(
                f"column {name!r} has the text {unknown!r}, which the data of the run did not "
                f"have: {listed(known)}"
            )
        return tuple(known)
    if not found:
        raise InputError(f"column {name!r} has no value in any row")
    if len(found) > MOST_CATEGORIES or max(map(len, found)) > MAX_CLASS_NAME:
        raise InputError(
            f"column {name!r} has {len(found)} different texts of up to {max(map(len, found))} "
            f"characters: dataset.categorical=onehot takes at most {MOST_CATEGORIES} of "
            f"{MAX_CLASS_NAME}; dataset.drop leaves columns out"
        )
    return tuple(found)
