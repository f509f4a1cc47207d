"""Refuses what cannot be the name of a group's option, at which Hydra gives up."""

from collections.abc import Sequence
from types import NoneType

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep
from hydra.errors import HydraException

from gammvae.config.groups import groups, packaged
from gammvae.errors import InputError

NO_NAMES = NoneType, int, float, list, RangeSweep, IntervalSweep


def check_choices(words: Sequence[str]) -> None:
    """Checks the options that arguments choose; those that do not exist are Hydra's to refuse.

    Args:
        words: Arguments of ``gammvae train``.

    Raises:
        InputError: A group is given a number, ``null`` or a list.
    """
    known, parser = groups(), OverridesParser.create()
    for word in words:
        key, equals, _ = word.partition("=")
        group = key.lstrip("+").partition("@")[0]  # as in +optimizer@train.optimizer=sgd
        if not equals or group not in known:
            continue
        try:
            value = parser.parse_override(word).value()
        except HydraException:  # explained where it is composed
            continue
        if any(isinstance(one, NO_NAMES) for one in values_of(value)):
            name = min(path.stem for path in (packaged() / group).glob("*.yaml"))
            raise InputError(f"{word} names no option: {group} takes one name, as in {key}={name}")


def values_of(value: object) -> list[object]:
    """A value, or all that a sweep lists."""
    return list(value.list) if isinstance(value, ChoiceSweep) and value.list else [value]
