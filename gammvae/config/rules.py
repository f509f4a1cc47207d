"""Rules that check a single value, each with a text for messages.

pydantic's annotated types were considered. They accept the same values, but their errors name only
the violated bound, so the texts would still have to be written here. Types are already checked by
OmegaConf, whose configurations must be plain dataclasses.
"""

import math
import re
from collections.abc import Callable
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """A check of one value, and a text that completes "it must be"."""

    holds: Callable[[Any], bool]
    text: str


def at_least(least: float, most: float = math.inf) -> Rule:
    """A finite number of at least ``least``, and at most ``most`` if that is given."""
    text = f"a number of at least {least}"
    if most < math.inf:
        text += f" and at most {most}"
    return Rule(lambda value: least <= value <= most and value < math.inf, text)


def between(least: float, most: float) -> Rule:
    """A number from ``least`` to ``most``."""
    return Rule(lambda value: least <= value <= most, f"a number from {least} to {most}")


def positive() -> Rule:
    """A finite number above zero."""
    return Rule(lambda value: value is not None and 0 < value < math.inf, "a positive number")


def one_of(*names: str) -> Rule:
    """One of the given names."""
    return Rule(lambda value: value in names, "one of " + ", ".join(names))


def matching(pattern: str, text: str) -> Rule:
    """A text that fully matches a regular expression, which ``text`` describes."""
    return Rule(lambda value: re.fullmatch(pattern, value) is not None, text)


def optional(rule: Rule) -> Rule:
    """A value that the rule allows, or null."""
    return Rule(lambda value: value is None or rule.holds(value), f"null or {rule.text}")
