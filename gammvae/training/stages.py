"""Training stages that resume where they were interrupted."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from torch.optim import Optimizer

from gammvae.config.schema import Config
from gammvae.config.sections import OptimizerConfig, StageConfig, TrainConfig
from gammvae.errors import InputError
from gammvae.initialization.anchor import Held
from gammvae.model.building import build_optimizer, number_of_epochs
from gammvae.runs.checkpoints import check_progress, held_of, load_checkpoint, save_checkpoint
from gammvae.system.processes import count
from gammvae.training.compilation import is_compiled
from gammvae.training.epochs import Stage
from gammvae.training.following import Training
from gammvae.training.loop import Guide, fit, warn_of_collapse
from gammvae.training.objective import Loss, batch_loss
from gammvae.training.recording import is_recorded
from gammvae.training.schedules import LearningRate
from gammvae.training.together import meet, send
from gammvae.training.workspace import Workspace

log = logging.getLogger(__name__)

# The next checkpoint is due after this many seconds, and after this many times the duration of the
# last one, so that saving takes at most 5 % of the time.
CHECKPOINT_SECONDS, CHECKPOINT_RATIO = 2.0, 20.0


class Guided(NamedTuple):
    """How ``q(c|x)`` is held in a stage.

    Attributes:
        begin: Makes the guide from the number of epochs and from what the checkpoint stored.
        agreement: See ``epochs.Stage``.
        steps: Number of steps of an epoch; ``None`` for a pass over the data.
    """

    begin: Callable[[int, Held | None], Guide]
    agreement: float = 0.0
    steps: int | None = None


class Part(NamedTuple):
    """A part of a stage, for which optimizer and learning rate begin anew.

    Attributes:
        epochs: Number of epochs.
        loss: Computes the loss of a batch.
        augment: Whether the encoder's input is augmented.
        kl_weight: Weight of both KL terms in the ELBO.
        layer: See ``epochs.Stage``.
    """

    epochs: int
    loss: Loss
    augment: bool
    kl_weight: float
    layer: int | None = None

    @classmethod
    def of(cls, config: StageConfig, steps: int, loss: Loss = batch_loss) -> "Part":
        """A whole stage, with epochs of a number of steps."""
        return cls(number_of_epochs(config, steps), loss, config.augment, config.kl_weight)


def train(
    work: Workspace,
    name: str,
    config: StageConfig,
    guided: Guided | None = None,
    parts: Sequence[Part] | None = None,
) -> Held | None:
    """Trains the model for one stage, with a checkpoint every few seconds.

    Args:
        work: Workspace of the run, whose model is trained in place.
        name: Name of the stage and its checkpoint.
        config: Settings of the stage.
        guided: How ``q(c|x)`` is held; not at all by default.
        parts: Parts of the stage, one after the other; by default one, which trains on the ELBO.

    Returns:
        What the guide stored last, or ``None`` without a guide.

    Raises:
        InputError: The checkpoint of the stage is damaged.
        DivergenceError: Training became non-finite.
    """
    optimizer = build_optimizer(optimizer_settings(work.config, config), work.model)
    parts = parts or [Part.of(config, steps_of(work, guided))]
    epochs = sum(part.epochs for part in parts)
    first_epoch, held, is_done = load(work, name, epochs, optimizer)
    guide = guided.begin(epochs, held) if guided else None
    if is_done:
        return held
    if first_epoch:
        log.info("%s goes on after epoch %d of %d", name, first_epoch, epochs)
    stages = planned(work, name, config, guided, parts, optimizer)
    used, saved, cost, done = work.config.n_clusters, time.perf_counter(), 0.0, first_epoch
    for record, present in trained(work, config, stages, optimizer, first_epoch, guide):
        is_last = record["epoch"] == epochs or (guide is not None and guide.ended)
        if name == "train":
            record |= work.scores(record["epoch"], is_last)
        work.directory.append_metrics(record)
        used = warn_of_collapse(record, work.config.n_clusters, used)
        held = guide.held if guide else held
        done, now = record["epoch"], time.perf_counter()
        # that the stage has ended is known only from its last checkpoint, without optimizer
        if not is_last and now - saved > max(CHECKPOINT_SECONDS, CHECKPOINT_RATIO * cost):
            save(work, name, done, present, held)
            saved, cost = (then := time.perf_counter()), then - now
    save(work, name, done, None, held)
    return held


def steps_of(work: Workspace, guided: Guided | None) -> int:
    """Number of steps of an epoch: those of the guide, or of a pass over the data."""
    return (guided.steps if guided else None) or work.steps_of_a_pass()


def planned(
    work: Workspace,
    name: str,
    config: StageConfig,
    guided: Guided | None,
    parts: Sequence[Part],
    optimizer: Optimizer,
) -> list[Stage]:
    """The settings with which the parts of a stage are trained; see ``train``.

    Args:
        work: Workspace of the run.
        name: Name of the stage.
        config: Settings of the stage.
        guided: How ``q(c|x)`` is held.
        parts: The parts.
        optimizer: An optimizer such as those of the parts.
    """
    settings, steps = optimizer_settings(work.config, config), steps_of(work, guided)
    epochs = [part.epochs for part in parts]
    return [
        Stage(
            name=name,
            epochs=part.epochs,
            batch_size=work.config.batch_size,
            kl_weight=part.kl_weight,
            kl_schedule=config.kl_schedule,
            schedule=LearningRate.of(settings),
            clip_grad_norm=settings.clip_grad_norm,
            precision=work.precision,
            augment=work.augment if part.augment else None,
            agreement=guided.agreement if guided else 0.0,
            clean_where_free=guided is not None,
            loss=part.loss,
            compilation=work.compilation if compiled(work, sum(epochs) * steps) else None,
            recorded=count() == 1 and is_recorded(work.config.compile, work.device, optimizer),
            steps=steps,
            before=sum(epochs[:place]),
            after=sum(epochs[place + 1 :]),
            layer=part.layer,
        )
        for place, part in enumerate(parts)
    ]


def trained(
    work: Workspace,
    config: StageConfig,
    stages: Sequence[Stage],
    optimizer: Optimizer,
    first_epoch: int,
    guide: Guide | None,
) -> Iterator[tuple[dict[str, Any], Optimizer]]:
    """Trains the parts of a stage, and yields the record of every epoch and the part's optimizer.

    Args:
        work: Workspace of the run, whose model is trained in place.
        config: Settings of the stage.
        stages: See ``planned``.
        optimizer: Optimizer of the part that goes on.
        first_epoch: Number of epochs of the stage that are done.
        guide: Says where ``q(c|x)`` is held.
    """
    for stage in stages:
        done = first_epoch - stage.before
        if done >= stage.epochs or not stage.epochs:
            continue
        if done <= 0 and stage.before:
            optimizer = build_optimizer(optimizer_settings(work.config, config), work.model)
        send(Training(work.model, optimizer, stage, work.digest))
        meet()
        for record in fit(work.model, work.x, stage, optimizer, max(done, 0), guide):
            yield record, optimizer


def optimizer_settings(config: Config, stage: StageConfig) -> OptimizerConfig:
    """The settings of a stage's optimizer: its own, or those for all stages."""
    own = stage.optimizer if isinstance(stage, TrainConfig) else None
    return own or config.optimizer


