"""The one training loop: stochastic gradient ascent on the ELBO, for pretraining and for SGVB."""

import logging
import math
import time
from collections.abc import Iterator
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from gammvae.data.samples import Samples
from gammvae.devices import random_state
from gammvae.errors import DivergenceError
from gammvae.evaluation.metrics import used_clusters
from gammvae.initialization.anchor import Held
from gammvae.model.vae import MixtureVAE
from gammvae.system.progress import Bar, part_bar
from gammvae.training.epochs import Epoch, Epochs, Stage
from gammvae.training.objective import TERMS, Totals
from gammvae.training.schedules import KL_SCHEDULES
from gammvae.training.together import send

log = logging.getLogger(__name__)

LOG_LINES = 20
# Figures of an epoch that say nothing unless the mixture is trained.
OF_MIXTURE = ("weights_entropy", "used_clusters", "assignment_entropy")


class Guide(Protocol):
    """Gives the values at which ``q(c|x)`` is held in every epoch, and may end a stage early."""

    @property
    def held(self) -> Held | None:
        """What is stored in the checkpoints."""

    @property
    def ended(self) -> bool:
        """Whether the stage ends with the epoch that ``look`` was told of last."""

    def __call__(self, epoch: int) -> Tensor | None:
        """The values for an epoch, counted from 0, on the device of the samples.

        Clusters ``(N,)`` or probabilities ``(N, K)``, or ``None`` for the best ``q(c|x)``.
        """

    def look(self, epoch: int) -> None:
        """Looks at the model after the last step of an epoch, if others may follow."""


def fit(
    model: MixtureVAE,
    x: Samples,
    stage: Stage,
    optimizer: Optimizer,
    first_epoch: int = 0,
    guide: Guide | None = None,
) -> Iterator[dict[str, Any]]:
    """Trains the model in place and yields one record of figures after every epoch.

    Args:
        model: Model on the device of ``x``.
        x: All samples, ``(N, F)``.
        stage: Settings of the stage, or of one of its parts.
        optimizer: Optimizer of the model's parameters, with their initial learning rates.
        first_epoch: Number of its epochs already done, if it is resumed.
        guide: Says where ``q(c|x)`` is held; it is the best one by default.

    Raises:
        DivergenceError: A term of the ELBO is not finite, or the weights after an epoch, or the
            model's outputs after the last one; nothing is yielded for that epoch.
    """
    steps = stage.steps_of(len(x))
    epochs = Epochs(model, x, stage, optimizer)
    whole, done = stage.all_epochs * steps, (stage.before + first_epoch) * steps
    with part_bar(stage.name, whole, "batch", done) as bar:
        for epoch in range(first_epoch, stage.epochs):
            began, done = time.perf_counter(), epoch * steps
            number = stage.before + epoch + 1
            labels = guide(epoch) if guide else None
            middle = (epoch + 0.5) / stage.epochs
            kl_weight = stage.kl_weight * KL_SCHEDULES[stage.kl_schedule](middle)
            rates = [
                stage.schedule.at(done + step, stage.epochs * steps, steps) for step in range(steps)
            ]
            send(Epoch(labels, kl_weight, rates, random_state(x.device), done))
            totals = epochs.run(labels, kl_weight, rates, bar, done)
            bad = totals.nonfinite_terms() or nonfinite_weights(model)  # waits for the device
            is_last = epoch + 1 == stage.epochs
            if guide and not bad and not is_last:
                guide.look(epoch)
                is_last = guide.ended
            if not bad and is_last:
                bad = nonfinite_outputs(model, x, stage.batch_size)
            if bad:
                raise DivergenceError(
                    f"{' and '.join(bad)} became non-finite in {stage.title}, epoch {number}; "
                    f"{advice(stage.precision)} may help"
                )
            record = {
                "stage": stage.name,
                "epoch": number,
                **figures(model, totals, stage.kl_weight),
                "kl_weight": kl_weight,
                "lr": optimizer.param_groups[0]["lr"],
                "steps": steps,
                "seconds": (seconds := time.perf_counter() - began),
                "samples_per_second": totals.n_samples / seconds,
            }
            if stage.layer is not None:
                record["layer"] = stage.layer
            report(record, stage, bar)
            yield record
            if is_last:
                return


def nonfinite_weights(model: MixtureVAE) -> list[str]:
    """Names of the parts of a model with non-finite weights, which the last step can cause."""
    if get_total_norm(model.parameters()).isfinite():  # one operation for all of them
        return []
    return [
        f"weights of the {name}"
        for name, part in model.named_children()
        if not torch.stack([weight.isfinite().all() for weight in part.parameters()]).all()
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


def report(record: dict[str, Any], stage: Stage, bar: Bar) -> None:
    """Shows an epoch's figures on the progress bar, and every few epochs in the log."""
    shown = [
        f"{name} {short(record[name])}" for name in (*TERMS, "elbo") if record[name] is not None
    ]
    bar.set_postfix_str(", ".join(shown), refresh=False)
    epoch = record["epoch"]
    epochs = stage.all_epochs
    if epoch == epochs or epoch % math.ceil(epochs / LOG_LINES) == 0:
        log.log(
            logging.INFO if bar.disable else logging.DEBUG,  # a terminal shows the bar
            "%s epoch %d/%d: %s, %.2f s an epoch",
            stage.title,
            epoch,
            epochs,
            ", ".join(shown),
            record["seconds"],
        )


def short(value: float) -> str:
    """A figure with two decimals, or with three digits if it is below one."""
    return f"{value:.3g}" if 0 < abs(value) < 1 else f"{value:.2f}"


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
