"""The run directory: what a run leaves on disk, written so that a kill loses nothing.

    config.yaml       the resolved configuration
    run.log           what was said
    metrics.jsonl     one line an epoch
    pretrain.pt       the state of each stage of training; the last one holds the trained model
    train.pt
    assignments.npz   labels, responsibilities, embedding, in the dataset's order
    data.npz          what the model must know of its data: shape, likelihood, preprocessing
    digests.json      of what stands above, and of the result
    result.json       the result; a run that has one is finished
    status.json       why it failed, if it did
    report.html       the run in pictures
    generation.json   how real the samples are that it generates

Every file but the log is written beside its place and renamed, or appended to by whole lines. What
is read may have been made by anybody, and is taken for data and nothing else.
"""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import yaml
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from gammvae.config.schema import Config, from_stored, identity
from gammvae.errors import InputError, first_line, reading
from gammvae.paths import user_path
from gammvae.printing import log_to
from gammvae.runs import stored
from gammvae.writing import (
    append,
    refuse_replacing,
    remove_unfinished,
    write_text,
    write_whole,
)

log = logging.getLogger(__name__)

CONFIG, LOG, METRICS, RESULT = "config.yaml", "run.log", "metrics.jsonl", "result.json"
ASSIGNMENTS, DATA, STATUS, REPORT = "assignments.npz", "data.npz", "status.json", "report.html"
GENERATION, DIGESTS = "generation.json", "digests.json"
STAGES = ("pretrain", "init", "train")
# What a finished run has beside its result, and what all of it can be made of anew.
OUTPUTS, WEIGHTS = (METRICS, ASSIGNMENTS, DATA), ("pretrain.pt", "train.pt")
# The configuration goes last: while a directory holds anything of a run, it says of which.
FILES = (
    *(RESULT, DIGESTS, REPORT, GENERATION, ASSIGNMENTS, DATA, "train.pt", "pretrain.pt"),
    *(METRICS, LOG, STATUS, CONFIG),
)
LOCK = ".lock"


