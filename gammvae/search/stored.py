"""The runs of a search, as its ``search.json`` names them."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from gammvae.errors import InputError
from gammvae.runs.contents import CONFIG
from gammvae.runs.parsing import parse
from gammvae.runs.readers import content

DEFAULT = 0  # number of the first trial


class Trial(TypedDict):
    """A trial, and the folders of its runs as seen from where the search was started."""

    number: int
    runs: list[str]


class Search(TypedDict):
    """What must be known of a search: its trials, and the number of the best."""

    best: int | None
    trials: list[Trial]


SEARCH_JSON: TypeAdapter[Search] = TypeAdapter(Search)


def runs_of_search(path: Path) -> list[Path]:
    """The runs of all trials that have begun.

    Args:
        path: ``search.json``.

    Raises:
        InputError: The file is damaged, or none of the runs is there.
    """
    return there(path, parse(SEARCH_JSON, content(path), path)["trials"])


def default_and_best(path: Path) -> list[Path]:
    """The runs of the default, and those of the best trial if that is another one.

    Args:
        path: ``search.json``.

    Raises:
        InputError: The file is damaged, or none of the runs is there.
    """
    found = parse(SEARCH_JSON, content(path), path)
    wanted = (DEFAULT, found["best"])
    return there(path, (one for one in found["trials"] if one["number"] in wanted))


def there(path: Path, trials: Iterable[Trial]) -> list[Path]:
    """The runs of some trials whose folders hold a run.

    Raises:
        InputError: There is none.
    """
    named = [Path(run) for one in trials for run in one["runs"]]
    found = [run for run in named if (run / CONFIG).exists()]
    if not found:
        example = f", such as {named[0]}" if named else ""
        raise InputError(
            f"{path} names {len(named)} runs{example}, and none is there: their paths are relative "
            "to the folder in which the search was started"
        )
    return found
