"""New samples of a chosen cluster: from its component, through the decoder.

Letters: ``n`` draws, ``K`` clusters, ``D`` latent features, ``F`` features of the data.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.distributions import Gamma, Normal

from gammvae.errors import InputError
from gammvae.model.vae import MixtureVAE

# Of a cluster, given the z of a sample that is to show it.
MIN_POSTERIOR = 0.99
# Draws for every sample that is wanted, after which the search ends, and at a time.
MAX_DRAWS, BATCH = 1000, 4096


class Drawn(NamedTuple):
    """Samples of one cluster.

    Attributes:
        z: Latent, ``(n, D)``.
        x: Means of ``p(x|z)``, ``(n, F)``, as the model sees data: preprocessed.
        posterior: Of the cluster given ``z``, ``(n,)``.
        accepted: The share of all draws whose posterior was high enough.
    """

    z: Tensor
    x: Tensor
    posterior: Tensor
    accepted: float


@torch.no_grad()
def draw(
    model: MixtureVAE, cluster: int, n: int, min_posterior: float, temperature: float, seed: int
) -> Drawn:
    """Draws ``z`` from a component until ``n`` are surely its own, and decodes them.

    Components overlap: a draw from one may lie where another is the more probable origin.

    Args:
        model: A trained model.
        cluster: Which component.
        n: Samples wanted.
        min_posterior: ``p(c|z)`` must exceed it; 0 keeps all draws.
        temperature: Factor on the variance of every latent feature, whose mean stays.
        seed: Of the draws; torch's generators are restored.

    Raises:
        InputError: Hardly any draw is good enough.
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


def tempered(components: Any, cluster: int, temperature: float) -> Gamma | Normal:  # noqa: ANN401
    """One of ``K`` components ``(K, D)``, its variances multiplied by ``temperature``.

    Gamma(a/T, b/T) has the mean of Gamma(a, b) and T times its variance.
    """
    if isinstance(components, Gamma):
        a, b = components.concentration[cluster], components.rate[cluster]
        return Gamma(a / temperature, b / temperature, validate_args=False)
    scale = components.scale[cluster] * temperature**0.5
    return Normal(components.loc[cluster], scale, validate_args=False)


def sample_exactly(distribution: Any, n: int) -> Tensor:  # noqa: ANN401 - either family, any shape
    """``n`` draws by torch's own samplers, whatever sampler a model is trained with."""
    if isinstance(distribution, Gamma):
        plain = Gamma(distribution.concentration, distribution.rate, validate_args=False)
        z = plain.sample(torch.Size([n]))
        return z.clamp_min(torch.finfo(z.dtype).tiny)  # small ones underflow to zero
    return Normal(distribution.loc, distribution.scale).sample(torch.Size([n]))
