"""``dataset=``, ``seed=``, ``metric=`` and ``row=`` of ``gammvae reproduce``."""

from collections.abc import Iterator, Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob
from hydra.errors import HydraException

from gammvae.cli.sweeps import once
from gammvae.config.ranges import MOST_SEED
from gammvae.errors import InputError
from gammvae.runs.naming import file_name
from gammvae.tables.described import Description
from gammvae.tables.excerpts import Choice, names_of, rows_in
from gammvae.tables.publishing import known
from gammvae.tables.results import METRICS

KEYS = ("dataset", "seed", "metric", "row")


def is_choice(word: str) -> bool:
    """Whether an argument says what tables show, and is no setting of their runs."""
    return word.partition("=")[0] in KEYS


def chosen(
    tables: Mapping[str, Description], words: Sequence[str], datasets: Sequence[str]
) -> dict[str, Description]:
    """Tables with the datasets, seeds, metrics and rows that are asked for, by new names.

    The name of a table is followed by what is asked for, so that its files do not replace those of
    the whole table. Tables without any of the rows are left out.

    Args:
        tables: Tables by name.
        words: Arguments for which ``is_choice`` is true, at least one.
        datasets: Names of all datasets.

    Raises:
        InputError: A value is invalid, no table has such a row, or a key is given twice.
    """
    given = [word.partition("=")[::2] for word in words]
    for key, _ in given:
        if len(both := [word for word in words if word.startswith(f"{key}=")]) > 1:
            raise InputError(f"{' and '.join(both)}: {key} must be given once, with commas")
    choice = choice_of(dict(given), datasets, names_of(tables.values()))
    made = {name: choice.of(table) for name, table in tables.items()}
    ending = "".join(f",{part}" for part in parts(choice))
    return {file_name(name + ending): table for name, table in made.items() if table["rows"]}


def choice_of(given: Mapping[str, str], datasets: Sequence[str], rows: Sequence[str]) -> Choice:
    """What is asked for.

    Args:
        given: Values by key.
        datasets: Names of all datasets.
        rows: Names of all rows.

    Raises:
        InputError: A value is invalid.
    """
    words = {key: f"{key}={value}" for key, value in given.items()}
    return Choice(
        known(values_of(words["dataset"]), datasets, "dataset") if "dataset" in words else None,
        seeds(words["seed"]) if "seed" in words else None,
        known(values_of(words["metric"]), METRICS, "metric") if "metric" in words else None,
        rows_in(given["row"], rows) if "row" in words else None,
    )


def parts(choice: Choice) -> Iterator[str]:
    """Yields what is chosen as text, such as ``seed=0-4``; equal choices give equal text."""
    if choice.datasets is not None:
        yield f"dataset={','.join(choice.datasets)}"
    if choice.seeds is not None:
        first, last = choice.seeds[0], choice.seeds[-1]
        follow = len(choice.seeds) > 2 and len(choice.seeds) == last - first + 1
        yield f"seed={f'{first}-{last}' if follow else ','.join(map(str, choice.seeds))}"
    if choice.metrics is not None:
        yield f"metric={','.join(choice.metrics)}"
    if choice.rows is not None:
        yield f"row={','.join(choice.rows)}"


def values_of(word: str) -> list[str]:
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
    if isinstance(value, list):
        raise InputError(f"{word} is one list: several values are separated by commas alone")
    if value is None or value == "" or not isinstance(value, str | int | float):
        raise InputError(f"{word} lists no values: it must have the form KEY=A,B")
    return [str(value)]


def seeds(word: str) -> list[int]:
    """The seeds of ``seed=0,1``, in ascending order.

    Raises:
        InputError: One of them is no seed.
    """
    values = values_of(word)
    for value in values:
        if not value.isdecimal() or int(value) > MOST_SEED:
            raise InputError(
                f"seed={value} is no seed: seeds are whole numbers from 0 to {MOST_SEED}, as in "
                "seed=0,1,2 or 'seed=range(0,3)'"
            )
    return sorted(map(int, values))
