"""The one training loop: stochastic gradient ascent on the ELBO, for pretraining and for SGVB."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

from gammvae.data.samples import Samples
from gammvae.errors import DivergenceError
from gammvae.evaluation.metrics import used_clusters
from gammvae.model.augmentation import Augmentation
from gammvae.model.vae import MixtureVAE
from gammvae.training.copies import WeightCopies
from gammvae.training.objective import TERMS, Batch, Loss, Outcome, Totals, batch_loss
from gammvae.training.schedules import KL_SCHEDULES, rate

log = logging.getLogger(__name__)

LOG_LINES = 20
# Figures of an epoch that say nothing unless the mixture is trained.
OF_MIXTURE = ("weights_entropy", "used_clusters", "assignment_entropy")


class Stage(NamedTuple):
    """Settings of one call of ``fit``.

    Attributes:
        name: Name of the stage in logs, metrics and checkpoints.
        epochs: Passes over the data.
        batch_size: Samples per step.
        kl_weight: Weight of both KL terms in the ELBO; 0 trains an autoencoder.
        kl_schedule: Key of ``schedules.KL_SCHEDULES``: course of ``kl_weight`` over the stage.
        schedule: Key of ``schedules.SCHEDULES``: course of the learning rate.
        clip_grad_norm: Maximum norm of the gradient, or ``None``.
        precision: Data type of the networks' arithmetic; the latent terms stay in float32.
        augment: Augmentation of the encoder's input, or ``None``.
        agreement: Weight of ``log q(c|view)`` of the held cluster, in epochs that hold ``q(c|x)``.
        loss: Computes the loss of a batch.
    """

    name: str
    epochs: int
    batch_size: int
    kl_weight: float
    kl_schedule: str
    schedule: str
    clip_grad_norm: float | None
    precision: torch.dtype
    augment: Augmentation | None = None
    agreement: float = 0.0
    loss: Loss = batch_loss


def fit(
    model: MixtureVAE,
    x: Samples,
    stage: Stage,
    optimizer: Optimizer,
    first_epoch: int = 0,
    guide: Callable[[int], Tensor | None] | None = None,
) -> Iterator[dict[str, Any]]:
    """Trains the model in place and yields one record of figures after every epoch.

    Args:
        model: Model on the device of ``x``.
        x: All samples, ``(N, F)``.
        stage: Settings of the stage.
        optimizer: Optimizer of the model's parameters, with their initial learning rates.
        first_epoch: Number of epochs already done, if a stage is resumed.
        guide: Function of the epoch (from 0) that returns clusters ``(N,)`` or probabilities
            ``(N, K)`` to hold ``q(c|x)`` at, on the device of ``x``, or ``None`` for the best one.

    Raises:
        DivergenceError: A term of the ELBO is not finite, or the weights after an epoch, or the
            model's outputs after the last one; nothing is yielded for that epoch.
    """
    steps = math.ceil(len(x) / stage.batch_size)
    epochs = Epochs(model, x, stage, optimizer)
    with tqdm(
        total=stage.epochs * steps,
        initial=first_epoch * steps,
        desc=stage.name,
        unit="batch",
        disable=None,
    ) as bar:
        for epoch in range(first_epoch, stage.epochs):
            began = time.perf_counter()
            labels = guide(epoch) if guide else None
            middle = (epoch + 0.5) / stage.epochs
            kl_weight = stage.kl_weight * KL_SCHEDULES[stage.kl_schedule](middle)
            rates = (
                rate(stage.schedule, epoch * steps + step, stage.epochs * steps)
                for step in range(steps)
            )
            totals = epochs.run(labels, kl_weight, rates, bar)
            bad = totals.nonfinite_terms() or nonfinite_weights(model)  # waits for the device
            if not bad and epoch + 1 == stage.epochs:
                bad = nonfinite_outputs(model, x, stage.batch_size)
            if bad:
                raise DivergenceError(
                    f"{' and '.join(bad)} became non-finite in {stage.name}, epoch {epoch + 1}; "
                    f"{advice(stage.precision)} may help"
                )
            record = {
                "stage": stage.name,
                "epoch": epoch + 1,
                **figures(model, totals, stage.kl_weight),
                "kl_weight": kl_weight,
                "lr": optimizer.param_groups[0]["lr"],
                "seconds": (seconds := time.perf_counter() - began),
                "samples_per_second": len(x) / seconds,
            }
            report(record, stage, bar)
            yield record


@torch.no_grad()
def nonfinite_weights(model: MixtureVAE) -> list[str]:
    """Names of the parts of a model with non-finite weights, which the last step can cause.

    Sums show them, in a tenth of the time that it takes to look at every weight.
    """
    return [
        f"weights of the {name}"
        for name, part in model.named_children()
        if not torch.stack([weight.sum() for weight in part.parameters()]).isfinite().all()
    ]


@torch.no_grad()
def nonfinite_outputs(model: MixtureVAE, x: Samples, size: int) -> list[str]:
    """Names of a model's non-finite outputs for the first samples, although its weights are finite.

    The next stage starts from these outputs. Weights may be so large that products overflow.

    Args:
        model: The model, evaluated in float32 as at the start of the next stage.
        x: All samples ``(N, F)``.
        size: Number of samples to check.
    """
    some = x[torch.arange(min(size, len(x)), device=x.device)]
    code = model.encoder(some).mean
    outcomes = {
        "embedding": code,
        "features": model.features(some),
        "q(c|x)": model.predict(some).probs,
        "reconstruction": model.decoder(code).log_prob(some),
    }
    return [name for name, values in outcomes.items() if not values.isfinite().all()]


def advice(precision: torch.dtype) -> str:
    """What to try if training became non-finite."""
    others = "a lower optimizer.lr or optimizer.clip_grad_norm"
    return others if precision == torch.float32 else f"precision=float32, or {others},"


class Epochs:
    """Trains a model epoch by epoch.

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
        # while the model has no copies
        self.weights = list(model.parameters())
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", group["lr"])

    def run(
        self, labels: Tensor | None, kl_weight: float, rates: Iterable[float], bar: tqdm
    ) -> Totals:
        """Trains one pass over the data in random order.

        Args:
            labels: Clusters ``(N,)`` or probabilities ``(N, K)`` at which ``q(c|x)`` is held, or
                ``None``.
            kl_weight: Weight of both KL terms in this epoch.
            rates: Learning rate of every step relative to its initial value.
            bar: Progress bar, which counts the steps.
        """
        device = self.x.device
        weight = torch.tensor(kl_weight, device=device) if self.stage.kl_weight else None
        batches = torch.randperm(len(self.x), device=device).split(self.stage.batch_size)
        totals = Totals(len(self.x), len(batches), len(self.model.prior.logits), device)
        with self.copies:
            for index, factor in zip(batches, rates, strict=True):
                for group in self.optimizer.param_groups:
                    group["lr"] = group["initial_lr"] * factor
                held = None if labels is None else labels[index]
                totals.add(self.step(self.x[index], held, weight), len(index))
                bar.update()
        return totals

    def step(self, samples: Tensor, held: Tensor | None, kl_weight: Tensor | None) -> Outcome:
        """Changes the weights by the gradient of one batch of samples ``(B, F)``."""
        stage = self.stage
        view = None if stage.augment is None else stage.augment(samples)
        batch = Batch(samples, view, held, kl_weight, stage.agreement)
        with self.autocast:
            outcome = stage.loss(self.model, batch)
        self.optimizer.zero_grad()
        outcome.loss.backward()
        self.copies.take_gradients()
        if stage.clip_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.weights, stage.clip_grad_norm)
        self.optimizer.step()
        self.copies.refresh()
        return outcome