def compiled(work: Workspace, steps: int) -> bool:
    """Whether a stage of so many steps is to be compiled; see ``compilation``.

    Several processes exchange parameters in the middle of the loss, so it is not compiled there.
    """
    return count() == 1 and is_compiled(work.config.compile, work.device, steps)


class Progress(NamedTuple):
    """Progress of a stage: epochs done, and the labels at which ``q(c|x)`` was held.

    ``is_done`` is true after the last epoch, which a guide may have chosen.
    """

    epoch: int
    held: Held | None
    is_done: bool


def load(work: Workspace, stage: str, epochs: int, optimizer: Optimizer) -> Progress:
    """Loads the checkpoint of a stage: weights, optimizer, generators and metrics.

    Args:
        work: Workspace of the run, whose model receives the weights.
        stage: Name of the stage.
        epochs: Number of epochs of the stage.
        optimizer: Optimizer that receives its stored state.

    Raises:
        InputError: The checkpoint is damaged, or of another model or other data.
    """
    sizes, path = (len(work.x), work.config.n_clusters), work.directory / f"{stage}.pt"
    try:
        done = load_checkpoint(work.directory, stage, work.model, optimizer, work.digest)
        if done is None:
            work.directory.write_metrics("")
            return Progress(0, None, False)
        held = held_of(done, *sizes, path)
        check_progress(done, stage, epochs, path)
    except InputError as error:
        raise InputError(f"{error}; delete this file to restart the stage") from error
    if done.metrics is None:  # from a version that kept metrics only in their own file
        work.directory.drop_metrics(stage, done.epoch)
    else:
        work.directory.write_metrics(done.metrics)
    is_done = done.epoch > 0 and (done.epoch == epochs or done.optimizer is None)
    return Progress(done.epoch, held, is_done)


def save(
    work: Workspace, stage: str, epoch: int, optimizer: Optimizer | None, held: Held | None = None
) -> None:
    """Writes the checkpoint of a stage; see ``checkpoints.save_checkpoint``."""
    save_checkpoint(work.directory, stage, epoch, work.model, optimizer, work.digest, held)
