r"""DEC: self-training of an encoder, whose own sharpened soft assignments are the targets.

The soft assignment of a sample follows Student's t-distribution around each center,

.. math:: q_{ik} \propto (1 + \|z_i - \mu_k\|^2)^{-1}

and the targets are these assignments, sharpened and normalized by cluster size,

.. math:: p_{ik} \propto q_{ik}^2 / \textstyle\sum_j q_{jk}

Training minimizes :math:`\mathrm{KL}(p \| q)`. The targets are those of all samples, computed anew
after some steps, as in the paper, or those of each batch, as in ClustPy
(https://github.com/collinleiber/ClustPy).

References:
    Unsupervised deep embedding for clustering analysis (Xie et al., 2016),
    https://arxiv.org/abs/1511.06335

Notation: ``N`` samples, ``B`` batch, ``K`` clusters, ``D`` latent features, ``F`` features.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.distributions import Categorical, Independent

from gammvae.config.ranges import OF_BATCH
from gammvae.data.samples import Samples, in_order, subset
from gammvae.data.warned import warned_once
from gammvae.evaluation.assignments import Assigner, Assignments, assign, evaluate
from gammvae.initialization.anchor import Held
from gammvae.initialization.prior import posteriors
from gammvae.model.vae import ELBO, Draw, MixtureVAE, categorical_kl
from gammvae.training import stages
from gammvae.training.pretraining import pretrain
from gammvae.training.workspace import Workspace

log = logging.getLogger(__name__)

OPTIONS = ("starts",)
# Number of k-means starts, as in the authors' code.
STARTS = 20


class CenteredAutoencoder(MixtureVAE):
    """An autoencoder with cluster centers in latent space: the means of the prior's components.

    Weights and scales of the components are not used, nor is the width of ``q(z|x)``.

    Args:
        autoencoder: Pretrained autoencoder, whose parts are reused.
        reconstructs: Whether the decoder is trained as well.

    Attributes:
        targets_of_batch: Whether the targets are those of each batch.
    """

    has_bound = False
    targets_of_batch = False

    def __init__(self, autoencoder: MixtureVAE, *, reconstructs: bool) -> None:
        super().__init__(autoencoder.encoder, autoencoder.decoder, autoencoder.prior)
        self.reconstructs = reconstructs

    def assign(self, q_z: Independent) -> Categorical:
        """Soft assignments ``q``, ``(B, K)``, given ``q(z|x)`` with batch shape ``(B,)``.

        Distances are those of the encoder's output. With ``architecture.decoder_gain=1`` the
        decoder reads the same numbers, as in the paper.
        """
        distances = (q_z.mean[:, None] - self.prior().components.mean).square().sum(-1)
        return Categorical(logits=-distances.log1p(), validate_args=False)

    def elbo(
        self,
        x: Tensor,
        view: Tensor | None = None,
        q_c: Categorical | None = None,
        draw: Draw = Independent.rsample,
    ) -> ELBO:
        """The two terms of the objective, as fields of ``ELBO``; they do not form a bound.

        With targets of the batch, they are those of the samples, and both samples and views are
        trained toward them; both are reconstructed if the decoder is trained.

        Args:
            x: Samples, ``(B, F)``.
            view: Input of the encoder, ``(B, F)``; ``x`` itself by default.
            q_c: The targets ``p``; without them the divergence is zero, unless they are those of
                the batch.
            draw: Unused, because nothing is drawn.

        Returns:
            ``reconstruction``: the negative mean squared error over the features; ``kl_z``: the
            divergence ``KL(p || q)``; each ``(B,)``.
        """
        if self.targets_of_batch:
            return self._of_batch(x, view)
        q_z = self.encoder(x if view is None else view)
        q = self.assign(q_z)
        divergence = torch.zeros_like(x[:, 0]) if q_c is None else categorical_kl(q_c, q)
        return terms(self._error(q_z, x), divergence, q)

    def _of_batch(self, x: Tensor, view: Tensor | None) -> ELBO:
        rows = both(x, view)
        q_z = self.encoder(rows)
        q = self.assign(q_z)
        own = q.logits[: len(x)]
        p = sharpened(own.detach().softmax(-1)).repeat(len(rows) // len(x), 1)
        divergence = categorical_kl(Categorical(probs=p, validate_args=False), q)
        error, divergence = (
            per_sample(value, len(x)) for value in (self._error(q_z, rows), divergence)
        )
        return terms(error, divergence, Categorical(logits=own, validate_args=False))

    def _error(self, q_z: Independent, x: Tensor) -> Tensor:
        """Mean squared error over the features, ``(B,)``; zero if the decoder is not trained."""
        if not self.reconstructs:
            return torch.zeros_like(q_z.mean[:, 0])
        return (self.decoder(q_z.mean).mean - x).square().mean(-1)


def both(x: Tensor, view: Tensor | None) -> Tensor:
    """Samples ``(B, F)``, followed by their augmented views ``(B, F)`` if there are any."""
    return x if view is None else torch.cat([x, view])


def per_sample(values: Tensor, n: int) -> Tensor:
    """Means over samples and their views, ``(n,)``, from values as ``both`` orders them."""
    return values.view(-1, n).mean(0)


def terms(error: Tensor, divergence: Tensor, q_c: Categorical) -> ELBO:
    """The terms ``(B,)`` of an objective that is no bound: an error and a divergence."""
    nothing = torch.zeros_like(divergence)
    return ELBO(reconstruction=-error, kl_z=divergence, kl_c=nothing, agreement=nothing, q_c=q_c)


def sharpened(q: Tensor) -> Tensor:
    """The targets ``p`` of soft assignments ``q``, both ``(N, K)`` with rows summing to one."""
    weights = q**2 / q.sum(0)
    return weights / weights.sum(1, keepdim=True)


class Targets:
    """Computes the targets of an epoch from the model's soft assignments at its beginning.

    Args:
        model: The model in training.
        x: All samples, ``(N, F)``.
        tolerance: Training ends after an epoch in which a smaller share of the samples has changed
            cluster; ``None`` trains to the last epoch.
    """

    held: Held | None = None
    ended = False

    def __init__(self, model: MixtureVAE, x: Samples, tolerance: float | None = None) -> None:
        self.model, self.x, self.tolerance = model, x, tolerance
        self.next: Tensor | None = None  # soft assignments at the beginning of the next epoch

    def __call__(self, epoch: int) -> Tensor:
        """The targets ``(N, K)`` of an epoch."""
        q = self._assignments() if self.next is None else self.next
        self.next, self.labels = None, q.argmax(-1)
        return sharpened(q)

    def look(self, epoch: int) -> None:
        """Compares the clusters after an epoch with those at its beginning."""
        if self.tolerance is None:
            return
        self.next = self._assignments()
        changed = int((self.next.argmax(-1) != self.labels).sum())
        self.ended = changed < self.tolerance * len(self.labels)
        if self.ended:
            log.info(
                "train ends after epoch %d, in which %d of %d samples have changed cluster: fewer "
                "than train.tolerance=%g of them",
                *(epoch + 1, changed, len(self.labels), self.tolerance),
            )

    @torch.no_grad()
    def _assignments(self) -> Tensor:
        parts = [self.model.predict(chunk).probs for chunk in in_order(self.x, "targets")]
        return torch.cat(parts)


class SelfTraining:
    """Pretrains an autoencoder, finds centers by k-means in latent space, and self-trains.

    Args:
        work: Workspace of the run.
        centered: Adds the centers to the pretrained autoencoder.
    """

    def __init__(
        self, work: Workspace, centered: Callable[[MixtureVAE], CenteredAutoencoder]
    ) -> None:
        self.work, self.centered = work, centered

    def stages(self) -> Sequence[Callable[[], None]]:
        """The stages of the paper."""
        return self.pretrain, self.initialize, self.train

    def pretrain(self) -> None:
        """Trains the autoencoder."""
        pretrain(self.work)

    def initialize(self) -> None:
        """Initializes the centers by k-means on the embeddings."""
        work, config = self.work, self.work.config
        self._take_over()
        if (work.directory / "train.pt").exists():
            return
        began = time.perf_counter()
        chosen = subset(len(work.x), config.init.max_samples, config.seed)
        index = torch.from_numpy(chosen).to(work.device)
        code = posteriors(work.model, work.x, index).mean.cpu().numpy()
        kmeans = KMeans(
            config.n_clusters, n_init=config.model.starts or STARTS, random_state=config.seed
        )
        with threadpool_limits(limits=1), warned_once("init"):
            kmeans.fit(code)
        seconds = time.perf_counter() - began
        log.info("init: %d starts of k-means took %.1f s", kmeans.n_init, seconds)
        work.directory.append_metrics({"stage": "init", "epoch": 1, "seconds": seconds})
        sizes = torch.zeros(config.n_clusters)
        centers = torch.from_numpy(kmeans.cluster_centers_.astype(np.float32))
        work.model.prior.set_parameters(sizes, centers, torch.ones_like(centers))
        stages.save(work, "train", 0, None)

    def train(self) -> None:
        """Trains encoder and centers, with targets of each batch or of all samples in each epoch.

        An epoch has ``train.targets_every`` steps, or is a pass over the data.
        """
        work, config = self.work, self.work.config.train
        steps = config.targets_every
        if steps == OF_BATCH:
            stages.train(work, "train", config)
            return
        if steps and config.epochs is None and config.updates is not None:
            steps = min(steps, config.updates)
        targets = stages.Guided(
            lambda epochs, held: Targets(work.model, work.x, config.tolerance), steps=steps
        )
        stages.train(work, "train", config, targets)

    def restore(self) -> None:
        """Loads the trained weights."""
        self._take_over()
        self.work.restore("train")

    def assigner(self) -> Assigner:
        """Assigns samples by the model's assignments."""
        return partial(assign, self.work.model)

    def evaluate(self, keep: Callable[[Assignments], None]) -> dict[str, Any]:
        """Assigns by the model's assignments; there is no ELBO."""
        work = self.work
        return evaluate(work.model, work.x, work.classes, work.config.seed, keep)

    def _take_over(self) -> None:
        model = self.centered(self.work.model)
        model.targets_of_batch = self.work.config.train.targets_every == OF_BATCH
        self.work.model = model


def method(work: Workspace) -> SelfTraining:
    """DEC: the decoder is not trained after pretraining."""
    return SelfTraining(work, partial(CenteredAutoencoder, reconstructs=False))
