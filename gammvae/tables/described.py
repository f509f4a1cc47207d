"""Tables as YAML files describe them: rows, datasets, seeds, metrics and published figures."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeFloat,
    PositiveInt,
    TypeAdapter,
    with_config,
)
from typing_extensions import TypedDict

from gammvae.config.ranges import MOST_SEED
from gammvae.errors import InputError
from gammvae.runs.naming import NOT_IN_NAME
from gammvae.runs.parsing import parse
from gammvae.runs.readers import read_yaml
from gammvae.tables.published import AllPublished, Published
from gammvae.tables.ranking import FEWEST_DATASETS, FEWEST_ROWS
from gammvae.tables.results import METRICS

strict = with_config(ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))

Text = Annotated[str, Field(pattern=r"^\S(.*\S)?$")]
Seed = Annotated[int, Field(ge=0, le=MOST_SEED)]
Metric = Annotated[str, BeforeValidator(lambda name: one_of(METRICS, name))]
Percent = Annotated[float, Field(ge=-100, le=100)]


def one_of(names: Sequence[str], name: Any) -> Any:  # noqa: ANN401 - of any type that YAML has
    """The name, if it is one of those given.

    Raises:
        ValueError: It is not; pydantic puts the place and the value around the message.
    """
    if name not in names:
        raise ValueError(f"it must be one of {', '.join(names)}")
    return name


@strict
class Figure(TypedDict):
    """A published figure, in percent."""

    metric: Literal["acc", "nmi", "ari"]
    value: Percent
    std: NotRequired[NonNegativeFloat]
    seeds: NotRequired[PositiveInt]
    source: Text


@strict
class Row(TypedDict):
    """A row: its name, what it is, its settings of ``gammvae train``, and what is published."""

    name: Text
    about: NotRequired[Text]
    overrides: NotRequired[list[Text]]
    published: NotRequired[dict[str, Annotated[list[Figure], Field(min_length=1)]]]


@strict
class Description(TypedDict):
    """Content of a table's YAML file."""

    title: Text
    datasets: Annotated[list[Text], Field(min_length=1)]
    seeds: Annotated[list[Seed], Field(min_length=1)]
    metrics: Annotated[list[Metric], Field(min_length=1)]
    columns: NotRequired[Literal["datasets", "metrics"]]
    compare: NotRequired[Annotated[list[str], Field(min_length=2, max_length=2)]]
    rank: NotRequired[bool]
    rows: Annotated[list[Row], Field(min_length=1)]


DESCRIPTION_YAML: TypeAdapter[Description] = TypeAdapter(Description)

# Settings that the command line or a dataset's own file gives. A loader names a function that is
# called, so that a table of others could do anything.
NOT_OF_ROWS = ("hydra", "dataset.loader", "dataset.about")
# What --smoke runs of every table.
SMOKE_DATASET, SMOKE_SEEDS = "digits", 3
HARDLY_TRAINED = tuple(
    f"{stage}.{length}"
    for stage in ("pretrain", "train")
    for length in ("epochs=null", "updates=40")
)


def read_description(path: Path) -> Description:
    """The description of a table.

    Raises:
        InputError: The file cannot be read, has an unknown, missing or invalid entry, or names a
            row or dataset that it does not have; the message names the file, the entry and the
            rule.
    """
    tree = read_yaml(path)
    table = parse(
        DESCRIPTION_YAML,
        tree,
        path,
        fault="is no valid table",
        named=lambda place: words_for(place, tree),
    )
    for problem in problems(table):
        raise InputError(f"{path}: {problem}")
    return table


def words_for(place: Sequence[str | int], tree: Any) -> str:  # noqa: ANN401 - of any YAML
    """Words for an entry of a table, such as ``row 'GMM', overrides, entry 1``.

    Args:
        place: Keys and indices that lead to the entry.
        tree: Content of the file, which need not be a valid table.
    """
    words = [f"entry {part + 1}" if isinstance(part, int) else part for part in place]
    match place:
        case ["rows", int(index), *_]:
            row = tree["rows"][index]
            name = row.get("name") if isinstance(row, dict) else None
            words[:2] = [f"row {name!r}" if isinstance(name, str) else f"row {index + 1}"]
    return ", ".join(words)


