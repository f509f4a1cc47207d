"""Tests of one value that say in words what they test."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """A test of one value, and the same in words, to follow "it must be"."""

    holds: Callable[[Any], bool]
    text: str


def at_least(least: float, most: float = math.inf) -> Rule:
    """A finite number from ``least`` up, to ``most`` if that is given."""
    text = f"a number of at least {least}"
    if most < math.inf:
        text += f" and at most {most}"
    return Rule(lambda value: least <= value <= most and value < math.inf, text)


def between(least: float, most: float) -> Rule:
    """A number from ``least`` to ``most``."""
    return Rule(lambda value: least <= value <= most, f"a number from {least} to {most}")


def positive() -> Rule:
    """A finite number above zero."""
    return Rule(lambda value: 0 < value < math.inf, "a positive number")


def one_of(*names: str) -> Rule:
    """One of some names."""
    return Rule(lambda value: value in names, "one of " + ", ".join(names))


def optional(rule: Rule) -> Rule:
    """What the rule allows, or null."""
    return Rule(lambda value: value is None or rule.holds(value), f"null or {rule.text}")
