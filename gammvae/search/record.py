"""What a search has found, as text and as files."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gammvae.search.names import CSV, JSON
from gammvae.search.space import Space
from gammvae.search.study import Outcome
from gammvae.system.writing import write_text

DEFAULT = "the default"


class About(NamedTuple):
    """What the files say of a search besides its trials.

    Attributes:
        command: The command that computes one run, without seed and the settings of a trial.
        objective: Name of the objective.
        seed: Seed of the choices.
        seeds: Seeds of each trial's runs.
        n_clusters: Number of clusters.
        default: The settings of the default that are searched, as ``key=value``.
    """

    command: Sequence[str]
    objective: str
    seed: int
    seeds: Sequence[int]
    n_clusters: int
    default: Sequence[str]


def overrides(outcome: Outcome) -> list[str]:
    """The settings of a trial, as ``key=value``."""
    return [f"{key}={value}" for key, value in outcome.settings.items()]


def best_of(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The trial with the largest value, the first of equals; ``None`` if all have failed."""
    finished = [one for one in outcomes if one.value is not None]
    return max(finished, key=value_of, default=None)


def value_of(outcome: Outcome) -> float:
    """The value of a trial that has not failed."""
    assert outcome.value is not None
    return outcome.value


def heading(objective: str) -> str:
    """The line above ``line``."""
    return f"trial  {objective}  settings"


def line(outcome: Outcome, objective: str) -> str:
    """One trial: its number, value and settings."""
    value = "failed" if outcome.value is None else f"{outcome.value:.4f}"
    settings = " ".join(overrides(outcome)) or DEFAULT
    reason = f": {outcome.reason}" if outcome.reason else ""
    return f"{outcome.number:>5}  {value:>{len(objective)}}  {settings}{reason}"


def write(folder: Path, space: Space, about: About, outcomes: Sequence[Outcome]) -> list[Path]:
    """Writes all trials as JSON and CSV, and returns the files' paths.

    Args:
        folder: Folder of the search.
        space: What was tried.
        about: How it was judged.
        outcomes: The trials that have ended.
    """
    paths = [folder / JSON, folder / CSV]
    text = json.dumps(content(space, about, outcomes), indent=2) + "\n"
    write_text(paths[0], text)
    write_text(paths[1], as_csv(space, about, outcomes))
    return paths


def content(space: Space, about: About, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What ``search.json`` holds."""
    best = best_of(outcomes)
    return {
        "space": space.name,
        **about._asdict(),
        "best": None if best is None else best.number,
        "trials": [described(one) for one in outcomes],
    }


def described(outcome: Outcome) -> Mapping[str, Any]:
    """A trial in ``search.json``."""
    return {**outcome._asdict(), "settings": overrides(outcome)}


def as_csv(space: Space, about: About, outcomes: Sequence[Outcome]) -> str:
    """A row for each trial, with a column for each setting."""
    text = io.StringIO()
    columns = ["trial", about.objective, *space.settings, "reason"]
    rows = csv.DictWriter(text, columns, lineterminator="\n")
    rows.writeheader()
    default = dict(word.split("=", 1) for word in about.default)
    for one in outcomes:
        known = {"trial": one.number, about.objective: one.value, "reason": one.reason}
        rows.writerow({**(one.settings or default), **known})
    return text.getvalue()
