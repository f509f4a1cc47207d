"""The interface of experiment trackers, which ``trackers.py`` implements for several packages."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

# How a run can end; ``killed`` is by the user's interrupt.
Ending = Literal["finished", "failed", "killed"]


class Tracker(Protocol):
    """A tracker of one run: its methods are called in this order, ``metrics`` once a step."""

    def start(self, name: str, earlier: str | None = None) -> str:
        """Begins a run, or goes on with one that was begun earlier.

        Args:
            name: What the tracker shows of it.
            earlier: What ``start`` returned then; ``None`` begins a new run.

        Returns:
            The tracker's own name for the run. If it is not ``earlier``, the run is a new one.
        """

    def parameters(self, values: Mapping[str, Any]) -> None:
        """Stores the settings of the run, by name."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Stores figures of a step, by name.

        Args:
            step: From 1 on, increasing.
            values: The figures.
        """

    def artifacts(self, paths: Sequence[Path]) -> None:
        """Stores files."""

    def end(self, how: Ending) -> None:
        """Ends the run; one that did not finish may be started again later."""
