"""Checkpoints of a stage of training. Only tensors are ever unpickled."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gammvae.devices import random_state, set_random_state
from gammvae.errors import InputError, first_line, reading
from gammvae.initialization.anchor import Held
from gammvae.runs.directory import RunDirectory
from gammvae.runs.parsing import parse_lines
from gammvae.runs.readers import check_ordinary, check_unpacked

FORMAT = "gammvae checkpoint 4"
# The parameters of the mixture, which are zero until it is fitted.
PRIOR = ("prior.logits", "prior.location", "prior.log_scale")


class Checkpoint(NamedTuple):
    """State of a stage after ``epoch`` epochs: weights, optimizer, random generators, metrics."""

    epoch: int
    model: dict[str, Any]
    optimizer: dict[str, Any] | None
    random: dict[str, torch.Tensor]
    digest: str
    held: dict[str, Any] | None = None  # fields of Held, with the labels as a tensor
    format: str = FORMAT
    metrics: str | None = None  # content of metrics.jsonl so far


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
        directory: Directory of the run, whose metrics are stored in the checkpoint as well.
        stage: Name of the stage.
        epoch: Number of epochs done.
        model: Model whose weights are saved.
        optimizer: Optimizer whose state is saved; ``None`` at the end of a stage.
        digest: Digest of the dataset.
        held: Partition at which ``q(c|x)`` is held, or ``None``.
    """
    device = next(model.parameters()).device
    checkpoint = Checkpoint(
        epoch,
        model.state_dict(),
        optimizer.state_dict() if optimizer else None,
        random_state(device),
        digest,
        held._asdict() | {"labels": torch.from_numpy(held.labels)} if held else None,
        metrics=directory.metrics_text(),
    )
    directory.write(f"{stage}.pt", lambda file: torch.save(checkpoint._asdict(), file))


def read_checkpoint(path: Path) -> Checkpoint:
    """Reads and checks a checkpoint.

    Raises:
        InputError: The file is damaged, or was not written by gammvae.
    """
    with reading(path):
        check_ordinary(path)
        check_unpacked(path)  # torch does not verify the checksums
        content = torch.load(path, map_location="cpu", weights_only=True)
        found = content.get("format") if isinstance(content, dict) else None
        if str(found).startswith(FORMAT[:-1]) and found != FORMAT:
            raise InputError(
                f"{path} is of another version of gammvae: its format is {found!r}, not "
                f"{FORMAT!r}; overwrite=true trains the run again"
            )
        if found != FORMAT:
            raise InputError(f"{path} is foreign: its format is not {FORMAT!r}")
        unknown = content.keys() - set(Checkpoint._fields)
        lacking = set(Checkpoint._fields) - Checkpoint._field_defaults.keys() - content.keys()
        if unknown or lacking:
            one, what = (min(lacking), "no") if lacking else (min(map(str, unknown)), "a")
            raise InputError(f"{path} is foreign: it has {what} part {one!r}")
        checkpoint = Checkpoint(**content)
        check(checkpoint, path)
        return checkpoint


def check(checkpoint: Checkpoint, path: Path) -> None:
    """Refuses a checkpoint whose parts have the wrong type or are out of range.

    Raises:
        InputError: A part is invalid; the message names the file and the part.
    """
    epoch, held = checkpoint.epoch, checkpoint.held
    tensors = {**tensors_of(checkpoint.model), **tensors_of(checkpoint.random)}
    good = {
        "epoch": type(epoch) is int and epoch >= 0,
        "model": isinstance(checkpoint.model, dict) and bool(checkpoint.model),
        "random": isinstance(checkpoint.random, dict) and "cpu" in checkpoint.random,
        "optimizer": checkpoint.optimizer is None or isinstance(checkpoint.optimizer, dict),
        "digest": isinstance(checkpoint.digest, str),
        "metrics": checkpoint.metrics is None or isinstance(checkpoint.metrics, str),
        "held": held is None or (isinstance(held, dict) and set(held) == set(Held._fields)),
    }
    good["tensors"] = len(tensors) == len(checkpoint.model) + len(checkpoint.random)
    if bad := [name for name, holds in good.items() if not holds]:
        raise InputError(f"{path} is damaged: its part {bad[0]!r} is invalid")


def tensors_of(part: object) -> dict[str, Tensor]:
    """The dense, unquantized tensors in one part of a checkpoint, by name."""
    if not isinstance(part, Mapping):
        return {}
    return {
        name: value
        for name, value in part.items()
        if isinstance(value, Tensor) and value.layout == torch.strided and not value.is_quantized
    }


def load_checkpoint(
    directory: RunDirectory,
    stage: str,
    model: nn.Module,
    optimizer: Optimizer | None,
    digest: str,
) -> Checkpoint | None:
    """Restores model, optimizer and random generators from ``<stage>.pt``, and returns it.

    If the file does not exist, returns ``None`` and changes nothing.

    Raises:
        InputError: The file is damaged, or belongs to another model or dataset.
    """
    path = directory / f"{stage}.pt"
    if not path.exists():
        return None
    checkpoint = read_checkpoint(path)
    if checkpoint.digest != digest:
        raise InputError(
            f"{path} was trained on other data: the digest there is {checkpoint.digest[:12]}, "
            f"that of the dataset is {digest[:12]}"
        )
    try:
        stored = with_own_prior(checkpoint.model, model.state_dict())
        check_alike(stored, model.state_dict())
        model.load_state_dict(stored)
        if optimizer and checkpoint.optimizer is not None:
            check_optimizer(checkpoint.optimizer, after_a_step(optimizer))
            optimizer.load_state_dict(checkpoint.optimizer)
    except Exception as error:  # torch does not document the types of these errors
        raise InputError(f"{path} belongs to another model: {first_line(error)}") from error
    with reading(path):
        set_random_state(checkpoint.random, next(model.parameters()).device)
    return checkpoint


