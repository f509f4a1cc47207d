"""How long a run still takes: measured as far as its stages have come, estimated for the rest."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass
class Entry:
    """A stage of a run.

    Attributes:
        name: Its name.
        steps: Its number of steps, of which the time is measured.
        cost: Cost of a step, relative to those of other stages; 0 if it cannot be compared.
        seconds: Estimate for a stage whose steps cannot be compared with those of others.
        done: Number of steps that are done.
        made: Number of steps that this process has made.
        began: When it began to make them, in seconds.
        elapsed: Seconds until it ended; ``None`` before.
        spent: Seconds of its earlier parts, if it has several.
    """

    name: str
    steps: int = 0
    cost: float = 0.0
    seconds: float = 0.0
    done: int = 0
    made: int = 0
    began: float | None = None
    elapsed: float | None = None
    spent: float = 0.0

    def pace(self, now: float) -> float | None:
        """Seconds of a step, or ``None`` if none was made."""
        if self.began is None or not self.made:
            return None
        return (now - self.began if self.elapsed is None else self.elapsed) / self.made


class Timetable:
    """The stages of a run, one after the other.

    Args:
        entries: The stages that are known in advance; others are added when they begin.
        clock: Returns the time in seconds.
    """

    def __init__(
        self, entries: Sequence[Entry], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.entries, self.clock = list(entries), clock
        self.current: Entry | None = None

    def begin(self, name: str, steps: int | None = None, done: int = 0) -> None:
        """Begins a stage, or another part of the same one, and ends the one before.

        Args:
            name: Name of the stage.
            steps: Its number of steps; as planned if it is not given.
            done: How many of them an earlier process has made.
        """
        now = self.clock()
        known = next((entry for entry in self.entries if entry.name == name), None)
        if known is None:
            known = Entry(name)
            self.entries.append(known)
        if self.current is not known:
            self.end()
            if steps is None and known.elapsed is not None:  # it has ended, and is passed again
                self.current = known
                return
        elif known.began is not None:
            if done and (steps, done) == (known.steps, known.done):  # it goes on where it is
                return
            known.spent += now - known.began
        known.steps, known.done = known.steps if steps is None else steps, done
        known.made, known.began, known.elapsed = 0, now, None
        self.current = known

    def advance(self, steps: int) -> None:
        """Counts steps of the current stage as made."""
        assert self.current is not None
        self.current.done += steps
        self.current.made += steps

    def end(self) -> None:
        """Ends the current stage."""
        entry = self.current
        if entry is not None and entry.began is not None and entry.elapsed is None:
            entry.elapsed = self.clock() - entry.began
        self.current = None

    def left(self) -> float | None:
        """Seconds that are left, or ``None`` as long as no step was made that could tell.

        A stage goes on at its pace. One to come has the pace of the last one with comparable steps,
        times the relative cost of a step.
        """
        now, total = self.clock(), 0.0
        paces = [e.pace(now) for e in self.entries]
        units = [p / e.cost for p, e in zip(paces, self.entries, strict=True) if p and e.cost]
        passed = self.entries.index(self.current) if self.current else -1
        for place, (entry, pace) in enumerate(zip(self.entries, paces, strict=True)):
            if entry.elapsed is not None or place < passed:
                continue
            rest = entry.steps - entry.done
            if entry.began is not None and pace is not None:
                total += pace * rest
            elif not entry.cost:
                elapsed = entry.spent + (0.0 if entry.began is None else now - entry.began)
                total += max(entry.seconds - elapsed, 0.0)
            elif units:
                total += units[-1] * entry.cost * rest
            elif rest:
                return None
        return total

    def share(self) -> float:
        """The share of the run that is done, in time, from 0 to 1; 0 if it is unknown."""
        now, left, done = self.clock(), self.left(), 0.0
        for entry in self.entries:
            if entry.began is not None:
                earlier = entry.done - entry.made
                elapsed = now - entry.began if entry.elapsed is None else entry.elapsed
                done += entry.spent + elapsed + earlier * (entry.pace(now) or 0.0)
        return 0.0 if left is None or done <= 0 else done / (done + left)
