"""The run directory: what a run leaves on disk, written so that a kill loses nothing.

    config.yaml       the resolved configuration
    run.log           what was said
    metrics.jsonl     one line an epoch
    pretrain.pt       the state of each stage of training; the last one holds the trained model
    train.pt
    assignments.npz   labels, responsibilities, embedding, in the dataset's order
    data.npz          what the model must know of its data: shape, likelihood, preprocessing
    result.json       the result; a run that has one is finished
    status.json       why it failed, if it did
    report.html       the run in pictures
    generation.json   how real the samples are that it generates

Every file but the log is written beside its place and renamed, or appended to by whole lines.
"""

import dataclasses
import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from gammvae.config import VOLATILE, Config, identity, to_config
from gammvae.errors import InputError, first_line, reading

CONFIG, LOG, METRICS, RESULT = "config.yaml", "run.log", "metrics.jsonl", "result.json"
ASSIGNMENTS, DATA, STATUS, REPORT = "assignments.npz", "data.npz", "status.json", "report.html"
GENERATION = "generation.json"
STAGES = ("pretrain", "init", "train")
# The configuration goes last: while a directory holds anything of a run, it says of which.
FILES = (
    *(
        RESULT,
        REPORT,
        GENERATION,
        ASSIGNMENTS,
        DATA,
        "train.pt",
        "pretrain.pt",
        METRICS,
        LOG,
        STATUS,
    ),
    CONFIG,
)
LOCK = ".lock"
# Overrides that are in the path anyway, or cannot change the result.
NOT_IN_NAME = ("dataset", "model", "seed", *VOLATILE)
MAX_NAME = 120


def run_path(config: Config, choices: Mapping[str, str], overrides: Sequence[str]) -> Path:
    """``<output_root>/<dataset>/<model>/<other overrides>/seed=<seed>``.

    Args:
        config: The configuration.
        choices: The chosen file of every group.
        overrides: The overrides of the command line, ``key=value``.
    """
    others = sorted(
        override.lstrip("+")
        for override in overrides
        if override.lstrip("+~").partition("=")[0] not in NOT_IN_NAME
    )
    name = ",".join(others)
    readable = re.sub(r"[^\w.,=+~-]+", "_", name)[:MAX_NAME]
    if readable != name:  # two different names must not become one
        readable += "-" + hashlib.sha256(name.encode()).hexdigest()[:8]
    parent = Path(config.output_root) / choices["dataset"] / choices["model"]
    return parent / readable / f"seed={config.seed}"


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
            if config.overwrite:
                for name in FILES:
                    (self / name).unlink(missing_ok=True)
            self.check_config(config)
            (self / STATUS).unlink(missing_ok=True)
            text = OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(config)))
            self.write(CONFIG, lambda file: file.write(text.encode()))
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

    def finished(self, config: Config) -> dict[str, Any] | None:
        """The result, if the directory holds the finished run of this configuration.

        Raises:
            InputError: It holds a run of another configuration.
        """
        if config.overwrite or not (self / RESULT).exists():
            return None
        self._refuse_foreign()
        self.check_config(config)
        return self.read_result()

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

    def read_config(self, overrides: Sequence[str] = ()) -> Config:
        """The stored configuration, with ``key=value`` overrides on top.

        Raises:
            InputError: There is none, it is damaged, or an override does not suit it.
        """
        path = self / CONFIG
        try:
            stored = OmegaConf.load(path)
            config = to_config(stored)
        except FileNotFoundError as error:
            raise InputError(f"{self.path} is not a run directory: no {CONFIG} in it") from error
        except (OmegaConfBaseException, YAMLError, UnicodeDecodeError, InputError) as error:
            raise InputError(f"{path} is damaged: {error}") from error
        return to_config(stored, OmegaConf.from_dotlist(list(overrides))) if overrides else config

    def read_result(self) -> dict[str, Any]:
        """The result of a finished run.

        Raises:
            InputError: There is none, or it is damaged.
        """
        try:
            result = json.loads((self / RESULT).read_text())
        except FileNotFoundError as error:
            raise InputError(f"{self.path} is not a finished run: no {RESULT} in it") from error
        except ValueError as error:
            raise InputError(f"{self / RESULT} is damaged: {error}") from error
        if not isinstance(result, dict) or "metrics" not in result:
            raise InputError(f"{self / RESULT} is damaged: it holds no metrics")
        return result

    def read_assignments(self) -> dict[str, NDArray]:
        """Labels, responsibilities and embedding of the finished run.

        Raises:
            InputError: There are none, or they are damaged.
        """
        path = self / ASSIGNMENTS
        with reading(path), np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)

    def read_generation(self) -> dict[str, Any] | None:
        """How real generated samples were found to be, if they were judged."""
        path = self / GENERATION
        with reading(path):
            return json.loads(path.read_text()) if path.exists() else None

    def append_metrics(self, record: dict[str, Any]) -> None:
        """Adds one line to the metrics."""
        with (self / METRICS).open("a") as file:
            file.write(json.dumps(record) + "\n")

    def read_metrics(self) -> list[dict[str, Any]]:
        """All whole lines of the metrics; a kill may have cut the last one short."""
        records = []
        if (self / METRICS).exists():
            for line in (self / METRICS).read_text().splitlines():
                try:
                    records.append(json.loads(line))
                except ValueError:
                    break
        return records

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
        text = "".join(json.dumps(record) + "\n" for record in kept)
        self.write(METRICS, lambda file: file.write(text.encode()))

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Writes one readable JSON file."""
        text = json.dumps(value, indent=2) + "\n"
        self.write(name, lambda file: file.write(text.encode()))

    def write(self, name: str, save: Callable[[IO[bytes]], Any]) -> None:
        """Writes one file as a whole or not at all."""
        temporary = self / f".{name}.tmp"
        with temporary.open("wb") as file:
            save(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self / name)

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

    def _refuse_foreign(self) -> None:
        names = {path.name for path in self.path.iterdir() if not path.name.startswith(".")}
        if names - {STATUS} and CONFIG not in names:
            one = min(names - {STATUS})
            raise InputError(f"{self.path} is not a run directory: it holds {one} and no {CONFIG}")


@contextmanager
def log_to(path: Path) -> Iterator[None]:
    """Copies what the program logs into a file."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("gammvae")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
