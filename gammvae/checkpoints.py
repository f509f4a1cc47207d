"""The state of a stage of training on disk. Nothing is ever unpickled but tensors."""

import zipfile
from pickle import UnpicklingError
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim import Optimizer

from gammvae.anchor import Held
from gammvae.devices import random_state, set_random_state
from gammvae.errors import InputError, first_line
from gammvae.runs import RunDirectory

FORMAT = "gammvae checkpoint 3"


class Checkpoint(NamedTuple):
    """Weights, optimizer and generators after ``epoch`` epochs of a stage on given samples."""

    epoch: int
    model: dict[str, Any]
    optimizer: dict[str, Any] | None
    random: dict[str, torch.Tensor]
    digest: str
    held: dict[str, Any] | None = None  # fields of Held, the labels as a tensor
    format: str = FORMAT


def save_checkpoint(
    directory: RunDirectory,
    stage: str,
    epoch: int,
    model: nn.Module,
    optimizer: Optimizer | None,
    digest: str,
    held: Held | None = None,
) -> None:
    """Writes ``<stage>.pt``.

    Args:
        directory: Where.
        stage: Name of the stage.
        epoch: Epochs done.
        model: Its weights are saved.
        optimizer: Its state is saved; ``None`` at the end of a stage, which needs it no more.
        digest: Digest of the dataset.
        held: Where ``q(c|x)`` is held, if it is.
    """
    device = next(model.parameters()).device
    checkpoint = Checkpoint(
        epoch,
        model.state_dict(),
        optimizer.state_dict() if optimizer else None,
        random_state(device),
        digest,
        held._asdict() | {"labels": torch.from_numpy(held.labels)} if held else None,
    )
    directory.write(f"{stage}.pt", lambda file: torch.save(checkpoint._asdict(), file))


def load_checkpoint(
    directory: RunDirectory,
    stage: str,
    model: nn.Module,
    optimizer: Optimizer | None,
    digest: str,
) -> Checkpoint | None:
    """Restores ``<stage>.pt`` into model, optimizer and generators, and returns it.

    Returns ``None``, and changes nothing, if there is no such file.

    Raises:
        InputError: The file is damaged, or belongs to another model or dataset.
    """
    path = directory / f"{stage}.pt"
    if not path.exists():
        return None
    device = next(model.parameters()).device
    try:
        with zipfile.ZipFile(path) as archive:
            if (damaged := archive.testzip()) is not None:  # torch does not check the sums
                raise InputError(f"{path} is damaged: {damaged} does not match its checksum")
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content.get("format") != FORMAT:
            raise InputError(f"{path} is foreign: its format is not {FORMAT!r}")
        checkpoint = Checkpoint(**content)
    except InputError:
        raise
    except (zipfile.BadZipFile, UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise InputError(f"{path} is damaged: {first_line(error)}") from error
    except (TypeError, AttributeError) as error:
        raise InputError(f"{path} is foreign: {first_line(error)}") from error
    if checkpoint.digest != digest:
        raise InputError(
            f"{path} was trained on other data: their digest is {checkpoint.digest[:12]}, "
            f"the dataset's is {digest[:12]}"
        )
    try:
        model.load_state_dict(checkpoint.model)
        if optimizer and checkpoint.optimizer:
            optimizer.load_state_dict(checkpoint.optimizer)
    except (RuntimeError, ValueError, KeyError) as error:
        raise InputError(f"{path} belongs to another model: {first_line(error)}") from error
    set_random_state(checkpoint.random, device)
    return checkpoint
