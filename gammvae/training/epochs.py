"""The steps of a stage: what an epoch of training does to the weights."""

import math
from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.optim import Optimizer

from gammvae.data.samples import Samples, batch_of
from gammvae.model.augmentation import Augmentation
from gammvae.model.vae import MixtureVAE
from gammvae.system.processes import count
from gammvae.system.progress import Bar
from gammvae.training.compilation import Compilation, CompiledLoss
from gammvae.training.copies import WeightCopies
from gammvae.training.objective import Batch, Loss, Outcome, Totals, batch_loss
from gammvae.training.recording import Rates, RecordedStep
from gammvae.training.schedules import LearningRate
from gammvae.training.together import drawn, own
from gammvae.training.updates import DROP_EVERY, CompiledAdam, Update, is_plain_adam


class Stage(NamedTuple):
    """Settings of a stage of training.

    Attributes:
        name: Name of the stage in logs, metrics and checkpoints.
        epochs: Number of epochs.
        batch_size: Samples per step.
        kl_weight: Weight of both KL terms in the ELBO; 0 trains an autoencoder.
        kl_schedule: Key of ``schedules.KL_SCHEDULES``: course of ``kl_weight`` over the stage.
        schedule: Course of the learning rate.
        clip_grad_norm: Maximum norm of the gradient, or ``None``.
        precision: Data type of the networks' arithmetic; the latent terms stay in float32.
        augment: Augmentation of the encoder's input, or ``None``.
        clean_where_free: Whether only epochs that hold ``q(c|x)`` are augmented. A free ``q(c|x)``
            is the ELBO's own optimum, which augmented samples would only blur.
        agreement: Weight of ``log q(c|view)`` of the held cluster, in epochs that hold ``q(c|x)``.
        loss: Computes the loss of a batch.
        compilation: What is compiled for the run, or ``None`` if the steps are not.
        recorded: Whether steps are recorded as a CUDA graph.
        steps: Number of steps of an epoch; ``None`` for a pass over the data.
        before: Number of epochs of the parts of the stage that come before this one.
        after: Number of epochs of those that come after.
        layer: Number of the encoder's layer that is trained with its mirror, from 1 at the samples;
            ``None`` for all layers.
    """

    name: str
    epochs: int
    batch_size: int
    kl_weight: float
    kl_schedule: str
    schedule: LearningRate
    clip_grad_norm: float | None
    precision: torch.dtype
    augment: Augmentation | None = None
    agreement: float = 0.0
    clean_where_free: bool = False
    loss: Loss = batch_loss
    compilation: Compilation | None = None
    recorded: bool = False
    steps: int | None = None
    before: int = 0
    after: int = 0
    layer: int | None = None

    @property
    def title(self) -> str:
        """Name of the stage, and of its part, in messages."""
        return self.name if self.layer is None else f"{self.name} (layer {self.layer})"

    @property
    def all_epochs(self) -> int:
        """Number of epochs of the whole stage."""
        return self.before + self.epochs + self.after

    def steps_of(self, n_samples: int) -> int:
        """Number of steps of an epoch, with so many samples in all."""
        return self.steps or math.ceil(n_samples / self.batch_size)


class Epoch(NamedTuple):
    """The order with which an epoch begins in the other processes of a run.

    Attributes:
        labels: See ``Epochs.run``, as are the next two.
        kl_weight: Weight of both KL terms.
        rates: Relative learning rates.
        random: Random state at the beginning.
        done: Number of steps before.
    """

    labels: Tensor | None
    kl_weight: float
    rates: Sequence[float]
    random: dict[str, Tensor]
    done: int