class RunDirectory:
    """The files of one run.

    Args:
        path: The directory; made when the run is opened.
        command: What makes the run, for its result.
    """

    def __init__(self, path: str | Path, command: str = "") -> None:
        self.path = Path(path)
        self.command = command

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @contextmanager
    def open(self, config: Config) -> Iterator[None]:
        """Holds the directory for this process, and writes the configuration into it.

        Raises:
            InputError: It cannot be written, holds something else, or another process works in it.
        """
        with self._lock():
            self._refuse_foreign()
            remove_unfinished(self.path)
            for path in inputs(config):
                self.keep_from(path)
            if config.overwrite:
                self._clear()
            self.check_config(config)
            (self / STATUS).unlink(missing_ok=True)
            text = yaml.safe_dump(dataclasses.asdict(config), sort_keys=False, allow_unicode=True)
            write_text(self / CONFIG, text)
            with log_to(self / LOG):
                yield

    def note_failure(self, config: Config, error: Exception, *, begin: bool) -> None:
        """Leaves the reason why a run failed in its directory, if that is this run's own.

        Args:
            config: Of the run.
            error: What ended it.
            begin: Whether to make the directory if there is none.
        """
        if not begin and not (self / CONFIG).exists():
            return
        try:
            with self._lock():
                self._refuse_foreign()
                self.check_config(config)
                self.write_json(STATUS, {"status": "failed", "reason": first_line(error)})
        except InputError:  # another's: the reason is shown, and nothing of theirs touched
            return

    def finished(self, config: Config) -> stored.Result | None:
        """The result, if the directory holds the finished run of this configuration, undamaged.

        Raises:
            InputError: It holds a run of another configuration, or other weights than it wrote.
        """
        if config.overwrite or not (self / RESULT).exists():
            return None
        self._refuse_foreign()
        self.check_config(config)
        try:
            for name in OUTPUTS:
                self.check_digest(name)
            result = self.read_result()
        except InputError as error:
            self.check_weights()
            log.warning("%s; it is made anew from the weights", error)
            return None
        for name in WEIGHTS:
            if name in (self._digests() or ()):
                try:
                    self.check_digest(name)
                except InputError as error:
                    log.warning("%s; overwrite=true runs it again", error)
        return result

    def check_config(self, config: Config) -> None:
        """Compares the stored configuration, if there is one, with this one.

        Raises:
            InputError: They differ; the message shows where.
        """
        if not (self / CONFIG).exists():
            return
        there, here = identity(self.read_config()), identity(config)
        different = [
            f"{key} is {there.get(key)} there and {here.get(key)} here"
            for key in sorted(there.keys() | here.keys())
            if there.get(key) != here.get(key)
        ]
        if different:
            raise InputError(
                f"{self.path} holds a run of another configuration: {'; '.join(different)}; "
                "overwrite=true replaces it, run_dir=PATH goes elsewhere"
            )

    def read_config(self) -> Config:
        """The stored configuration, to be compared; ``reuse`` has the one to load data by.

        Raises:
            InputError: There is none, or it is damaged.
        """
        path = self / CONFIG
        if not path.exists():
            raise InputError(f"{self.path} is not a run directory: no {CONFIG} in it")
        tree = stored.read_yaml(path)
        try:
            return from_stored(tree)
        except InputError as error:
            raise InputError(f"{path} is damaged: {error}") from error

    def read_result(self) -> stored.Result:
        """The result of a finished run.

        Raises:
            InputError: There is none, or it is damaged.
        """
        path = self / RESULT
        if not path.exists():
            raise InputError(f"{self.path} is not a finished run: no {RESULT} in it")
        self.check_digest(RESULT)
        return stored.parse(stored.RESULT, stored.content(path), path)

    def read_assignments(self, n_samples: int, n_clusters: int) -> dict[str, NDArray]:
        """Labels ``(N,)``, responsibilities ``(N, K)`` and embedding ``(N, D)``.

        Args:
            n_samples: ``N``.
            n_clusters: ``K``.

        Raises:
            InputError: There are none, or they are damaged.
        """
        path = self / ASSIGNMENTS
        self.check_digest(ASSIGNMENTS)
        arrays = stored.read_arrays(path)
        labels = stored.check_array(arrays, "labels", "i", (n_samples,), path)
        stored.check_array(arrays, "responsibilities", "f", (n_samples, n_clusters), path)
        stored.check_array(arrays, "embedding", "f", (n_samples, None), path)
        if not (labels.min() >= 0 and labels.max() < n_clusters):
            raise InputError(
                f"{path} is damaged: labels are from {labels.min()} to {labels.max()}, "
                f"with {n_clusters} clusters they must be from 0 to {n_clusters - 1}"
            )
        return arrays

    def read_generation(self) -> stored.Generation | None:
        """How real generated samples were found to be, if they were judged."""
        path = self / GENERATION
        if not path.exists():
            return None
        return stored.parse(stored.GENERATION, stored.content(path), path)

    def read_status(self) -> stored.Status | None:
        """Why the run failed, if it did."""
        path = self / STATUS
        if not path.exists():
            return None
        return stored.parse(stored.STATUS, stored.content(path), path)

    def finish(self, result: stored.Result) -> None:
        """Writes the result, which ends the run, and before it the digests of all outputs."""
        text = json.dumps(result, indent=2) + "\n"
        kept = [name for name in (*OUTPUTS, *WEIGHTS) if (self / name).exists()]
        digests = {name: file_digest(self / name) for name in kept}
        digests[RESULT] = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        self.write_json(DIGESTS, digests)
        write_text(self / RESULT, text)

    def check_digest(self, name: str) -> None:
        """Refuses an output that is missing, or is not what the run wrote.

        Runs of versions that kept no digests are only asked whether it is there.

        Raises:
            InputError: It is not.
        """
        path, digests = self / name, self._digests()
        if not path.exists():
            raise InputError(f"{path} is missing")
        if digests is None:
            return
        expected = digests.get(name)
        if expected is None and name in (RESULT, *OUTPUTS):
            raise InputError(f"{self / DIGESTS} is damaged: it lacks {name}")
        if expected is not None and file_digest(path) != expected:
            raise InputError(
                f"{path} is damaged or was changed: its digest is not the one in {DIGESTS}"
            )

    def _digests(self) -> dict[str, str] | None:
        path = self / DIGESTS
        if not path.exists():
            return None
        return stored.parse(stored.DIGESTS, stored.content(path), path)

    def check_weights(self) -> None:
        """Refuses weights that are there and not what the run wrote.

        Raises:
            InputError: They are not; the message says how to make them anew.
        """
        for name in WEIGHTS:
            if (self / name).exists():
                try:
                    self.check_digest(name)
                except InputError as error:
                    raise InputError(f"{error}; overwrite=true runs it again") from error

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Adds one line to the metrics."""
        append(self / METRICS, json.dumps(record) + "\n")

    def read_metrics(self) -> list[stored.Record]:
        """All whole lines of the metrics; a kill may have cut the last one short.

        Raises:
            InputError: They are damaged otherwise.
        """
        path = self / METRICS
        if not path.exists():
            return []
        return stored.parse_lines(stored.content(path), path)

    def seconds_by_stage(self) -> dict[str, float]:
        """What every stage took, by the metrics."""
        seconds = dict.fromkeys(STAGES, 0.0)
        for record in self.read_metrics():
            seconds[record["stage"]] += record["seconds"]
        return seconds

    def drop_metrics(self, stage: str, epoch: int) -> None:
        """Removes the lines past an epoch of a stage, after which the run goes on."""
        position = (STAGES.index(stage), epoch)
        kept = [
            record
            for record in self.read_metrics()
            if (STAGES.index(record["stage"]), record["epoch"]) <= position
        ]
        self.write_metrics("".join(json.dumps(record) + "\n" for record in kept))

    def metrics_text(self) -> str:
        """All lines of the metrics."""
        path = self / METRICS
        return stored.content(path).decode() if path.exists() else ""

    def write_metrics(self, text: str) -> None:
        """Replaces all lines of the metrics."""
        write_text(self / METRICS, text)

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Writes one readable JSON file."""
        write_text(self / name, json.dumps(value, indent=2) + "\n")

    def write(self, name: str, save: Callable[[IO[bytes]], Any]) -> None:
        """Writes one file as a whole or not at all."""
        write_whole(self / name, save)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self / LOCK, timeout=0).acquire()
        except Timeout as error:
            raise InputError(f"{self.path} is in use by another process") from error
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror}") from error
        with lock:
            yield

    def keep_from(self, target: Path, *replaceable: str) -> None:
        """Refuses a path of the user's that is a file of the run.

        Args:
            target: Which is to be written, or read where the run is to be written.
            replaceable: Names of files that it may be.

        Raises:
            InputError: It is such a file.
        """
        mine = target.parent.resolve() == self.path.resolve()
        if mine and target.name in FILES and target.name not in replaceable:
            raise InputError(f"{target} is a file of the run itself: name another")

    def check_output(self, key: str, target: Path, *replaceable: str) -> None:
        """Refuses to write over a file of the run, or over what it was made from.

        Args:
            key: The setting that names the target.
            target: What would be written.
            replaceable: Names of files of the run that may be.

        Raises:
            InputError: It is such a file.
        """
        self.keep_from(target, *replaceable)
        refuse_replacing(key, target, inputs(self.read_config()))

    def _refuse_foreign(self) -> None:
        names = {path.name for path in self.path.iterdir() if not path.name.startswith(".")}
        if names - {STATUS} and CONFIG not in names:
            one = min(names - {STATUS})
            raise InputError(f"{self.path} is not a run directory: it holds {one} and no {CONFIG}")
        if CONFIG not in names:
            self.read_status()

    def _clear(self) -> None:
        """Removes the run, if it is one of ours."""
        if (self / CONFIG).exists():
            try:
                self.read_config()
            except InputError as error:
                raise InputError(
                    f"{self.path} is not overwritten, because it holds no run of gammvae: {error}"
                ) from error
        for name in FILES:
            (self / name).unlink(missing_ok=True)


def inputs(config: Config) -> list[Path]:
    """The user's own files that a run reads."""
    names = config.dataset.path, config.dataset.labels, config.init.labels
    return [user_path(name) for name in names if name is not None]


def file_digest(path: Path) -> str:
    """``sha256:hexadecimal`` of a file."""
    with reading(path):
        stored.check_ordinary(path)
        with path.open("rb") as file:
            return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
