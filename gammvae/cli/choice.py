"""``dataset=``, ``seed=`` and ``row=`` of ``gammvae reproduce``: other tables than described."""

from collections.abc import Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob
from hydra.errors import HydraException

from gammvae.cli.sweeps import once
from gammvae.config.ranges import MOST_SEED
from gammvae.errors import InputError
from gammvae.runs.naming import file_name
from gammvae.tables.described import Description
from gammvae.tables.excerpts import Choice

KEYS = ("dataset", "seed", "row")


def is_choice(word: str) -> bool:
    """Whether an argument says what a table shows, and is no setting of its runs."""
    return word.partition("=")[0] in KEYS


def chosen(tables: Mapping[str, Description], words: Sequence[str]) -> dict[str, Description]:
    """Tables with the datasets, seeds and rows that are asked for, by new names.

    They have names of their own, so that their files do not replace those of whole tables.

    Args:
        tables: Tables by name.
        words: Arguments for which ``is_choice`` is true; the last of a key counts.

    Raises:
        InputError: A value is invalid, or a table has no such row.
    """
    given = {(parts := word.partition("="))[0]: parts[2] for word in words}
    if not given:
        return dict(tables)
    choice = Choice(
        listed(f"dataset={given['dataset']}") if "dataset" in given else None,
        seeds(f"seed={given['seed']}") if "seed" in given else None,
        given.get("row"),
    )
    rows = None if choice.rows is None else [choice.rows.replace(" ", "")]
    shown = zip(KEYS, (choice.datasets, choice.seeds, rows), strict=True)
    ending = "".join(f",{key}={','.join(map(str, values))}" for key, values in shown if values)
    return {file_name(name + ending): choice.of(name, table) for name, table in tables.items()}


def listed(word: str) -> list[str]:
    """The values of ``key=value,value``, as in ``gammvae train -m``; repeated ones once.

    Raises:
        InputError: They cannot be listed.
    """
    try:
        word = once(word)
        parsed = OverridesParser.create().parse_override(word)
    except HydraException as error:
        raise InputError(f"{word} cannot be read: it must have the form KEY=A,B") from error
    value = parsed.value()
    if parsed.is_discrete_sweep() and not isinstance(value, Glob):
        return list(parsed.sweep_string_iterator())
    if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
        return [str(value)]
    raise InputError(f"{word} lists no values: it must have the form KEY=A,B")


def seeds(word: str) -> list[int]:
    """The seeds of ``seed=0,1``.

    Raises:
        InputError: One of them is no seed.
    """
    values = listed(word)
    for value in values:
        if not value.isdecimal() or int(value) > MOST_SEED:
            raise InputError(
                f"seed={value} is no seed: it must be a whole number from 0 to {MOST_SEED}"
            )
    return [int(value) for value in values]