class Epochs:
    """Trains a model epoch by epoch, in all processes of a run together.

    Each process takes its own rows of every batch; the totals are those of all.

    Args:
        model: Model on the device of ``x``, trained in place.
        x: All samples, ``(N, F)``.
        stage: Settings of the stage.
        optimizer: Optimizer of the model's parameters, with their initial learning rates.
    """

    def __init__(self, model: MixtureVAE, x: Samples, stage: Stage, optimizer: Optimizer) -> None:
        self.model, self.x, self.stage, self.optimizer = model, x, stage, optimizer
        self.copies = WeightCopies(model, stage.precision)
        self.autocast = torch.autocast(
            x.device.type, stage.precision, enabled=stage.precision != torch.float32
        )
        self.loss, self.update = self.loss_and_update()
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self.rates = Rates(optimizer, x.device if stage.recorded else None)
        self.take = RecordedStep(self.step) if stage.recorded else self.step

    def run(
        self,
        labels: Tensor | None,
        kl_weight: float,
        rates: Iterable[float],
        bar: Bar,
        done: int = 0,
    ) -> Totals:
        """Trains for one epoch, on samples in random order.

        Args:
            labels: Clusters ``(N,)`` or probabilities ``(N, K)`` at which ``q(c|x)`` is held, or
                ``None``.
            kl_weight: Weight of both KL terms in this epoch.
            rates: Learning rate of every step relative to its initial value.
            bar: Progress bar, which counts the steps.
            done: Number of steps of the stage before this epoch.
        """
        device = self.x.device
        self.model.train()  # for layers of the user's own, such as dropout
        weight = torch.full((), kl_weight, device=device) if self.stage.kl_weight else None
        batches = self.batches()
        totals = Totals(sum(map(len, batches)), len(batches), len(self.model.prior.logits), device)
        with self.copies.in_place():
            for step, (index, factor) in enumerate(zip(batches, rates, strict=True), done + 1):
                self.rates.set(factor)
                held = None if labels is None else labels[index]
                totals.add(self.take(batch_of(self.x, index), held, weight), len(index))
                # other devices are as fast with subnormal numbers
                if device.type == "cpu" and step % DROP_EVERY == 0:
                    self.update.drop_tiny()
                bar.update()
        self.rates.as_numbers(factor)
        self.model.eval()
        totals.add_up()
        return totals

    def loss_and_update(self) -> tuple[Loss, Update]:
        """How the loss of a batch is computed, and how the weights change by its gradient."""
        stage, optimizer, compilation = self.stage, self.optimizer, self.stage.compilation
        weights = list(self.model.parameters())  # while the model has no copies
        plain = Update(optimizer, weights, self.copies, stage.clip_grad_norm)
        if compilation is None:
            return stage.loss, plain
        loss = CompiledLoss(min(stage.batch_size, len(self.x)), stage.loss, compilation)
        # without copies it saves no pass, and torch's own is faster
        saves = self.x.device.type == "cpu" and self.copies.copies and count() == 1
        if saves and stage.clip_grad_norm is None and is_plain_adam(optimizer):
            return loss, CompiledAdam(optimizer, weights, self.copies, compilation)
        return loss, plain

    def batches(self) -> list[Tensor]:
        """Indices of the samples of every step of an epoch: one pass after the other."""
        n_samples, size = len(self.x), self.stage.batch_size
        steps, of_a_pass = self.stage.steps_of(n_samples), math.ceil(n_samples / size)
        passes = (
            torch.randperm(n_samples, device=self.x.device).split(size)
            for _ in range(math.ceil(steps / of_a_pass))
        )
        return [batch for one in passes for batch in one][:steps]

    def step(self, samples: Tensor, held: Tensor | None, kl_weight: Tensor | None) -> Outcome:
        """Changes the weights by the gradient of one batch of samples ``(B, F)``.

        The outcome is that of the rows of this process.
        """
        stage, size, share = self.stage, len(samples), own(len(samples))
        clean = stage.augment is None or (held is None and stage.clean_where_free)
        view = None if clean else cast(Augmentation, stage.augment)(samples)
        batch = Batch(samples, view, held, kl_weight, stage.agreement)
        if count() > 1:
            batch = batch.part(share.rows)._replace(draw=partial(drawn, n=size))
        with self.autocast:
            outcome = self.loss(self.model, batch)
        self.optimizer.zero_grad()
        (outcome.loss * share.fraction if count() > 1 else outcome.loss).backward()
        self.update()
        with self.autocast:
            self.model.after_step(samples)
        return outcome
