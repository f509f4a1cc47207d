r"""DEC: an encoder that is pulled towards centers, with its own guesses as teacher.

The cluster of a sample is as likely as Student's t-distribution around its center says,

.. math:: q_{ik} \propto (1 + \|z_i - \mu_k\|^2)^{-1}

and the targets are the same guesses, sharpened and evened out,

.. math:: p_{ik} \propto q_{ik}^2 / \textstyle\sum_j q_{jk}

Training lowers :math:`\mathrm{KL}(p \| q)`.

References:
    Unsupervised deep embedding for clustering analysis (Xie et al., 2016),
    https://arxiv.org/abs/1511.06335

Letters: ``N`` samples, ``B`` batch, ``K`` clusters, ``D`` latent features, ``F`` features.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.distributions import Categorical, Independent, kl_divergence

from gammvae.data.samples import Samples, in_order, subset
from gammvae.data.warned import warned_once
from gammvae.evaluation.assignments import Assignments, evaluate
from gammvae.initialization.anchor import Held
from gammvae.initialization.prior import posteriors
from gammvae.model.vae import ELBO, MixtureVAE
from gammvae.training import stages
from gammvae.training.workspace import Workspace

OPTIONS = ()
# Starts of k-means, as in the authors' code.
STARTS = 20


class CenteredAutoencoder(MixtureVAE):
    """An autoencoder with centers in its code: the means of the prior's components.

    Weights and scales of the components are not used, nor is the width of ``q(z|x)``.

    Args:
        autoencoder: Pretrained; its parts are taken over.
        reconstructs: Whether the decoder is trained along.
    """

    has_bound = False

    def __init__(self, autoencoder: MixtureVAE, *, reconstructs: bool) -> None:
        super().__init__(autoencoder.encoder, autoencoder.decoder, autoencoder.prior)
        self.reconstructs = reconstructs

    def assign(self, q_z: Independent) -> Categorical:
        """``q``, ``(B, K)``, of codes with batch shape ``(B,)``."""
        distances = (q_z.mean[:, None] - self.prior().components.mean).square().sum(-1)
        return Categorical(logits=-distances.log1p(), validate_args=False)

    def elbo(self, x: Tensor, view: Tensor | None = None, q_c: Categorical | None = None) -> ELBO:
        """The two terms of the objective, in the places of the bound's; it is none itself.

        Args:
            x: Samples, ``(B, F)``.
            view: What the encoder sees, ``(B, F)``; ``x`` itself by default.
            q_c: The targets ``p``; without them nothing pulls.

        Returns:
            As ``reconstruction`` the negative mean squared error of the features, as ``kl_z`` the
            divergence ``KL(p || q)``, each ``(B,)``.
        """
        q_z = self.encoder(x if view is None else view)
        q = self.assign(q_z)
        nothing = q_z.mean.new_zeros(len(x))
        error = (
            (self.decoder(q_z.mean).mean - x).square().mean(-1) if self.reconstructs else nothing
        )
        return ELBO(
            reconstruction=-error,
            kl_z=nothing if q_c is None else kl_divergence(q_c, q),
            kl_c=nothing,
            agreement=nothing,
            q_c=q,
        )


def sharpened(q: Tensor) -> Tensor:
    """The targets ``p`` of guesses ``q``, both ``(N, K)`` with rows that sum to one."""
    weights = q**2 / q.sum(0)
    return weights / weights.sum(1, keepdim=True)


class Targets:
    """Gives every epoch the targets that the model's guesses at its beginning make.

    Args:
        model: In training.
        x: All samples, ``(N, F)``.
    """

    held: Held | None = None

    def __init__(self, model: MixtureVAE, x: Samples) -> None:
        self.model, self.x = model, x

    @torch.no_grad()
    def __call__(self, epoch: int) -> Tensor:
        """Targets ``(N, K)``."""
        parts = [self.model.predict(chunk).probs for chunk in in_order(self.x, "targets")]
        return sharpened(torch.cat(parts))


class SelfTraining:
    """Autoencoder, k-means on its code for the centers, training by the model's own guesses.

    Args:
        work: What the run is made with.
        reconstructs: Whether the decoder is trained along.
    """

    def __init__(self, work: Workspace, *, reconstructs: bool) -> None:
        self.work, self.reconstructs = work, reconstructs

    def stages(self) -> Sequence[Callable[[], None]]:
        """The stages of the paper."""
        return self.pretrain, self.initialize, self.train

    def pretrain(self) -> None:
        """Trains the autoencoder."""
        stages.pretrain(self.work)

    def initialize(self) -> None:
        """Puts the centers where k-means finds them."""
        work, config = self.work, self.work.config
        self._take_over()
        if (work.directory / "train.pt").exists():
            return
        chosen = subset(len(work.x), config.init.max_samples, config.seed)
        index = torch.from_numpy(chosen).to(work.device)
        code = posteriors(work.model, work.x, index).mean.cpu().numpy()
        kmeans = KMeans(config.n_clusters, n_init=STARTS, random_state=config.seed)
        with threadpool_limits(limits=1), warned_once("init"):
            kmeans.fit(code)
        sizes = torch.zeros(config.n_clusters)
        centers = torch.from_numpy(kmeans.cluster_centers_.astype(np.float32))
        work.model.prior.assign(sizes, centers, torch.ones_like(centers))
        stages.save(work, "train", 0, None)

    def train(self) -> None:
        """Trains encoder and centers, with targets that are renewed every epoch."""
        targets = stages.Guided(lambda epochs, held: Targets(self.work.model, self.work.x))
        stages.train(self.work, "train", self.work.config.train, targets)

    def restore(self) -> None:
        """Takes the trained weights."""
        self._take_over()
        self.work.restore("train")

    def evaluate(self, keep: Callable[[Assignments], None]) -> dict[str, Any]:
        """Assigns by the guesses ``q``; there is no ELBO."""
        work = self.work
        return evaluate(work.model, work.x, work.classes, work.config.seed, keep)

    def _take_over(self) -> None:
        self.work.model = CenteredAutoencoder(self.work.model, reconstructs=self.reconstructs)


def method(work: Workspace) -> SelfTraining:
    """DEC: the decoder is left behind after pretraining."""
    return SelfTraining(work, reconstructs=False)
