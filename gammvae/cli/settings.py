"""What may be set when a finished run is used: ``key=value`` words of the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar, cast, get_type_hints

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gammvae.config.overrides import literal, override
from gammvae.config.ranges import MOST_CLUSTERS, MOST_SEED, MOST_WIDTH
from gammvae.config.rules import Rule, at_least, between, optional, positive
from gammvae.config.schema import explain
from gammvae.errors import InputError

Kind = TypeVar("Kind", bound="Settings")


@dataclass
class Settings:
    """Fields are what may be set; ``RULES`` are their ranges, ``NEEDED`` what must be set."""

    RULES: ClassVar[Mapping[str, Rule]] = {}
    NEEDED: ClassVar[Sequence[str]] = ()


@dataclass
class SampleSettings(Settings):
    """Of ``gammvae sample``; see there."""

    RULES: ClassVar[Mapping[str, Rule]] = {
        "cluster": optional(at_least(0, MOST_CLUSTERS)),
        "n": at_least(1, MOST_WIDTH),
        "min_posterior": between(0, 1),
        "temperature": positive(),
        "seed": at_least(0, MOST_SEED),
    }

    cluster: int | None = None
    n: int = 64
    min_posterior: float = 0.99
    temperature: float = 1.0
    seed: int = 0
    out: str | None = None
    device: str = "auto"


@dataclass
class PredictSettings(Settings):
    """Of ``gammvae predict``; see there."""

    NEEDED: ClassVar[Sequence[str]] = ("data", "out")

    data: str = ""
    out: str = ""
    array: str | None = None
    drop: list[str] = field(default_factory=list)
    header: bool | None = None
    device: str = "auto"


def read_settings(kind: type[Kind], command: str, words: Sequence[str]) -> Kind:
    """The settings that words stand for.

    Args:
        kind: Which may be set.
        command: For messages.
        words: ``key=value`` each.

    Raises:
        InputError: There is no such setting, it is missing, of another type or out of range.
    """
    names = [field.name for field in fields(kind)]
    for word in words:
        name, equals, _ = word.partition("=")
        if name not in names or not equals:
            raise InputError(f"{command} has no setting {word}: it takes {', '.join(names)}")
    types = get_type_hints(kind)
    try:
        given = [read_value(word, types) for word in words]
        settings = cast(
            Any, OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(kind), *given))
        )
    except (OmegaConfBaseException, HydraException, YAMLError) as error:
        raise InputError(f"{command}: {explain(error)}") from error
    for name in kind.NEEDED:
        if not getattr(settings, name):
            raise InputError(f"{command} needs {name}: {name}=FILE")
    for name, rule in kind.RULES.items():
        if not rule.holds(value := getattr(settings, name)):
            raise InputError(f"{name}={value} is out of range: it must be {rule.text}")
    return cast(Kind, settings)


def read_value(word: str, types: Mapping[str, Any]) -> Any:  # noqa: ANN401 - OmegaConf's
    """A setting as OmegaConf merges it: text as it stands, lists in the grammar of ``train``.

    Args:
        word: ``key=value``.
        types: Of all settings.

    Raises:
        InputError: A list is wanted and is none.
    """
    name, _, text = word.partition("=")
    if types[name] in (str, str | None):
        return {name: literal(text)}
    if types[name] == list[str]:
        value = OverridesParser.create().parse_override(word).value()
        if not isinstance(value, list):
            form = override(name, text.split(",") if text else [])
            raise InputError(f"{word} is no list: it must have the form {form}")
        return {name: value}
    return OmegaConf.from_dotlist([word])