def figures(model: MixtureVAE, totals: Totals, kl_weight: float) -> dict[str, float | None]:
    """The epoch's means in nats per sample; figures of the mixture only if it is trained."""
    *terms, q_c_entropy = totals.means()
    record: dict[str, float | None] = dict(zip(TERMS, terms, strict=True))
    record |= dict.fromkeys(("elbo", *OF_MIXTURE))
    if kl_weight == 0:  # the mixture is not initialized yet, figures about it would mislead
        return record | dict.fromkeys(TERMS[1:])
    if model.has_bound:
        record["elbo"] = terms[0] - terms[1] - terms[2]
    if model.prior.logits.requires_grad:  # otherwise the components stay identical
        with torch.no_grad():
            weights_entropy = model.prior().weights.entropy().item()
        used = used_clusters(totals.counts().numpy())
        record |= zip(OF_MIXTURE, (weights_entropy, used, q_c_entropy), strict=True)
    return record


def report(record: dict[str, Any], stage: Stage, bar: tqdm) -> None:
    """Shows an epoch's figures on the progress bar, and every few epochs in the log."""
    shown = [f"{name} {record[name]:.2f}" for name in (*TERMS, "elbo") if record[name] is not None]
    bar.set_postfix_str(", ".join(shown), refresh=False)
    epoch = record["epoch"]
    if epoch == stage.epochs or epoch % math.ceil(stage.epochs / LOG_LINES) == 0:
        log.log(
            logging.INFO if bar.disable else logging.DEBUG,  # a terminal shows the bar
            "%s epoch %d/%d: %s, %.2f s an epoch",
            stage.name,
            epoch,
            stage.epochs,
            ", ".join(shown),
            record["seconds"],
        )


def warn_of_collapse(record: dict[str, Any], n_clusters: int, before: int) -> int:
    """Logs a warning if fewer clusters are in use than before; returns how many are."""
    used = record["used_clusters"]
    if used is None:
        return before
    if used < before:
        log.warning(
            "%s epoch %d: %d of %d clusters hold under 1 %% of their fair share of the samples",
            record["stage"],
            record["epoch"],
            n_clusters - used,
            n_clusters,
        )
    return used
