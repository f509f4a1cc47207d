"""Progress bars: of a whole run, or of a part that stands alone.

By default they are drawn on a terminal, and in Python as the caller wishes.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol

from tqdm import tqdm

from gammvae.system.timetable import Entry, Timetable

# For the argument ``disable`` of tqdm: ``None`` draws bars on a terminal only.
HIDDEN: ContextVar[bool | None] = ContextVar("HIDDEN", default=None)
# The bar of the run that is being made.
RUN: ContextVar["RunBar | None"] = ContextVar("RUN", default=None)
# Seconds between two drawings.
REFRESH = 0.1
# Columns and rows of a bar on a terminal that says it has none, as some programs' terminals do.
USUAL = {"ncols": 79, "nrows": 23}


class Bar(Protocol):
    """What a part of a run tells a bar."""

    disable: bool

    def update(self, n: int = 1) -> bool | None:
        """Counts steps."""

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        """Sets the text behind the bar."""


class RunBar:
    """A bar over all stages of a run, with the time that is left of all of them.

    Args:
        entries: The stages.
    """

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.timetable = Timetable(entries)
        self.bar = meter(total=1.0, bar_format="{elapsed}", disable=hidden())
        self.disable, self.drawn = bool(self.bar.disable), 0.0

    def begin(self, name: str, steps: int | None = None, done: int = 0) -> None:
        """See ``Timetable.begin``."""
        if name != getattr(self.timetable.current, "name", ""):
            self.bar.set_postfix_str("", refresh=False)
        self.timetable.begin(name, steps, done)
        self.draw()

    def update(self, n: int = 1) -> None:
        """Counts steps of the current stage."""
        self.timetable.advance(n)
        if not self.disable and time.perf_counter() - self.drawn > REFRESH:
            self.draw()

    def set_postfix_str(self, s: str = "", refresh: bool = True) -> None:
        """Sets the text behind the bar."""
        self.bar.set_postfix_str(s, refresh=False)
        if refresh:
            self.draw()

    def draw(self) -> None:
        """Draws the bar."""
        entry = self.timetable.current
        if self.disable or entry is None:
            return
        self.drawn = time.perf_counter()
        left = self.timetable.left()
        steps = f" {entry.done}/{entry.steps}" if entry.steps else ""
        rest = "?" if left is None else tqdm.format_interval(left)
        self.bar.bar_format = (
            f"{entry.name}{steps} {{percentage:3.0f}}%|{{bar:20}}| {{elapsed}}<{rest}{{postfix}}"
        )
        self.bar.n = max(self.bar.n, self.timetable.share())  # estimates change, bars only grow
        self.bar.refresh()


@contextmanager
def run_bar(entries: Sequence[Entry]) -> Iterator[RunBar]:
    """Draws one bar over a whole run, in place of those of its parts.

    Args:
        entries: The stages that are known in advance.
    """
    whole = RunBar(entries)
    run, hide = RUN.set(whole), HIDDEN.set(True)
    try:
        yield whole
    finally:
        RUN.reset(run)
        HIDDEN.reset(hide)
        whole.bar.leave = False
        whole.bar.close()


@contextmanager
def part_bar(name: str, steps: int, unit: str, done: int = 0) -> Iterator[Bar]:
    """The bar of a part of a run: that of the whole run if there is one, otherwise its own.

    Args:
        name: Name of the stage.
        steps: Number of steps of this part.
        unit: What a step is called.
        done: Number of steps that an earlier process has made.
    """
    if (whole := RUN.get()) is not None:
        whole.begin(name, steps, done)
        yield whole
    else:
        with meter(total=steps, initial=done, desc=name, unit=unit, disable=hidden()) as bar:
            yield bar


def begin(name: str) -> None:
    """Tells the bar of the run, if there is one, that a stage begins."""
    if (whole := RUN.get()) is not None:
        whole.begin(name)


def meter(**arguments: Any) -> tqdm:  # noqa: ANN401 - tqdm's
    """A bar of tqdm, of a usual size where the terminal does not know its own.

    Args:
        arguments: Those of tqdm.
    """
    try:
        size = os.get_terminal_size(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):  # no terminal
        return tqdm(**arguments)
    unknown = dict(zip(USUAL, size, strict=True))
    usual = {name: USUAL[name] for name, found in unknown.items() if not found}
    return tqdm(**{**usual, **arguments})


def hidden() -> bool | None:
    """The argument ``disable`` of a progress bar of training."""
    return HIDDEN.get()


@contextmanager
def bars(shown: bool) -> Iterator[None]:
    """Draws all bars in the context, even where there is no terminal, or none."""
    token = HIDDEN.set(not shown)
    try:
        yield
    finally:
        HIDDEN.reset(token)
