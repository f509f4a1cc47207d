"""Experiment trackers: TensorBoard, MLflow, Weights & Biases and Trackio behind one interface.

Unless the user's environment names a server, everything is written to files of this machine.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from filelock import FileLock

from gammvae.errors import InputError
from gammvae.runs.contents import LOCK
from gammvae.runs.tracker import Ending, Tracker

# Of an entry of MLflow: parameters at a time, and characters of a value.
MLFLOW_BATCH, MLFLOW_LENGTH = 100, 6000
# By which Weights & Biases tells a failure and an interrupt apart.
EXIT_CODES = {"finished": 0, "failed": 1, "killed": 255}


class TensorBoard:
    """Writes events below ``<folder>/tensorboard``; it keeps no files, only their paths.

    Args:
        folder: Where to write.
        project: Name of the folder that groups runs.
    """

    def __init__(self, folder: Path, project: str) -> None:
        self.folder = folder / "tensorboard" / project

    def start(self, name: str, earlier: str | None = None) -> str:
        """See ``Tracker``; events of an earlier run in the same folder are no longer shown."""
        from torch.utils.tensorboard import SummaryWriter

        place = name.strip("/").replace("..", "_")
        purged = None if place == earlier else 0
        self.writer: Any = SummaryWriter(str(self.folder / place), purge_step=purged)
        return place

    def parameters(self, values: Mapping[str, Any]) -> None:
        """See ``Tracker``."""
        lines = [f"    {name}: {value}" for name, value in values.items()]  # a block of Markdown
        self.writer.add_text("parameters", "\n".join(lines))

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """See ``Tracker``."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()

    def artifacts(self, paths: Sequence[Path]) -> None:
        """See ``Tracker``."""
        self.writer.add_text("artifacts", "\n".join(f"    {path.resolve()}" for path in paths))

    def end(self, how: Ending) -> None:
        """See ``Tracker``."""
        self.writer.add_text("status", how)
        self.writer.close()


