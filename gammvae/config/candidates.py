"""Numbers of clusters among which the data choose, as ``auto`` or ``range(first,end,step)``."""

import re
from typing import Any

from gammvae.config.rules import Rule
from gammvae.errors import InputError

AUTO = "auto"
RANGE = re.compile(r"range\( *(\d{1,9}) *, *(\d{1,9}) *(?:, *([1-9]\d{0,8}) *)?\)")
# A range as it may be meant, right or wrong, so that the rule below answers it.
CALL = re.compile(r"range\([^()\"]*\)")
GIVEN = "n_clusters="
# The largest number that auto tries, and the fewest samples that an average cluster then has.
MOST, FEWEST_SAMPLES = 30, 10
# The largest number of candidates, each of which takes seconds to minutes.
MOST_CANDIDATES = 1000


def is_undecided(n_clusters: Any) -> bool:  # noqa: ANN401 - of any type, as a user may give it
    """Whether the value is ``auto`` or a range with at least two numbers, the first at least 2."""
    if n_clusters == AUTO:
        return True
    if not isinstance(n_clusters, str) or not (found := RANGE.fullmatch(n_clusters)):
        return False
    tried = numbers(found)
    return tried.start >= 2 and 2 <= len(tried) <= MOST_CANDIDATES


def numbers(found: re.Match[str]) -> range:
    """The numbers of a text that ``RANGE`` matches."""
    first, end, step = (int(part or 1) for part in found.groups())
    return range(first, end, step)


def as_text(argument: str) -> str:
    """An argument of a single run, with quotes around a range, which Hydra takes for a sweep."""
    value = argument.removeprefix(GIVEN)
    return f'{GIVEN}"{value}"' if argument != value and CALL.fullmatch(value) else argument


def number_or_candidates(most: int) -> Rule:
    """A number of clusters, or the numbers among which the data choose."""

    def holds(value: Any) -> bool:  # noqa: ANN401 - of any type
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return (is_number and 1 <= value <= most) or is_undecided(value)

    return Rule(
        holds,
        f"a number of at least 1 and at most {most}, or auto, or the text 'range(2,31)', which "
        "has the data choose among 2 to 30 (at least two numbers, the first at least 2; a list is "
        "no range)",
    )


def candidates(n_clusters: str, n_samples: int) -> range:
    """The numbers of clusters to try.

    Args:
        n_clusters: ``auto`` or a range.
        n_samples: Number of samples.

    Raises:
        InputError: There are too few samples for at least two candidates.
    """
    if n_clusters == AUTO:
        most = min(MOST, n_samples // FEWEST_SAMPLES)
        if most < 3:
            raise InputError(
                f"n_clusters={n_clusters} needs at least {3 * FEWEST_SAMPLES} samples to choose, "
                f"and there are {n_samples}: a number must be given, or a range such as "
                "'range(2,4)'"
            )
        return range(2, most + 1)
    found = RANGE.fullmatch(n_clusters)
    assert found is not None  # the rule of the setting
    tried = numbers(found)
    if tried[-1] > n_samples // 2:
        raise InputError(
            f"n_clusters={n_clusters} goes up to {tried[-1]} clusters for {n_samples} samples: an "
            f"average cluster needs at least 2, so it must end at {n_samples // 2 + 1} or before"
        )
    return tried
