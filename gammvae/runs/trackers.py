"""Experiment trackers: TensorBoard, MLflow and Weights & Biases behind one interface.

Unless the user's environment names a server, everything is written to files of this machine.
"""

import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from gammvae.errors import InputError

# Of an entry of MLflow: parameters at a time, and characters of a value.
MLFLOW_BATCH, MLFLOW_LENGTH = 100, 6000


class Tracker(Protocol):
    """A tracker of one run: its methods are called in this order, ``metrics`` once a step."""

    def start(self, name: str) -> None:
        """Begins a run.

        Args:
            name: What the tracker shows of it.
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

    def end(self, success: bool) -> None:
        """Ends the run as finished or as failed."""


class TensorBoard:
    """Writes events below ``<folder>/tensorboard``; it keeps no files, only their paths.

    Args:
        folder: Where to write.
        project: Name of the folder that groups runs.
    """

    def __init__(self, folder: Path, project: str) -> None:
        self.folder = folder / "tensorboard" / project

    def start(self, name: str) -> None:
        """See ``Tracker``."""
        from torch.utils.tensorboard import SummaryWriter

        self.writer: Any = SummaryWriter(str(self.folder / name.strip("/").replace("..", "_")))

    def parameters(self, values: Mapping[str, Any]) -> None:
        """See ``Tracker``."""
        lines = [f"    {name}: {value}" for name, value in values.items()]  # a block of Markdown
        self.writer.add_text("parameters", "\n".join(lines))

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """See ``Tracker``."""
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def artifacts(self, paths: Sequence[Path]) -> None:
        """See ``Tracker``."""
        self.writer.add_text("artifacts", "\n".join(f"    {path.resolve()}" for path in paths))

    def end(self, success: bool) -> None:
        """See ``Tracker``."""
        self.writer.add_text("status", "finished" if success else "failed")
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

    def start(self, name: str) -> None:
        """See ``Tracker``."""
        self.run = self.client.create_run(self.experiment, run_name=name).info.run_id

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

    def end(self, success: bool) -> None:
        """See ``Tracker``."""
        self.client.set_terminated(self.run, "FINISHED" if success else "FAILED")


class WeightsAndBiases:
    """Writes to ``<folder>/wandb``, for ``wandb sync``; with ``WANDB_MODE=online`` to the server.

    Args:
        folder: Where to write.
        project: Name of the project.
    """

    def __init__(self, folder: Path, project: str) -> None:
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        self.folder, self.project = folder, project

    def start(self, name: str) -> None:
        """See ``Tracker``."""
        import wandb

        # nothing about the machine's other files
        quiet = wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True)
        mode: Any = os.environ.get("WANDB_MODE", "offline")
        self.run = wandb.init(
            project=self.project, name=name, dir=self.folder, mode=mode, settings=quiet
        )

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

    def end(self, success: bool) -> None:
        """See ``Tracker``."""
        self.run.finish(exit_code=0 if success else 1)


TRACKERS: dict[str, Callable[[Path, str], Tracker]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WeightsAndBiases,
}
# Packages that each needs; MLflow's small package comes without those of its database.
PACKAGES = {
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
    "wandb": ("wandb",),
}


def tracker_of(kind: str, folder: Path, project: str) -> Tracker:
    """A tracker of a kind.

    Args:
        kind: A key of ``TRACKERS``.
        folder: Where to write; it is made.
        project: Under which name the tracker groups runs.

    Raises:
        InputError: Its packages are not installed.
    """
    if missing := [name for name in PACKAGES[kind] if find_spec(name) is None]:
        raise InputError(f"to={kind} needs the package {missing[0]}: pip install 'gammvae[{kind}]'")
    folder.mkdir(parents=True, exist_ok=True)
    return TRACKERS[kind](folder, project)
