"""The generative model and its ELBO.

    c ~ Categorical(pi)        z | c ~ Gamma(a_c, b_c)  or  Normal(mu_c, sigma_c)
    x | z ~ decoder(z)         q(z | x) = encoder(x)

Letters: ``B`` batch, ``K`` clusters, ``D`` latent features, ``F`` features of the data.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Gamma, Independent, Normal, kl_divergence

from gammvae.distributions import Mixture, pairwise_kl


class MixturePrior(nn.Module):
    """A mixture of ``K`` components as a module; the families add the components' parameters."""

    def __init__(self, n_clusters: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(n_clusters))

    def forward(self) -> Mixture:
        """The mixture ``p(c) p(z|c)``."""
        raise NotImplementedError

    def assign(self, log_weights: Tensor, first: Tensor, second: Tensor) -> None:
        """Overwrites log-weights ``(K,)`` and the components' two parameters ``(K, D)``."""
        raise NotImplementedError


class GammaMixturePrior(MixturePrior):
    """A mixture of ``K`` Gamma components with trainable log-weights, -concentrations, -rates."""

    def __init__(self, n_clusters: int, latent_dim: int) -> None:
        super().__init__(n_clusters)
        self.log_concentration = nn.Parameter(torch.zeros(n_clusters, latent_dim))
        self.log_rate = nn.Parameter(torch.zeros(n_clusters, latent_dim))

    def forward(self) -> Mixture:
        """The mixture ``p(c) p(z|c)``."""
        components = Gamma(self.log_concentration.exp(), self.log_rate.exp(), validate_args=False)
        return Mixture(self.logits, components)

    @torch.no_grad()
    def assign(self, log_weights: Tensor, concentration: Tensor, rate: Tensor) -> None:
        """Overwrites the parameters: ``(K,)``, ``(K, D)``, ``(K, D)``."""
        self.logits.copy_(log_weights)
        self.log_concentration.copy_(concentration.log())
        self.log_rate.copy_(rate.log())


class NormalMixturePrior(MixturePrior):
    """VaDE's prior: ``K`` Gaussian components with trainable log-weights, means, log-scales."""

    def __init__(self, n_clusters: int, latent_dim: int) -> None:
        super().__init__(n_clusters)
        self.mean = nn.Parameter(torch.zeros(n_clusters, latent_dim))
        self.log_scale = nn.Parameter(torch.zeros(n_clusters, latent_dim))

    def forward(self) -> Mixture:
        """The mixture ``p(c) p(z|c)``."""
        return Mixture(self.logits, Normal(self.mean, self.log_scale.exp(), validate_args=False))

    @torch.no_grad()
    def assign(self, log_weights: Tensor, mean: Tensor, variance: Tensor) -> None:
        """Overwrites the parameters: ``(K,)``, ``(K, D)``, ``(K, D)``."""
        self.logits.copy_(log_weights)
        self.mean.copy_(mean)
        self.log_scale.copy_(variance.log() / 2)


class ELBO(NamedTuple):
    """The terms of the evidence lower bound in nats, each ``(B,)``, and ``q(c|x)``."""

    reconstruction: Tensor
    kl_z: Tensor
    kl_c: Tensor
    q_c: Categorical

    def value(self, kl_weight: float = 1.0) -> Tensor:
        """``reconstruction - kl_weight (kl_z + kl_c)``, ``(B,)``; 1 gives the bound itself."""
        if kl_weight == 0:
            return self.reconstruction
        return self.reconstruction - kl_weight * (self.kl_z + self.kl_c)


class MixtureVAE(nn.Module):
    """A variational autoencoder with a mixture prior.

    Args:
        encoder: Maps ``x`` ``(B, F)`` to ``q(z|x)``.
        decoder: Maps ``z`` ``(B, D)`` to ``p(x|z)``.
        prior: Returns the mixture ``p(c) p(z|c)``.
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module, prior: MixturePrior) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.prior = prior

    def elbo(self, x: Tensor) -> ELBO:
        r"""The evidence lower bound of ``x`` ``(B, F)``, one sample of ``z`` for the decoder.

        .. math:: \mathbb{E}_{q(z|x)} \log p(x|z)
                  - \mathbb{E}_{q(c|x)} \mathrm{KL}(q(z|x) \| p(z|c))
                  - \mathrm{KL}(q(c|x) \| p(c))
        """
        q_z, prior = self.encoder(x), self.prior()
        kl = pairwise_kl(q_z, prior.components)  # (B, K)
        q_c = best_assignment(prior, kl)
        return ELBO(
            reconstruction=self.decoder(q_z.rsample()).log_prob(x),
            kl_z=(q_c.probs * kl).sum(-1),
            kl_c=kl_divergence(q_c, prior.weights),
            q_c=q_c,
        )

    def assign(self, q_z: Independent) -> Categorical:
        """``q(c|x)`` given ``q(z|x)``, without sampling; its mode is the predicted cluster."""
        prior = self.prior()
        return best_assignment(prior, pairwise_kl(q_z, prior.components))


def best_assignment(prior: Mixture, kl: Tensor) -> Categorical:
    r"""The ``q(c|x)`` that maximizes the ELBO for fixed ``q(z|x)``.

    .. math:: q(c|x) \propto \pi_c \exp(-\mathrm{KL}(q(z|x) \| p(z|c)))

    Args:
        prior: The mixture.
        kl: ``KL(q(z|x) || p(z|c))``, ``(B, K)``.
    """
    return Categorical(logits=prior.logits - kl, validate_args=False)
