r"""DCN: an autoencoder whose code is drawn to the nearest of centers that follow as in k-means.

Training minimizes, over the networks,

.. math:: \|x_i - g(f(x_i))\|^2 + \frac{\lambda}{2} \min_k \|f(x_i) - m_k\|^2

The centers are not trained by this gradient. After each step of the networks, the codes of a batch
are assigned to their nearest centers, and each moves its center by the rate :math:`1 / c_k`, where
:math:`c_k` counts the codes of the center so far: a center is the running mean of its codes.

The counts begin at 100, as in the authors' code (https://github.com/boyangumn/DCN), so that the
first batches do not undo what k-means has found. A running mean becomes slower and slower; with a
fixed rate, the centers keep following. There, the networks' step takes the assignments of
the epoch before; here those by the present centers. Augmented views of samples, if there are any,
are reconstructed as well, and drawn to the centers of their samples.

References:
    Towards k-means-friendly spaces: simultaneous deep learning and clustering (Yang, Fu,
    Sidiropoulos and Hong, 2017), https://arxiv.org/abs/1610.04794, equations 5 to 9

Notation: ``B`` batch, ``K`` clusters, ``D`` latent features, ``F`` features of the data.
"""

from functools import partial

import torch
from torch import Tensor
from torch.distributions import Categorical, Independent

from gammvae.model.vae import ELBO, Draw, MixtureVAE
from gammvae.training import stages
from gammvae.training.methods.dec import (
    CenteredAutoencoder,
    SelfTraining,
    both,
    per_sample,
    terms,
)
from gammvae.training.objective import held
from gammvae.training.together import add_up, own
from gammvae.training.workspace import Workspace

OPTIONS = ("starts", "center_rate")
# Count of every center at the beginning.
FIRST_COUNT = 100.0


class FriendlyAutoencoder(CenteredAutoencoder):
    """An autoencoder and centers, which follow the codes after every step.

    Args:
        autoencoder: Pretrained autoencoder, whose parts are reused.
        rate: Share of the way, in [0, 1], that a step moves a center to the mean of its codes in
            the batch; ``None`` for the running mean.

    Attributes:
        counts: Number of codes that every center has followed, ``(K,)``.
    """

    counts: Tensor

    def __init__(self, autoencoder: MixtureVAE, rate: float | None = None) -> None:
        super().__init__(autoencoder, reconstructs=True)
        self.rate = rate
        self.prior.location.requires_grad_(False)
        self.register_buffer("counts", torch.full_like(self.prior.logits.detach(), FIRST_COUNT))

    def assign(self, q_z: Independent) -> Categorical:
        """The nearest center, with certainty: ``(B, K)``, given ``q(z|x)``."""
        return held(self.squares(q_z.mean).argmin(-1), len(self.counts))

    def squares(self, code: Tensor) -> Tensor:
        """Squared distances of codes ``(B, D)`` from the centers, ``(B, K)``.

        They are in the units of the decoder's input, which is the code of the paper.
        """
        read = self.prior.latents.read
        return (read(code)[:, None] - read(self.prior.location)).square().sum(-1)

    def elbo(
        self,
        x: Tensor,
        view: Tensor | None = None,
        q_c: Categorical | None = None,
        draw: Draw = Independent.rsample,
    ) -> ELBO:
        """The two terms of the objective, as fields of ``ELBO``; they do not form a bound.

        Args:
            x: Samples, ``(B, F)``.
            view: Augmented samples ``(B, F)``, which are trained beside the samples.
            q_c: Unused, because the nearest center is taken.
            draw: Unused, because nothing is drawn.

        Returns:
            ``reconstruction``: the negative squared error, summed over the features; ``kl_z``: half
            the squared distance from the nearest center; each ``(B,)``.
        """
        rows = both(x, view)
        q_z = self.encoder(rows)
        squares = self.squares(q_z.mean)
        label = squares[: len(x)].argmin(-1)
        nearest = squares.gather(1, label.repeat(len(rows) // len(x))[:, None])[:, 0]
        error = (self.decoder(q_z.mean).mean - rows).square().sum(-1)
        error, nearest = (per_sample(value, len(x)) for value in (error, nearest))
        return terms(error, nearest / 2, held(label, len(self.counts)))

    @torch.no_grad()
    def after_step(self, x: Tensor) -> None:
        """Moves the centers by the codes of a batch ``(B, F)``, all of which are assigned before.

        Each process of a run encodes its own rows.
        """
        rows, fraction = own(len(x))
        mode = self.encoder.training
        self.encoder.eval()  # codes without what layers do in training only
        q_z = self.encoder(x[rows])
        self.encoder.train(mode)
        assigned = self.assign(q_z).probs * (fraction > 0)  # (B, K)
        sizes, sums = assigned.sum(0), (assigned[:, :, None] * q_z.mean[:, None]).sum(0)
        add_up([sizes, sums])
        self.counts += sizes
        step = 1 / self.counts if self.rate is None else self.rate / sizes.clamp_min(1)
        gap = sums - sizes[:, None] * self.prior.location
        self.prior.location.add_(step[:, None] * gap)


class Alternating(SelfTraining):
    """Pretrains an autoencoder, finds centers by k-means, and trains both in turn.

    Args:
        work: Workspace of the run.
    """

    def __init__(self, work: Workspace) -> None:
        super().__init__(work, partial(FriendlyAutoencoder, rate=work.config.model.center_rate))

    def train(self) -> None:
        """Trains the networks, while the centers follow; there are no targets."""
        stages.train(self.work, "train", self.work.config.train)


method = Alternating
