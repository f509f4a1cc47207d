"""The generative model and its ELBO.

    c ~ Categorical(pi)        z | c ~ LogGamma(mu_c, sigma_c)  or  Normal(mu_c, sigma_c)
    x | z ~ decoder(z)         q(z | x) = encoder(x)

``z`` is the coordinate that the decoder reads; in the Gamma family, the logarithm of a Gamma
variable.

Notation: ``B`` batch, ``K`` clusters, ``D`` latent features, ``F`` features of the data.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Independent
from torch.nn.functional import normalize

from gammvae.model.distributions import Mixture, pairwise_kl
from gammvae.model.latents import Latents

# Draws (B, D) from distributions with batch shape (B,) and event shape (D,).
Draw = Callable[[Independent], Tensor]


class MixturePrior(nn.Module):
    """``K`` components with trainable log-weights, locations and log-scales.

    Args:
        n_clusters: ``K``.
        latents: The latent features.
    """

    def __init__(self, n_clusters: int, latents: Latents) -> None:
        super().__init__()
        shape = n_clusters, len(latents.center)
        self.logits = nn.Parameter(torch.zeros(n_clusters))
        self.location = nn.Parameter(torch.zeros(shape))
        self.log_scale = nn.Parameter(torch.zeros(shape))
        self.latents = latents

    def forward(self) -> Mixture:
        """The mixture ``p(c) p(z|c)``."""
        return Mixture(self.logits, self.latents.component(self.location, self.log_scale))

    @torch.no_grad()
    def set_parameters(self, log_weights: Tensor, location: Tensor, scale: Tensor) -> None:
        """Overwrites the parameters: ``(K,)``, ``(K, D)``, ``(K, D)``."""
        self.logits.copy_(log_weights)
        self.location.copy_(location)
        self.log_scale.copy_(self.latents.log_scale_for(scale))


class ELBO(NamedTuple):
    """The terms of the evidence lower bound in nats, each ``(B,)``, and ``q(c|x)``.

    Attributes:
        reconstruction: ``E_q log p(x|z)``, estimated from one draw of ``z``.
        kl_z: ``E_q(c|x) KL(q(z|x) || p(z|c))``.
        kl_c: ``KL(q(c|x) || p(c))``.
        agreement: ``E_q(c|x) log q*(c|view)`` with the best ``q*`` for the view; not a term of the
            bound.
        q_c: ``q(c|x)``.
    """

    reconstruction: Tensor
    kl_z: Tensor
    kl_c: Tensor
    agreement: Tensor
    q_c: Categorical

    def value(self, kl_weight: float | Tensor = 1.0) -> Tensor:
        """``reconstruction - kl_weight (kl_z + kl_c)``, ``(B,)``; the bound if the weight is 1."""
        return self.reconstruction - kl_weight * (self.kl_z + self.kl_c)


class MixtureVAE(nn.Module):
    """A variational autoencoder with a mixture prior.

    Args:
        encoder: Network that maps ``x`` ``(B, F)`` to ``q(z|x)``.
        decoder: Network that maps ``z`` ``(B, D)`` to ``p(x|z)``.
        prior: Module that returns the mixture ``p(c) p(z|c)``.

    Attributes:
        has_bound: Whether ``elbo`` returns a lower bound; other methods return other terms.
    """

    has_bound = True

    def __init__(self, encoder: nn.Module, decoder: nn.Module, prior: MixturePrior) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior

    def elbo(
        self,
        x: Tensor,
        view: Tensor | None = None,
        q_c: Categorical | None = None,
        draw: Draw = Independent.rsample,
    ) -> ELBO:
        r"""The evidence lower bound of ``x`` ``(B, F)``, with one draw of ``z`` for the decoder.

        .. math:: \mathbb{E}_{q(z|x)} \log p(x|z)
                  - \mathbb{E}_{q(c|x)} \mathrm{KL}(q(z|x) \| p(z|c))
                  - \mathrm{KL}(q(c|x) \| p(c))

        Any ``q(z|x)`` and ``q(c|x)`` give a bound. So ``q(z|x)`` may be computed from an augmented
        ``view`` of ``x``, and ``q(c|x)`` may be held fixed.

        Args:
            x: Samples that the decoder reconstructs, ``(B, F)``.
            view: Input of the encoder, ``(B, F)``; ``x`` itself by default.
            q_c: Fixed ``q(c|x)``; by default the one that maximizes the bound.
            draw: Draws ``z`` from ``q(z|x)``, with a gradient.
        """
        q_z, prior = self.encoder(x if view is None else view), self.prior()
        kl = pairwise_kl(q_z, prior.components)  # (B, K)
        best = best_assignment(prior, kl)
        if q_c is None:
            q_c = best
        return ELBO(
            reconstruction=self.decoder(draw(q_z)).log_prob(x),
            kl_z=(q_c.probs * kl).sum(-1),
            kl_c=categorical_kl(q_c, prior.weights),
            agreement=(q_c.probs * best.logits).sum(-1),
            q_c=q_c,
        )

    def reconstruction(
        self, x: Tensor, view: Tensor | None = None, draw: Draw = Independent.rsample
    ) -> Tensor:
        """``E_q log p(x|z)`` of ``x`` ``(B, F)``, from one draw of ``z``; see ``elbo``."""
        q_z = self.encoder(x if view is None else view)
        return cast(Tensor, self.decoder(draw(q_z)).log_prob(x))

    def after_step(self, x: Tensor) -> None:
        """Changes what no gradient trains, after a step on samples ``(B, F)``: here nothing.

        Args:
            x: The whole batch, in every process of a run.
        """

    def set_units(self, x: Tensor, *, centered: bool = True) -> None:
        """Sets the units of the networks from samples ``(N, F)``; see ``Units.fit``."""
        cast(Any, self.encoder).units.fit(x, centered=centered)

    @torch.no_grad()
    def predict(self, x: Tensor) -> Categorical:
        """``q(c|x)`` of samples ``(B, F)``, without gradients.

        All augmented views of a sample show the same cluster, so the original sample decides it.
        """
        return self.assign(self.encoder(x))

    @torch.no_grad()
    def features(self, x: Tensor) -> Tensor:
        """L2-normalized activations of both middle layers, ``(B, sum of the two widths)``.

        The layers are those of encoder and decoder. Distances between these features match the
        classes better than distances between the few latent features, which must keep everything
        that the decoder needs.
        """
        code = self.encoder(x).mean
        encoder, decoder = cast(Any, self.encoder), cast(Any, self.decoder)
        read = self.prior.latents.read(code)
        layers = encoder.body.middle(encoder.units(x)), decoder.body.middle(read)
        return torch.cat([normalize(layer.float()) for layer in layers], dim=-1)

    def assign(self, q_z: Independent) -> Categorical:
        """``q(c|x)`` given ``q(z|x)``, without sampling; its mode is the predicted cluster."""
        prior = self.prior()
        return best_assignment(prior, pairwise_kl(q_z, prior.components))


def categorical_kl(q: Categorical, p: Categorical) -> Tensor:
    """``KL(q || p)``, ``(B,)``, of distributions over ``K`` clusters that ``p`` all allows.

    torch's version looks for zeros, for which it waits for the device.
    """
    return (q.probs * (q.logits - p.logits)).sum(-1)


def best_assignment(prior: Mixture, kl: Tensor) -> Categorical:
    r"""The ``q(c|x)`` that maximizes the ELBO for fixed ``q(z|x)``.

    .. math:: q(c|x) \propto \pi_c \exp(-\mathrm{KL}(q(z|x) \| p(z|c)))

    Args:
        prior: The mixture.
        kl: ``KL(q(z|x) || p(z|c))``, ``(B, K)``.
    """
    return Categorical(logits=prior.logits - kl, validate_args=False)
