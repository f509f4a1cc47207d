"""What an estimator keeps of a run: its folder, and its model when that is needed."""

import io
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from gammvae.config.code import check_own, code_of, with_code
from gammvae.config.schema import Config
from gammvae.data.samples import Samples, samples_on
from gammvae.data.training_data import Facts
from gammvae.devices import choose_device, random_numbers_kept
from gammvae.errors import InputError, blaming
from gammvae.estimators.samples import Matrix, rows_like
from gammvae.evaluation.assignments import Assigner, Assignments, assign
from gammvae.runs.code import config_with_code
from gammvae.runs.contents import CONFIG, FILES
from gammvae.runs.directory import RunDirectory
from gammvae.runs.readers import check_ordinary
from gammvae.runs.records import Result
from gammvae.runs.trained import Trained, load_trained, read_facts

RUN = "run"


class TemporaryFolder:
    """A folder that is removed with this object, at the latest at the end of the process.

    ``tempfile.TemporaryDirectory`` would warn of that, and remove it in a forked process as well.

    Attributes:
        path: Path of the folder.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="gammvae-"))
        weakref.finalize(self, remove, self.path, os.getpid())


def remove(folder: Path, owner: int) -> None:
    """Removes a folder in the process that made it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


class FittedRun:
    """A finished run in a folder of its own, which lives as long as this object.

    Pickles contain the files of the run.

    Args:
        folder: Temporary folder, which holds the folder of the run.
        assigner: Assigns samples, for methods whose runs do not store how; ``None`` for others.
        device: Device of the assigner's networks.
        interrupted: How far training came, if it was interrupted.
        code: Settings of the run that name functions, by key, if these may be called.
    """

    def __init__(
        self,
        folder: TemporaryFolder,
        assigner: Assigner | None = None,
        device: str = "cpu",
        interrupted: str = "",
        code: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        self.folder, self.assigner, self.interrupted = folder, assigner, interrupted
        self.code = dict(code or {})
        self.device = device
        self.directory = RunDirectory(folder.path / RUN)
        self._trained: dict[str, Trained] = {}

    @classmethod
    def copied(cls, path: str | Path, config_dir: str | Path | None) -> "FittedRun":
        """A copy of a finished run of the command line or of another estimator.

        Args:
            path: Folder of the run.
            config_dir: Folder with the user's own configuration files, or ``None``.

        Raises:
            InputError: The folder holds no finished run, a file of it is damaged, or it names
                functions that the user's files do not.
        """
        source = RunDirectory(path)
        source.read_result()
        code = code_of(config_with_code(source, config_dir))
        with blaming(source / CONFIG):
            check_own(code)
        fitted = cls(TemporaryFolder(), code=code)
        copy_files(source.path, fitted.directory.path)
        return fitted

    @cached_property
    def config(self) -> Config:
        """The stored configuration, with the functions that may be called."""
        return with_code(self.directory.read_config(), self.code)

    @cached_property
    def result(self) -> Result:
        """The result of the run."""
        return self.directory.read_result()

    @cached_property
    def facts(self) -> Facts:
        """Facts about the data that the run was trained on."""
        return read_facts(self.directory)

    def trained(self, device: str) -> Trained:
        """The run with its model on a device, which stays in memory.

        Raises:
            InputError: The device is not available, or the model has no mixture.
        """
        if not self.config.model.has_mixture:
            raise InputError(
                f"model={self.config.model.name} has no mixture, which this needs: "
                "model='gammvae' or model='vade' has one"
            )
        if device not in self._trained:
            with random_numbers_kept(choose_device(device)):
                self._trained = {device: load_trained(self.directory, device, self.config)}
        return self._trained[device]

    def samples(self, x: Matrix, device: str) -> Samples:
        """Samples ``(N, F)`` as the model expects them, on a device.

        Raises:
            InputError: The device is not available, or a value is out of range.
        """
        return samples_on(choose_device(device), rows_like(x, self.config, self.facts))

    def assigned(self, x: Matrix, device: str) -> Iterator[Assignments]:
        """Yields the assignments of samples ``(N, F)``, a chunk at a time.

        Raises:
            InputError: The run does not store how its method assigns, or see ``samples``.
        """
        if self.assigner is not None:
            return self.assigner(self.samples(x, self.device))
        if not self.config.model.has_mixture:
            raise InputError(
                f"the folder of a run of model={self.config.model.name} does not say how others "
                "than its own samples are assigned: fit again, or pickle the fitted estimator"
            )
        return assign(self.trained(device).model, self.samples(x, device))

    def save(self, path: str | Path) -> None:
        """Copies the run to a new or empty folder.

        Raises:
            InputError: The folder holds something, or the run was interrupted.
        """
        target = Path(path)
        if self.interrupted:
            raise InputError(f"{target} is not written: {self.interrupted}, fit again to the end")
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise InputError(f"{target} is not empty: name another folder")
        copy_files(self.directory.path, target)

    def __getstate__(self) -> dict[str, Any]:
        path, assigner = self.directory.path, io.BytesIO()
        torch.save(self.assigner, assigner)
        names = [name for name in FILES if (path / name).exists()]
        return {
            "files": {name: (path / name).read_bytes() for name in names},
            "assigner": assigner.getvalue(),
            "interrupted": self.interrupted,
            "code": self.code,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        # a pickle is trusted, and what was on a GPU is loaded where there may be none
        assigner = torch.load(io.BytesIO(state["assigner"]), map_location="cpu", weights_only=False)
        code = state.get("code")  # which earlier versions did not have
        FittedRun.__init__(self, TemporaryFolder(), assigner, "cpu", state["interrupted"], code)
        self.directory.path.mkdir()
        for name, content in state["files"].items():
            (self.directory / name).write_bytes(content)


def copy_files(source: Path, target: Path) -> None:
    """Copies the files of a run, and nothing else that its folder may hold.

    Raises:
        InputError: One of them is no regular file.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        if (source / name).exists():
            check_ordinary(source / name)
            shutil.copyfile(source / name, target / name)
