"""Writes the directory of a run so that a kill at any moment loses nothing.

Every file except the log is either written to a temporary file and renamed, or appended to in
whole lines.
"""

import dataclasses
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import yaml

from gammvae.config.schema import Config
from gammvae.errors import InputError, first_line
from gammvae.runs.contents import (
    CONFIG,
    DIGESTS,
    FILES,
    LOCK,
    LOG,
    METRICS,
    OUTPUTS,
    RESULT,
    STAGES,
    STATUS,
    WEIGHTS,
)
from gammvae.runs.digests import digests_of, read_digests
from gammvae.runs.parsing import parse_lines
from gammvae.runs.records import Result
from gammvae.runs.stored_run import StoredRun, inputs
from gammvae.system.locking import locked
from gammvae.system.printing import log_to
from gammvae.system.writing import (
    append,
    check_replaceable,
    remove_unfinished,
    write_text,
    write_whole,
)

log = logging.getLogger(__name__)


class RunDirectory(StoredRun):
    """Directory of a run, for reading and writing.

    Args:
        path: Path of the directory, which is created when the run is opened.
        command: Command that started the run, which is stored in its result.

    Attributes:
        by_another: Whether ``finished_since`` has found a result.
    """

    def __init__(self, path: str | Path, command: str = "") -> None:
        super().__init__(path)
        self.command = command
        self.missed, self.by_another = False, False
        # Called with records that were written to the metrics, and whether these are all.
        self.listeners: list[Callable[[Sequence[Mapping[str, Any]], bool], None]] = []

    @contextmanager
    def open(self, config: Config) -> Iterator[None]:
        """Locks the directory for this process and writes the configuration to it.

        Raises:
            InputError: The directory cannot be written, or holds something else.
            InUseError: Another process uses it.
        """
        with locked(self.path, LOCK):
            self._refuse_foreign()
            remove_unfinished(self.path)
            for path in inputs(config):
                self.keep_from(path)
            if config.overwrite:
                self._clear()
            self.check_config(config)
            for name in FILES:
                check_replaceable(self / name)
            (self / STATUS).unlink(missing_ok=True)
            text = yaml.safe_dump(dataclasses.asdict(config), sort_keys=False, allow_unicode=True)
            write_text(self / CONFIG, text)
            with log_to(self / LOG):
                yield

    def note_failure(self, config: Config, error: Exception, *, begin: bool) -> None:
        """Stores the reason for a failure, unless the directory holds another run.

        Args:
            config: Configuration of the failed run.
            error: Reason for the failure.
            begin: Whether to start a directory that holds no run yet.
        """
        if not begin and not (self / CONFIG).exists():
            return
        try:
            with locked(self.path, LOCK):
                self._refuse_foreign()
                self.check_config(config)
                self.write_json(STATUS, {"status": "failed", "reason": first_line(error)})
        except InputError:  # the directory holds another run, which stays unchanged
            return

    def finished(self, config: Config) -> Result | None:
        """The result, or ``None`` if the run must start, continue or recompute its outputs.

        Raises:
            InputError: The directory holds a run of another configuration, or the weights needed
                for recomputing damaged outputs were changed.
        """
        if config.overwrite or not (self / RESULT).exists():
            self.missed = not config.overwrite
            return None
        self._refuse_foreign()
        self.check_config(config)
        try:
            for name in OUTPUTS:
                self.check_digest(name)
            result = self.read_result()
        except InputError as error:
            self.check_weights()
            log.warning("%s; it is recomputed from the weights", error)
            return None
        for name in WEIGHTS:
            if name in (read_digests(self.path) or ()):
                try:
                    self.check_digest(name)
                except InputError as error:
                    log.warning("%s; overwrite=true runs it again", error)
        return result

    def finished_since(self, config: Config) -> Result | None:
        """The result of another process that has ended since ``finished`` found none.

        Raises:
            InputError: See ``finished``.
        """
        result = self.finished(config) if self.missed else None
        self.by_another = result is not None
        return result

    def finish(self, result: Result) -> None:
        """Writes the digests of all outputs and then the result, which marks a finished run."""
        text = json.dumps(result, indent=2) + "\n"
        self.write_json(DIGESTS, digests_of(self.path, text))
        write_text(self / RESULT, text)

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Appends one line to the metrics, whose stage must be one of ``STAGES``."""
        assert record["stage"] in STAGES, record["stage"]
        append(self / METRICS, json.dumps(record) + "\n")
        for hear in self.listeners:
            hear([record], False)

    def drop_metrics(self, stage: str, epoch: int) -> None:
        """Removes the records of all epochs after the one from which the run continues."""
        position = (STAGES.index(stage), epoch)
        kept = [
            record
            for record in self.read_metrics()
            if (STAGES.index(record["stage"]), record["epoch"]) <= position
        ]
        self.write_metrics("".join(json.dumps(record) + "\n" for record in kept))

    def write_metrics(self, text: str) -> None:
        """Replaces the content of the metrics."""
        write_text(self / METRICS, text)
        for hear in self.listeners:
            hear(parse_lines(text.encode(), self / METRICS), True)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Writes an indented JSON file."""
        write_text(self / name, json.dumps(value, indent=2) + "\n")

    def write(self, name: str, save: Callable[[IO[bytes]], Any]) -> None:
        """Writes a file completely or not at all."""
        write_whole(self / name, save)

    def _refuse_foreign(self) -> None:
        names = {path.name for path in self.path.iterdir() if not path.name.startswith(".")}
        if names - {STATUS} and CONFIG not in names:
            one = min(names - {STATUS})
            raise InputError(f"{self.path} is not a run directory: it holds {one} and no {CONFIG}")
        if CONFIG not in names:
            self.read_status()

    def _clear(self) -> None:
        """Removes the run's files, but only if the directory holds a run of gammvae."""
        if (self / CONFIG).exists():
            try:
                self.read_config()
            except InputError as error:
                raise InputError(
                    f"{self.path} is not overwritten, because it holds no run of gammvae: {error}"
                ) from error
        for name in FILES:
            (self / name).unlink(missing_ok=True)
