"""Generates samples of a chosen cluster: draws from its component, decoded.

Notation: ``n`` draws, ``K`` clusters, ``D`` latent features, ``F`` features of the data.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Normal

from gammvae.errors import InputError
from gammvae.model.distributions import LatentDistribution
from gammvae.model.log_gamma import LogGamma
from gammvae.model.vae import MixtureVAE

# The posterior of a cluster that z must exceed if its decoded sample is to represent the cluster.
MIN_POSTERIOR = 0.99
# Maximum number of draws per requested sample, and number of draws at a time.
MAX_DRAWS, BATCH = 1000, 4096


class Drawn(NamedTuple):
    """Samples of one cluster.

    Attributes:
        z: Latent features, ``(n, D)``.
        x: Means of ``p(x|z)``, ``(n, F)``, in the units of the preprocessed data.
        posterior: Posterior of the cluster given ``z``, ``(n,)``.
        accepted: Share of all draws whose posterior was high enough.
    """

    z: Tensor
    x: Tensor
    posterior: Tensor
    accepted: float


@torch.no_grad()
def draw(
    model: MixtureVAE, cluster: int, n: int, min_posterior: float, temperature: float, seed: int
) -> Drawn:
    """Draws ``z`` from a component until ``n`` clearly belong to it, and decodes these.

    Components overlap: at a draw from one component, another may have the larger posterior.

    Args:
        model: A trained model.
        cluster: Index of the component.
        n: Number of samples to return.
        min_posterior: Posterior ``p(c|z)`` that a draw must exceed; 0 keeps all draws.
        temperature: Factor on the variance of every latent feature, whose location is unchanged;
            of Gamma variables, the variance relative to the squared mean.
        seed: Seed of the draws; the state of torch's generators is restored.

    Raises:
        InputError: Too few of the draws exceed ``min_posterior``.
    """
    prior = model.prior()
    first = prior.logits
    component = tempered(prior.components.base_dist, cluster, temperature)
    kept: list[tuple[Tensor, Tensor]] = []
    found = tried = 0
    with torch.random.fork_rng([first.device] if first.device.type == "cuda" else []):
        torch.manual_seed(seed)
        while found < n and tried < MAX_DRAWS * n:
            z = sample_exactly(component, BATCH)
            posterior = prior.posterior(z).probs[:, cluster]
            good = posterior > min_posterior if min_posterior > 0 else posterior >= 0
            kept.append((z[good], posterior[good]))
            found, tried = found + int(good.sum()), tried + BATCH
    if found < n:
        raise InputError(
            f"min_posterior={min_posterior} leaves {found} of {tried} draws of cluster {cluster}, "
            f"n={n} are wanted: a lower min_posterior or temperature may help"
        )
    z, posterior = (torch.cat(parts)[:n] for parts in zip(*kept, strict=True))
    return Drawn(z, model.decoder(z).mean, posterior, found / tried)


def tempered(components: Any, cluster: int, temperature: float) -> Any:  # noqa: ANN401
    """One of the components ``(K, D)``, with its variances multiplied by ``temperature``.

    Of a Gamma variable, the concentration is divided, and the mean stays the same.
    """
    named = {name: getattr(components, name)[cluster] for name in components.arg_constraints}
    named["scale"] = named["scale"] * temperature**0.5
    return type(components)(**named, validate_args=False)


def sample_exactly(distribution: Any, n: int) -> Tensor:  # noqa: ANN401 - any family and shape
    """Draws ``n`` samples with torch's own sampler, not with the one used in training.

    A family of the user's own is drawn from by its own sampler.
    """
    if isinstance(distribution, LatentDistribution):
        return distribution.sample(torch.Size([n]))
    exact = Normal if isinstance(distribution, Normal) else LogGamma
    named = {name: getattr(distribution, name) for name in distribution.arg_constraints}
    return exact(**named, validate_args=False).sample(torch.Size([n]))