class MLflow:
    """Writes to the server of ``MLFLOW_TRACKING_URI``, or else to ``<folder>/mlflow.db``.

    Args:
        folder: Where to write.
        project: Name of the experiment.
    """

    def __init__(self, folder: Path, project: str) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.tracking import MlflowClient

        for name in ("mlflow", "alembic"):  # they tell every step of creating a database
            logging.getLogger(name).setLevel(logging.WARNING)
        server = os.environ.get("MLFLOW_TRACKING_URI")
        files = None if server else (folder / "mlartifacts").resolve().as_uri()
        self.client = MlflowClient(server or f"sqlite:///{(folder / 'mlflow.db').resolve()}")
        known = self.client.get_experiment_by_name(project)
        self.experiment = (
            known.experiment_id if known else self.client.create_experiment(project, files)
        )

    def start(self, name: str, earlier: str | None = None) -> str:
        """See ``Tracker``."""
        from mlflow.exceptions import MlflowException

        if earlier is not None:
            with suppress(MlflowException):  # it is not there: another database, or deleted
                self.client.update_run(earlier, status="RUNNING")
                self.run = earlier
                return earlier
        self.run = str(self.client.create_run(self.experiment, run_name=name).info.run_id)
        return self.run

    def parameters(self, values: Mapping[str, Any]) -> None:
        """See ``Tracker``."""
        from mlflow.entities import Param

        entries = [Param(key, str(value)[:MLFLOW_LENGTH]) for key, value in values.items()]
        for start in range(0, len(entries), MLFLOW_BATCH):
            self.client.log_batch(self.run, params=entries[start : start + MLFLOW_BATCH])

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """See ``Tracker``."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        figures = [Metric(name, value, now, step) for name, value in values.items()]
        self.client.log_batch(self.run, metrics=figures)

    def artifacts(self, paths: Sequence[Path]) -> None:
        """See ``Tracker``."""
        for path in paths:
            self.client.log_artifact(self.run, str(path))

    def end(self, how: Ending) -> None:
        """See ``Tracker``."""
        self.client.set_terminated(self.run, how.upper())


class WeightsAndBiases:
    """Writes to ``<folder>/wandb``, for ``wandb sync``; with ``WANDB_MODE=online`` to the server.

    Args:
        folder: Where to write.
        project: Name of the project.
    """

    def __init__(self, folder: Path, project: str) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        self.folder, self.project = folder, project

    def start(self, name: str, earlier: str | None = None) -> str:
        """See ``Tracker``."""
        import wandb

        # nothing about the machine's other files
        quiet = wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True)
        mode: Any = os.environ.get("WANDB_MODE", "offline")
        resume: Any = "allow" if earlier and mode == "online" else None
        self.run = wandb.init(
            **{"project": self.project, "name": name, "dir": self.folder, "mode": mode},
            **{"id": earlier, "resume": resume, "settings": quiet},
        )
        return str(self.run.id)

    def parameters(self, values: Mapping[str, Any]) -> None:
        """See ``Tracker``."""
        self.run.config.update(dict(values))

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """See ``Tracker``."""
        self.run.log(dict(values), step=step)

    def artifacts(self, paths: Sequence[Path]) -> None:
        """See ``Tracker``."""
        import wandb

        artifact = wandb.Artifact(f"run-{self.run.id}", "run")
        for path in paths:
            artifact.add_file(str(path))
        self.run.log_artifact(artifact)

    def end(self, how: Ending) -> None:
        """See ``Tracker``."""
        self.run.finish(exit_code=EXIT_CODES[how])


class Trackio:
    """Writes to ``<folder>/trackio``, for ``trackio show``, unless ``TRACKIO_DIR`` names another.

    Args:
        folder: Where to write.
        project: Name of the project.
    """

    def __init__(self, folder: Path, project: str) -> None:
        os.environ.setdefault("TRACKIO_DIR", str((folder / "trackio").resolve()))  # before import
        self.project = project

    def start(self, name: str, earlier: str | None = None) -> str:
        """See ``Tracker``."""
        import trackio

        quiet = {"auto_log_cpu": False, "auto_log_gpu": False, "embed": False}
        with redirect_stdout(None):  # advice about its dashboard
            if earlier is not None:
                with suppress(ValueError):  # it is not there: another folder, or deleted
                    self.run = trackio.init(self.project, earlier, resume="must", **quiet)
                    return earlier
            self.run = trackio.init(self.project, name, **quiet)
        return str(self.run.name)

    def parameters(self, values: Mapping[str, Any]) -> None:
        """See ``Tracker``."""
        self.run.config.update(values)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """See ``Tracker``."""
        self.run.log(dict(values), step=step)

    def artifacts(self, paths: Sequence[Path]) -> None:
        """See ``Tracker``."""
        import trackio

        artifact = trackio.Artifact(f"run-{self.run.id}", "run")
        for path in paths:
            artifact.add_file(str(path))
        self.run.log_artifact(artifact)

    def end(self, how: Ending) -> None:
        """See ``Tracker``; as Trackio's runs have no status, an alert says what went wrong."""
        import trackio

        with redirect_stdout(None):
            if how != "finished":
                self.run.alert(how)
            trackio.finish()


TRACKERS: dict[str, Callable[[Path, str], Tracker]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WeightsAndBiases,
    "trackio": Trackio,
}
# Packages that each needs; MLflow's small package comes without those of its database.
PACKAGES = {
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
    "wandb": ("wandb",),
    "trackio": ("trackio",),
}


def check_installed(kind: str, setting: str) -> None:
    """Refuses a kind of tracker whose packages are not installed.

    Args:
        kind: A key of ``TRACKERS``.
        setting: The setting that names it, for the message.

    Raises:
        InputError: A package is missing.
    """
    if missing := [name for name in PACKAGES[kind] if find_spec(name) is None]:
        raise InputError(
            f"{setting}={kind} needs the package {missing[0]}: pip install 'gammvae[{kind}]'"
        )


def tracker_of(kind: str, folder: Path, project: str) -> Tracker:
    """A tracker of a kind.

    Args:
        kind: A key of ``TRACKERS``, whose packages are installed.
        folder: Where to write; it is made.
        project: Under which name the tracker groups runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / LOCK):  # several runs at a time would create the same database
        return TRACKERS[kind](folder, project)
