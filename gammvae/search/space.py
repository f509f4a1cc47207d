"""What a search tries: settings and their ranges, as a YAML file describes them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NotRequired

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict

from gammvae.config.identity import VOLATILE
from gammvae.config.overrides import in_grammar
from gammvae.errors import InputError
from gammvae.runs.parsing import parse
from gammvae.runs.readers import read_yaml

strict = with_config(ConfigDict(strict=True, extra="forbid", allow_inf_nan=False))

# Settings that the command line gives, or that change what is clustered or into how many clusters:
# the objectives of such trials cannot be compared.
NOT_SEARCHED = ("hydra", "dataset", "n_clusters", "seed", *VOLATILE)
# Digits of a number that is tried; more would only make names of folders longer.
DIGITS = 4
FAULT = "is no valid search space"


def number(value: Any) -> Any:  # noqa: ANN401 - of any type that YAML has
    """The value, if it is a number.

    Raises:
        ValueError: It is not; pydantic puts the place and the value around the message.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("it must be a number, such as 1.0e-3")
    return value


def value_of_setting(value: Any) -> Any:  # noqa: ANN401 - of any type that YAML has
    """The value, if a setting may have it: text, number, Boolean, null or a list of these.

    Raises:
        ValueError: It is none of these.
    """
    items = value if isinstance(value, list) else [value]
    if not all(one is None or isinstance(one, str | bool | int | float) for one in items):
        raise ValueError("it must be text, a number, true, false, null or a list of these")
    return value


Number = Annotated[Any, BeforeValidator(number), Field(allow_inf_nan=False)]
Text = Annotated[str, Field(pattern=r"^\S(.*\S)?$")]
Key = Annotated[str, Field(pattern=r"^[A-Za-z_][\w./@]*$")]


@strict
class Range(TypedDict):
    """Numbers from ``low`` to ``high``, both included; whole numbers if all of them are."""

    low: Number
    high: Number
    log: NotRequired[bool]
    step: NotRequired[Number]


@strict
class Description(TypedDict):
    """Content of the YAML file of a space."""

    title: Text
    fixed: NotRequired[list[Text]]
    settings: Annotated[dict[Key, Any], Field(min_length=1)]


DESCRIPTION_YAML: TypeAdapter[Description] = TypeAdapter(Description)
RANGE_YAML: TypeAdapter[Range] = TypeAdapter(Range)
CHOICES_YAML: TypeAdapter[list[Any]] = TypeAdapter(
    list[Annotated[Any, BeforeValidator(value_of_setting)]]
)


class Numbers(NamedTuple):
    """A setting that may have any number of a range.

    Attributes:
        low: Smallest value.
        high: Largest value.
        log: Whether the logarithms are drawn evenly, not the numbers.
        step: Distance between two values; ``None`` for 1 or, of real numbers, for any.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None

    @property
    def whole(self) -> bool:
        """Whether all values are whole numbers."""
        return all(isinstance(one, int) for one in (self.low, self.high, self.step or 1))

    def extremes(self) -> list[str]:
        """The smallest and the largest value, as on the command line."""
        return [self.text(self.low), self.text(self.high)]

    def text(self, value: float) -> str:
        """A value of the range as on the command line, with few digits."""
        if self.whole:
            return str(int(value))
        return str(min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high))

    def known(self, value: Any) -> float | None:  # noqa: ANN401 - of any setting
        """The value, or ``None`` if it is not in the range."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        steps = (value - self.low) / (self.step or 1)
        on_grid = not (self.whole or self.step) or abs(steps - round(steps)) < 1e-9
        return value if self.low <= value <= self.high and on_grid else None


class Choices(NamedTuple):
    """A setting that may have one of some values.

    Attributes:
        values: The values.
    """

    values: tuple[Any, ...]

    def extremes(self) -> list[str]:
        """All values, as on the command line."""
        return [in_grammar(value) for value in self.values]

    def text(self, value: str) -> str:
        """A value as on the command line, which it is."""
        return value

    def known(self, value: Any) -> str | None:  # noqa: ANN401 - of any setting
        """The value as on the command line, or ``None`` if it is not among the choices."""
        texts = self.extremes()
        return texts[self.values.index(value)] if value in self.values else None


