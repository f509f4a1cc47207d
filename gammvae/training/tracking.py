"""Tells an experiment tracker of a run while it is made. ``metrics.jsonl`` stays what counts."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gammvae.config.identity import identity
from gammvae.config.schema import Config
from gammvae.errors import InputError, first_line
from gammvae.runs.contents import TRACKING
from gammvae.runs.directory import RunDirectory
from gammvae.runs.records import Result, Tracked
from gammvae.runs.sending import artifacts, send_records, send_result
from gammvae.runs.tracker import Ending, Tracker
from gammvae.runs.trackers import check_installed, tracker_of
from gammvae.system.paths import user_path

log = logging.getLogger(__name__)


def check_tracking(kind: str) -> None:
    """Refuses a kind of tracking whose package is not installed.

    Args:
        kind: The setting ``tracking``.

    Raises:
        InputError: The package is not installed.
    """
    if kind != "none":
        check_installed(kind, "tracking")


@contextmanager
def tracking(config: Config, directory: RunDirectory) -> Iterator[Callable[[Result], None]]:
    """Tracks a run in the context, as finished, failed or, by an interrupt, killed.

    Args:
        config: Configuration of the run.
        directory: Directory of the run, which is open.

    Yields:
        A function to be called with the result of the finished run.

    Raises:
        InputError: The tracker cannot begin.
    """
    if config.tracking == "none":
        yield lambda result: None
        return
    live = Live(config, directory)
    directory.listeners.append(live.hear)
    ending: Ending = "failed"
    try:
        yield live.conclude
        ending = "finished"
    except KeyboardInterrupt:
        ending = "killed"
        raise
    finally:
        directory.listeners.remove(live.hear)
        live.end(ending)


class Live:
    """A run on its way to a tracker, which is told of every step once.

    An interrupted run goes back to its last checkpoint when it is continued, and makes some steps
    again. What the tracker has is noted in the run's directory. A tracker that fails does not stop
    the run.

    Args:
        config: Configuration of the run.
        directory: Directory of the run.

    Raises:
        InputError: The tracker cannot begin, or the note of an earlier one is damaged.
    """

    def __init__(self, config: Config, directory: RunDirectory) -> None:
        self.kind, self.directory = config.tracking, directory
        folder = user_path(config.tracking_folder).resolve()
        place = {"kind": self.kind, "folder": str(folder), "project": config.tracking_project}
        noted = directory.read_tracked()
        known = noted if noted and place.items() <= noted.items() else None
        earlier = known["run"] if known else None
        try:
            self.tracker: Tracker = tracker_of(self.kind, folder, config.tracking_project)
            run = self.tracker.start(str(directory.path), earlier)
            self.tracker.parameters(identity(config))
        except Exception as error:
            raise InputError(
                f"tracking={self.kind} cannot begin: {first_line(error)}; tracking=none runs "
                "without it"
            ) from error
        sent = known["sent"] if known and run == earlier else 0
        self.noted: Tracked = {**place, "run": run, "sent": sent}  # type: ignore[typeddict-item]
        self.lines, self.lost = 0, False
        self._note(sent)

    def hear(self, records: Sequence[Mapping[str, Any]], anew: bool) -> None:
        """Sends what was written to ``metrics.jsonl`` and is not sent yet.

        Args:
            records: New lines of the file.
            anew: Whether they replace all lines that were there.
        """
        before = 0 if anew else self.lines
        self.lines = before + len(records)
        first = max(before, self.noted["sent"])
        if unsent := records[first - before :]:
            self._send(self.lines, lambda: send_records(self.tracker, first, unsent))

    def conclude(self, result: Result) -> None:
        """Sends the figures and the files of the finished run."""
        if self.noted["sent"] <= self.lines:
            self._send(self.lines + 1, lambda: send_result(self.tracker, self.lines, result))
        self._attempt(lambda: self.tracker.artifacts(artifacts(self.directory)))

    def end(self, how: Ending) -> None:
        """Ends the tracker's run."""
        self._attempt(lambda: self.tracker.end(how))

    def _send(self, sent: int, action: Callable[[], None]) -> None:
        self._note(sent)  # before: after a kill, a missing point is better than a double one
        self._attempt(action)

    def _note(self, sent: int) -> None:
        if not self.lost:
            self.noted["sent"] = sent
            self.directory.write_json(TRACKING, self.noted)

    def _attempt(self, action: Callable[[], None]) -> None:
        if self.lost:
            return
        try:
            action()
        except Exception as error:
            self.lost = True
            log.warning(
                "tracking=%s has failed, and the run goes on without it: %s; metrics.jsonl has "
                "everything, and gammvae track sends it later",
                *(self.kind, first_line(error)),
            )
