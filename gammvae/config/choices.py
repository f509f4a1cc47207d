"""Refuses what cannot be the name of a group's option, at which Hydra gives up."""

from collections.abc import Sequence
from types import NoneType

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, RangeSweep
from hydra.errors import HydraException

from gammvae.config.groups import groups, packaged
from gammvae.errors import InputError

NO_NAMES = NoneType, int, float, list, RangeSweep, IntervalSweep
# A group of Hydra's, and the name of an option that is not among the packaged files.
LAUNCHER, JOBLIB = "hydra/launcher", "joblib"


def check_choices(words: Sequence[str]) -> None:
    """Checks the options that arguments choose; those that do not exist are Hydra's to refuse.

    Args:
        words: Arguments of ``gammvae train``.

    Raises:
        InputError: A group is given a number, ``null``, a list or nothing.
    """
    known, parser = [*groups(), LAUNCHER], OverridesParser.create()
    for word in words:
        key, equals, _ = word.partition("=")
        group = key.lstrip("+").partition("@")[0]  # as in +optimizer@train.optimizer=sgd
        if not equals or group not in known:
            continue
        try:
            value = parser.parse_override(word).value()
        except HydraException:  # explained where it is composed
            continue
        listed = list(value.list or ()) if isinstance(value, ChoiceSweep) else [value]
        for one in listed:
            if one == "" or isinstance(one, NO_NAMES):
                wrong = word if len(listed) == 1 else f"{one} in {word}"
                name = JOBLIB if group == LAUNCHER else first_option(group)
                raise InputError(
                    f"{wrong} is the name of no option: it must be one, as in {key}={name}"
                )


def first_option(group: str) -> str:
    """The first name of a group's options."""
    return min(path.stem for path in (packaged() / group).glob("*.yaml"))
