"""Sends figures of training to external viewers such as TensorBoard."""

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gammvae.errors import InputError

Track = Callable[[Mapping[str, Any]], None]


def check_tracking(kind: str) -> None:
    """Refuses a kind of tracking whose package is not installed.

    Raises:
        InputError: The package is not installed.
    """
    if kind == "tensorboard":
        try:
            importlib.import_module("torch.utils.tensorboard")
        except ImportError as error:
            raise InputError(
                "tracking=tensorboard needs the package tensorboard: "
                "pip install 'gammvae[tensorboard]'"
            ) from error


@contextmanager
def tracking(kind: str, folder: Path, stage: str, first_epoch: int) -> Iterator[Track]:
    """Yields a function that logs the record of an epoch of a stage.

    Args:
        kind: ``none`` or ``tensorboard``.
        folder: Directory of the run; events are written to ``tensorboard/<stage>`` in it.
        stage: Name of the stage.
        first_epoch: Number of epochs already done; events of later epochs are discarded.
    """
    if kind == "none":
        yield lambda record: None
        return
    module = importlib.import_module("torch.utils.tensorboard")
    where = str(folder / "tensorboard" / stage)
    with module.SummaryWriter(where, purge_step=first_epoch + 1) as writer:

        def track(record: Mapping[str, Any]) -> None:
            for name, value in record.items():
                if name not in ("stage", "epoch") and value is not None:
                    writer.add_scalar(name, value, record["epoch"])

        yield track
