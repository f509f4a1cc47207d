"""Reads the directory of a run.

The directory may come from an untrusted source: its files are checked, and treated only as data.
"""

from dataclasses import replace
from pathlib import Path

from numpy.typing import NDArray
from pydantic import TypeAdapter

from gammvae.config.candidates import is_undecided
from gammvae.config.identity import identity
from gammvae.config.schema import Config
from gammvae.config.stored import from_stored
from gammvae.errors import InputError
from gammvae.runs.contents import (
    ASSIGNMENTS,
    CHOICE,
    CONFIG,
    FILES,
    GENERATION,
    METRICS,
    RESULT,
    STAGES,
    STATUS,
    TRACKING,
    TRAINED,
    WEIGHTS,
)
from gammvae.runs.digests import check_digest
from gammvae.runs.parsing import Content, parse, parse_lines
from gammvae.runs.readers import check_array, content, read_arrays, read_yaml
from gammvae.runs.records import (
    CHOICE_JSON,
    GENERATION_JSON,
    RESULT_JSON,
    STATUS_JSON,
    TRACKED_JSON,
    Choice,
    Generation,
    Record,
    Result,
    Status,
    Tracked,
)
from gammvae.system.paths import user_path
from gammvae.system.writing import refuse_replacing


class StoredRun:
    """Directory of a run, for reading.

    Args:
        path: Path of the directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def check_config(self, config: Config) -> None:
        """Compares the stored configuration, if there is one, with another.

        Raises:
            InputError: The configurations differ; the message lists the settings.
        """
        if not (self / CONFIG).exists():
            return
        there, here = identity(self._configuration()), identity(config)
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
        """The stored configuration; ``reuse.usable_config`` makes it safe for loading data.

        If the data have chosen the number of clusters, it has this number.

        Raises:
            InputError: The file is missing or damaged.
        """
        config = self._configuration()
        if is_undecided(config.n_clusters) and (choice := self.read_choice()):
            return replace(config, n_clusters=choice["n_clusters"])
        return config

    def read_choice(self) -> Choice | None:
        """How the data have chosen the number of clusters, or ``None`` if they have not.

        Raises:
            InputError: The file is damaged.
        """
        if (self / CHOICE).exists():
            self.check_digest(CHOICE)
        return self._if_there(CHOICE, CHOICE_JSON)

    def _configuration(self) -> Config:
        path = self / CONFIG
        if not path.exists():
            raise InputError(f"{self.path} is not a run directory: no {CONFIG} in it")
        tree = read_yaml(path)
        try:
            return from_stored(tree)
        except InputError as error:
            raise InputError(f"{path} is damaged: {error}") from error

    def read_result(self) -> Result:
        """The result of a finished run.

        Raises:
            InputError: The run is not finished, or the file is damaged.
        """
        path = self / RESULT
        if not path.exists():
            raise InputError(f"{self.path} is not a finished run: no {RESULT} in it")
        self.check_digest(RESULT)
        return parse(RESULT_JSON, content(path), path)

    def read_assignments(self, n_samples: int, n_clusters: int) -> dict[str, NDArray]:
        """Labels ``(N,)``, responsibilities ``(N, K)`` and embedding ``(N, D)``.

        Args:
            n_samples: Number of samples ``N``.
            n_clusters: Number of clusters ``K``.

        Raises:
            InputError: The file is missing or damaged.
        """
        path = self / ASSIGNMENTS
        self.check_digest(ASSIGNMENTS)
        arrays = read_arrays(path)
        labels = check_array(arrays, "labels", "i", (n_samples,), path)
        check_array(arrays, "responsibilities", "f", (n_samples, n_clusters), path)
        check_array(arrays, "embedding", "f", (n_samples, None), path)
        if not (labels.min() >= 0 and labels.max() < n_clusters):
            raise InputError(
                f"{path} is damaged: labels are from {labels.min()} to {labels.max()}, "
                f"with {n_clusters} clusters they must be from 0 to {n_clusters - 1}"
            )
        return arrays

    def read_generation(self) -> Generation | None:
        """How realistic generated samples are, or ``None`` if that was not evaluated.

        Raises:
            InputError: The file is damaged.
        """
        return self._if_there(GENERATION, GENERATION_JSON)

    def read_status(self) -> Status | None:
        """The reason for the run's failure, or ``None``.

        Raises:
            InputError: The file is damaged.
        """
        return self._if_there(STATUS, STATUS_JSON)

    def read_tracked(self) -> Tracked | None:
        """What a tracker has of the run, or ``None`` if it was not tracked.

        Raises:
            InputError: The file is damaged.
        """
        return self._if_there(TRACKING, TRACKED_JSON)

    def _if_there(self, name: str, kind: TypeAdapter[Content]) -> Content | None:
        path = self / name
        return parse(kind, content(path), path) if path.exists() else None

    def check_digest(self, name: str) -> None:
        """Refuses an output that is missing or was changed since the run wrote it.

        Raises:
            InputError: See ``digests.check_digest``.
        """
        check_digest(self.path, name)

    def check_weights(self) -> None:
        """Refuses weights that were changed since the run wrote them; missing weights are accepted.

        Raises:
            InputError: Weights were changed; the message says how to retrain them.
        """
        for name in WEIGHTS:
            if (self / name).exists():
                try:
                    self.check_digest(name)
                except InputError as error:
                    raise InputError(f"{error}; overwrite=true runs it again") from error

    def read_metrics(self) -> list[Record]:
        """The records of all epochs; an incomplete last line, left by a kill, is skipped.

        Raises:
            InputError: Another line is damaged.
        """
        path = self / METRICS
        if not path.exists():
            return []
        return parse_lines(content(path), path)

    def metrics_text(self) -> str:
        """The content of ``metrics.jsonl``; empty if the file does not exist."""
        path = self / METRICS
        return content(path).decode() if path.exists() else ""

    def seconds_by_stage(self) -> dict[str, float]:
        """Seconds spent in each stage, summed over its records."""
        seconds = dict.fromkeys(STAGES, 0.0)
        for record in self.read_metrics():
            seconds[record["stage"]] += record["seconds"]
        return seconds

    def epochs_by_stage(self) -> dict[str, int]:
        """Epochs of each stage of gradient steps; 0 for a stage that did not run."""
        epochs = dict.fromkeys(TRAINED, 0)
        for record in self.read_metrics():
            if record["stage"] in epochs:
                epochs[record["stage"]] += 1
        return epochs

    def steps_by_stage(self, of_a_pass: int) -> dict[str, int]:
        """Steps of each stage of gradient steps, like ``epochs_by_stage``.

        Args:
            of_a_pass: Number of steps of a pass over the data, which every epoch of a stage was
                that an earlier version has begun.
        """
        steps = dict.fromkeys(TRAINED, 0)
        for record in self.read_metrics():
            if record["stage"] in steps:
                steps[record["stage"]] += record.get("steps", of_a_pass)
        return steps

    def keep_from(self, target: Path, *replaceable: str) -> None:
        """Refuses a path given by the user if it is a file of the run.

        Args:
            target: Path to write, or to read data from.
            replaceable: Names of files of the run that are allowed.

        Raises:
            InputError: The path is another file of the run.
        """
        mine = target.parent.resolve() == self.path.resolve()
        if mine and target.name in FILES and target.name not in replaceable:
            raise InputError(f"{target} is a file of the run itself: name another")

    def check_output(self, key: str, target: Path, *replaceable: str) -> None:
        """Refuses to overwrite a file of the run, or the data that it was trained on.

        Args:
            key: Setting that gives the target, for messages.
            target: Path to write.
            replaceable: Names of files of the run that may be replaced.

        Raises:
            InputError: The target is another file of the run, or one that the run reads.
        """
        self.keep_from(target, *replaceable)
        refuse_replacing(key, target, inputs(self.read_config()))


def inputs(config: Config) -> list[Path]:
    """Paths of the user's own files that a run reads."""
    names = config.dataset.path, config.dataset.labels, config.init.labels
    return [user_path(name) for name in names if name is not None]