def problems(table: Description) -> Iterator[str]:
    """Yields what is wrong with a table beyond the types of its entries."""
    names = [row["name"] for row in table["rows"]]
    lists: dict[str, Sequence[Any]] = {"names of rows": names}
    lists |= {key: table[key] for key in ("datasets", "seeds", "metrics")}
    lists["compare"] = table.get("compare", ())
    for key, values in lists.items():
        for value in repeated(values):
            yield f"{key} have {value!r} twice: each must be there once"
    if table.get("rank") and (len(table["datasets"]) < FEWEST_DATASETS or len(names) < FEWEST_ROWS):
        yield (
            f"rank: true with {len(names)} rows and {len(table['datasets'])} datasets: it needs at "
            f"least {FEWEST_ROWS} and {FEWEST_DATASETS}"
        )
    for name in table.get("compare", ()):
        if name not in names:
            yield f"compare has the row {name!r}: it must be one of {', '.join(names)}"
    seen: dict[tuple[str, ...], str] = {}
    for row in table["rows"]:
        yield from problems_of(row, table)
        settings = tuple(sorted(row.get("overrides", ())))
        if (same := seen.setdefault(settings, row["name"])) != row["name"]:
            yield f"rows {same!r} and {row['name']!r} have the same overrides: they must differ"


def repeated(values: Sequence[Any]) -> list[Any]:
    """The values that are there more than once."""
    return [value for value, n in Counter(values).items() if n > 1]


def problems_of(row: Row, table: Description) -> Iterator[str]:
    """Yields what is wrong with a row, as far as that shows without composing its settings."""
    name, overrides = row["name"], row.get("overrides", ())
    for dataset, figures in row.get("published", {}).items():
        if dataset not in table["datasets"]:
            known = ", ".join(table["datasets"])
            yield (
                f"row {name!r} has published figures on {dataset!r}, which is not among the "
                f"table's datasets, {known}"
            )
        for metric in {figure["metric"] for figure in figures} - {*table["metrics"]}:
            shown = ", ".join(table["metrics"])
            yield (
                f"row {name!r} has published figures of {metric!r}, which is not among the "
                f"table's metrics, {shown}"
            )
        for figure in figures:
            if figure["metric"] != "ari" and 0 < (value := figure["value"]) <= 1:
                yield (
                    f"row {name!r} has the published {figure['metric']} {value} on {dataset!r}: "
                    f"it must be in percent, as {100 * value:g}"
                )
    keys = [override.lstrip("+~").partition("=")[0] for override in overrides]
    for key in repeated(keys):
        yield f"row {name!r} has the override {key} twice: each must be there once"
    for key, override in zip(keys, overrides, strict=True):
        if "=" not in override:
            yield f"row {name!r} has the override {override!r}: it must have the form KEY=VALUE"
        elif key.startswith(NOT_OF_ROWS) or (key in NOT_IN_NAME and key != "model"):
            yield (
                f"row {name!r} has the override {override!r}: a row may have settings that change "
                f"the result, but not {key}, which the table, the command line or the dataset says"
            )


def published(table: Description) -> AllPublished:
    """The published figures of a table, by row and dataset."""
    return {
        (row["name"], dataset): [Published(**figure) for figure in figures]
        for row in table["rows"]
        for dataset, figures in row.get("published", {}).items()
    }


def about(table: Description) -> dict[str, str]:
    """The sentences about rows, by name; without those rows that have none."""
    return {row["name"]: row["about"] for row in table["rows"] if "about" in row}


def hardly_trained(table: Description) -> Description:
    """The table on digits alone, with few seeds and hardly any training, to try that all runs."""
    rows: list[Row] = [
        {**row, "overrides": [*row.get("overrides", ()), *HARDLY_TRAINED], "published": {}}
        for row in table["rows"]
    ]
    seeds = table["seeds"][:SMOKE_SEEDS]
    return {**table, "datasets": [SMOKE_DATASET], "seeds": seeds, "rows": rows}