def with_own_prior(stored: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """The stored weights, with components of the model's own in place of untrained ones.

    A pretrained autoencoder does not depend on the number of clusters, and serves models with any.

    Args:
        stored: Weights by name.
        own: Those of the untrained model that receives them.
    """
    tensors = tensors_of(stored)
    untrained = all(name in tensors and not tensors[name].any() for name in PRIOR)
    return {**stored, **{name: own[name] for name in PRIOR}} if untrained else stored


def after_a_step(optimizer: Optimizer) -> dict[str, Any]:
    """The state that an optimizer would have after a step, without taking the step."""
    other = copy.deepcopy(optimizer)
    for group in other.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    other.step()
    return other.state_dict()


def check_optimizer(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Refuses the state of another optimizer; learning rates may be lower than the initial ones.

    Args:
        found: Stored state.
        expected: State of the present optimizer after a step.

    Raises:
        ValueError: Settings, learning rates, parameters or number of steps do not match.
    """
    for group, other in zip(found["param_groups"], expected["param_groups"], strict=True):
        if {**group, "lr": 0, "initial_lr": 0} != {**other, "lr": 0, "initial_lr": 0}:
            raise ValueError("the optimizer has other settings")
        rate = group["lr"]  # initial_lr is missing before the first step
        if group.get("initial_lr", rate) != other["lr"] or not 0 <= rate <= other["lr"]:
            raise ValueError("the optimizer has other learning rates")
    if not expected["state"].keys() >= found["state"].keys() or (
        expected["state"] and not found["state"]
    ):
        raise ValueError("the state of the optimizer belongs to other parameters")
    for index, state in found["state"].items():
        check_alike(state, expected["state"][index])
        if float(state.get("step", 0)) < 0:
            raise ValueError("the optimizer has taken a negative number of steps")


def check_alike(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Refuses tensors with other names, shapes or types, or with non-finite values.

    Raises:
        ValueError: A tensor does not match or is not finite.
    """
    if different := sorted(map(str, found.keys() ^ expected.keys())):
        raise ValueError(f"{different[0]} is in only one of the two")
    for name, other in expected.items():
        value = found[name]
        if type(value) is not type(other):
            raise ValueError(f"{name} has another type")
        if not isinstance(value, Tensor):
            continue
        if (value.shape, value.dtype) != (other.shape, other.dtype):
            raise ValueError(f"{name} has shape {tuple(value.shape)} and type {value.dtype}")
        if not value.isfinite().all():
            raise ValueError(f"{name} holds a value that is not finite")


def check_progress(checkpoint: Checkpoint, stage: str, epochs: int, path: Path) -> None:
    """Refuses a checkpoint with more epochs than its stage, or without metrics of every epoch.

    Args:
        checkpoint: Checkpoint of the stage.
        stage: Name of the stage.
        epochs: Number of epochs of the stage.
        path: Path of the checkpoint, for messages.

    Raises:
        InputError: Epochs or metrics do not match.
    """
    if checkpoint.epoch > epochs:
        raise InputError(
            f"{path} is damaged: it is from epoch {checkpoint.epoch}, the stage has {epochs}"
        )
    if checkpoint.metrics is not None:
        records = parse_lines(checkpoint.metrics.encode(), path)
        known = [record["epoch"] for record in records if record["stage"] == stage]
        if known != list(range(1, checkpoint.epoch + 1)):
            raise InputError(
                f"{path} is damaged: it is from epoch {checkpoint.epoch}, but has metrics of "
                f"{len(known)} epochs"
            )


def held_of(checkpoint: Checkpoint, n_samples: int, n_clusters: int, path: Path) -> Held | None:
    """The partition at which ``q(c|x)`` was held, or ``None`` if it was not.

    Args:
        checkpoint: Checkpoint that stores the partition.
        n_samples: Number of samples ``N``.
        n_clusters: Number of clusters ``K``.
        path: Path of the checkpoint, for messages.

    Raises:
        InputError: The labels are not a partition of ``N`` samples into ``K`` clusters, or the
            graph's settings are invalid.
    """
    if checkpoint.held is None:
        return None
    with reading(path):
        labels = np.asarray(checkpoint.held["labels"])
        held = Held(**checkpoint.held | {"labels": labels})
        right = labels.shape == (n_samples,) and labels.dtype.kind == "i"
        if not right or labels.min() < 0 or labels.max() >= n_clusters:
            raise InputError(f"{path} is damaged: it has no partition into {n_clusters} clusters")
        if held.elbo is not None and not (type(held.elbo) is float and np.isfinite(held.elbo)):
            raise InputError(f"{path} is damaged: its ELBO {held.elbo} is not a finite number")
        if not (held.n_neighbors >= 1 and 0 < held.resolution < np.inf):
            raise InputError(f"{path} is damaged: it has no graph for renewing the partition")
        return held