class Space(NamedTuple):
    """What a search tries.

    Attributes:
        name: Name of the space.
        title: What it is, in one line.
        settings: What each setting may be, by key.
        fixed: Settings of every trial, as ``key=value``.
    """

    name: str
    title: str
    settings: Mapping[str, Numbers | Choices]
    fixed: Sequence[str]


def read_space(path: Path) -> Space:
    """The space that a file describes.

    Raises:
        InputError: The file cannot be read, or has an unknown, missing or invalid entry; the
            message names the file, the entry and the rule.
    """
    found = parse(DESCRIPTION_YAML, read_yaml(path), path, fault=FAULT, named=words_for)
    settings = {key: setting(key, value, path) for key, value in found["settings"].items()}
    space = Space(path.stem, found["title"], settings, found.get("fixed", []))
    for problem in problems(space):
        raise InputError(f"{path}: {problem}")
    return space


def setting(key: str, value: Any, path: Path) -> Numbers | Choices:  # noqa: ANN401 - of any YAML
    """What a setting may be: a list of choices, or a range.

    Raises:
        InputError: The value is neither.
    """

    def named(place: Sequence[str | int]) -> str:
        return words_for(["settings", key, *place])

    if isinstance(value, list):
        choices: list[Any] = parse(CHOICES_YAML, value, path, fault=FAULT, named=named)
        return Choices(tuple(choices))
    if not isinstance(value, dict):
        raise InputError(
            f"{path} {FAULT}: settings, {key}: it must be a list of values, or a range such as "
            f"{{low: 1, high: 10}}, not {value!r}"
        )
    return Numbers(**parse(RANGE_YAML, value, path, fault=FAULT, named=named))


def words_for(place: Sequence[str | int]) -> str:
    """Words for an entry, such as ``fixed, entry 1``, given keys and indices that lead to it."""
    return ", ".join(f"entry {one + 1}" if isinstance(one, int) else one for one in place)


def problems(space: Space) -> Iterator[str]:
    """Yields what is wrong with a space beyond the types of its entries."""
    for key, found in space.settings.items():
        if top(key) in NOT_SEARCHED:
            yield f"{key} cannot be searched: it changes no result, or what is to be clustered"
        faults = of_numbers(found) if isinstance(found, Numbers) else of_choices(found)
        yield from (f"{key}: {fault}" for fault in faults)
    keys = [one.lstrip("+~").partition("=")[0] for one in space.fixed]
    for key, override in zip(keys, space.fixed, strict=True):
        if "=" not in override:
            yield f"fixed has {override!r}: it must have the form KEY=VALUE"
        elif key in space.settings or keys.count(key) > 1:
            yield f"{key} is there twice: it must be in fixed or in settings, and once"
        elif top(key) in NOT_SEARCHED and key != "n_clusters":
            yield f"fixed has {override!r}: that is said on the command line"


def top(key: str) -> str:
    """The first part of a setting's name, such as ``dataset`` of ``dataset.path``."""
    return re.split(r"[./@]", key, maxsplit=1)[0]


def of_numbers(found: Numbers) -> Iterator[str]:
    """Yields what is wrong with a range."""
    low, high, log, step = found
    if not low < high:
        yield f"low={low} and high={high}: low must be smaller than high"
    if log and low <= 0:
        yield f"low={low} with log: true: low must be greater than 0"
    if log and step is not None:
        yield f"step={step} with log: true: a range can have one of them"
    if step is not None and not 0 < step <= high - low:
        yield f"step={step}: it must be greater than 0, and at most high - low"
    elif step is not None and abs((high - low) / step - round((high - low) / step)) > 1e-9:
        yield f"step={step}: high={high} must be low={low} and a number of steps"


def of_choices(found: Choices) -> Iterator[str]:
    """Yields what is wrong with a list of choices."""
    texts = found.extremes()
    if len(texts) < 2:
        has = "one value" if texts else "no values"
        yield f"it has {has}: there must be at least two, or KEY=VALUE in fixed"
    for text in dict.fromkeys(texts):
        if texts.count(text) > 1:
            yield f"it has {text} twice: each value must be there once"
