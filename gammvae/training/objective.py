"""The loss of a batch, and the figures that are summed over an epoch.

Notation: ``B`` batch, ``K`` clusters, ``F`` features of the data.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.distributions import Categorical, Independent
from torch.nn.functional import one_hot

from gammvae.model.vae import Draw, MixtureVAE
from gammvae.training.together import add_up, own

TERMS = ("reconstruction", "kl_z", "kl_c")


class Batch(NamedTuple):
    """What the loss of a batch is computed from.

    Attributes:
        samples: Samples that the decoder reconstructs, ``(B, F)``.
        view: Augmented samples for the encoder, ``(B, F)``, or ``None`` for the samples themselves.
        held: Clusters ``(B,)`` or probabilities ``(B, K)`` at which ``q(c|x)`` is held, or ``None``
            for the best one.
        kl_weight: Weight of both KL terms, a scalar tensor; ``None`` leaves them out.
        agreement: Weight of ``log q(c|view)`` of the held cluster.
        draw: Draws ``z`` from ``q(z|x)``.
    """

    samples: Tensor
    view: Tensor | None
    held: Tensor | None
    kl_weight: Tensor | None
    agreement: float
    draw: Draw = Independent.rsample

    def part(self, rows: slice) -> "Batch":
        """The batch of some of the rows."""
        view = None if self.view is None else self.view[rows]
        held = None if self.held is None else self.held[rows]
        return self._replace(samples=self.samples[rows], view=view, held=held)


class Outcome(NamedTuple):
    """The loss of a batch, and figures of it.

    Attributes:
        loss: The mean to minimize, ``()``.
        sums: Sums over the batch of ``TERMS`` and of the entropy of ``q(c|x)``, without gradients;
            only of the reconstruction, ``(1,)``, where the KL terms are left out.
        labels: The most probable clusters ``(B,)``, or ``None``.
    """

    loss: Tensor
    sums: Tensor
    labels: Tensor | None


Loss = Callable[[MixtureVAE, Batch], Outcome]


def batch_loss(model: MixtureVAE, batch: Batch) -> Outcome:
    """The negative ELBO of a batch, its mean over the samples in nats."""
    samples, view, given, kl_weight, agreement, draw = batch
    if kl_weight is None:
        reconstruction = model.reconstruction(samples, view, draw)
        return Outcome(-reconstruction.mean(), reconstruction.detach().sum()[None], None)
    q_c = None if given is None else held(given, len(model.prior.logits))
    elbo = model.elbo(samples, view, q_c, draw)
    objective = elbo.value(kl_weight)
    if given is not None and agreement:
        objective = objective + agreement * elbo.agreement
    with torch.no_grad():
        values = *(getattr(elbo, term) for term in TERMS), elbo.q_c.entropy()
        sums = torch.stack(values).sum(-1)
        labels = elbo.q_c.logits.argmax(-1)
    return Outcome(-objective.mean(), sums, labels)


def squared_error(model: MixtureVAE, batch: Batch) -> Outcome:
    """The loss of a plain autoencoder: the squared error, a mean over samples and features.

    Nothing is drawn: the decoder reads the mean of ``q(z|x)``. In the units of the data.
    """
    return of_errors(gaps(model, batch).square().mean(-1))


def scaled_error(model: MixtureVAE, batch: Batch) -> Outcome:
    """Like ``squared_error``, in the units of the networks."""
    return of_errors(in_units(model, gaps(model, batch)).square().mean(-1))


def gaps(model: MixtureVAE, batch: Batch) -> Tensor:
    """Differences between reconstructions and samples, ``(B, F)``, without a draw."""
    q_z = model.encoder(batch.samples if batch.view is None else batch.view)
    return cast(Tensor, model.decoder(q_z.mean).mean - batch.samples)


def in_units(model: MixtureVAE, gap: Tensor) -> Tensor:
    """Differences ``(B, F)`` in the units of the networks, from those in the units of the data."""
    return gap / cast(Any, model.encoder).units.scale


def of_errors(error: Tensor) -> Outcome:
    """The outcome of a batch whose loss is the mean of the samples' errors ``(B,)``."""
    return Outcome(error.mean(), -error.detach().sum()[None], None)


def held(labels: Tensor, n_clusters: int) -> Categorical:
    """``q(c|x)`` from labels ``(B,)``, as one-hot, or from probabilities ``(B, K)``."""
    probs = labels if labels.ndim == 2 else one_hot(labels, n_clusters).float()
    return Categorical(probs=probs, validate_args=False)


class Totals:
    """Figures of an epoch, kept on the device so that no step waits for the host.

    Args:
        n_samples: Number of samples of the epoch.
        n_steps: Number of steps of the epoch.
        n_clusters: ``K``.
        device: Device of the model.
    """

    def __init__(self, n_samples: int, n_steps: int, n_clusters: int, device: torch.device) -> None:
        self.n_samples, self.n_clusters = n_samples, n_clusters
        self.sums = torch.zeros(n_steps, len(TERMS) + 1, device=device)
        self.labels = torch.zeros(n_samples, dtype=torch.int64, device=device)
        self.steps = self.samples = 0

    def add(self, outcome: Outcome, size: int) -> None:
        """Adds the outcome of this process's rows of a batch of some size."""
        rows, fraction = own(size)
        if fraction:
            self.sums[self.steps, : len(outcome.sums)] = outcome.sums
            if outcome.labels is not None:
                self.labels[self.samples : self.samples + size][rows] = outcome.labels
        self.steps += 1
        self.samples += size

    def add_up(self) -> None:
        """Adds up the figures of all processes of the run."""
        add_up([self.sums])
        add_up([self.labels])

    def means(self) -> list[float]:
        """Means per sample of ``TERMS`` and of the entropy of ``q(c|x)``, in nats."""
        wide = self.sums.cpu().double()
        return (wide.sum(0) / self.n_samples).tolist()

    def counts(self) -> Tensor:
        """Number of samples of every cluster, ``(K,)``, on the CPU."""
        return torch.bincount(self.labels, minlength=self.n_clusters).cpu()

    def nonfinite_terms(self) -> list[str]:
        """Names of the terms that became non-finite first."""
        bad = ~self.sums[:, : len(TERMS)].isfinite().cpu()
        steps = [int(column.nonzero()[0]) if column.any() else math.inf for column in bad.T]
        first = min(steps)
        return [
            term
            for term, step in zip(TERMS, steps, strict=True)
            if step == first and math.isfinite(step)
        ]
