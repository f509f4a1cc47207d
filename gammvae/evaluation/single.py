r"""The ELBO of single samples, which does not depend on the samples beside them.

A run's own ELBO draws ``z`` anew for every sample, so a sample's value depends on its place. Here
all samples share the draws: ``z`` is the quantile of ``q(z|x)`` at the same few points of the unit
cube for every sample. What errs in one then errs in all, and does not average out over samples, so
the points are scrambled Sobol points, which cover the cube more evenly than random ones.

References:
    Monte Carlo Methods and Models in Finance and Insurance (Korn, Korn and Kroisandt, 2010),
    section 3.3, on common random numbers
    Scrambling Sobol' and Niederreiter-Xing points (Owen, 1998),
    https://doi.org/10.1006/jcom.1998.0487

Notation: ``N`` samples, ``B`` samples of a chunk, ``D`` latent features.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.distributions import Independent, Normal

from gammvae.data.samples import Samples, in_order
from gammvae.model.distributions import LatentDistribution
from gammvae.model.log_gamma import log_quantile, precise
from gammvae.model.vae import MixtureVAE

# A power of 2, as Sobol points need.
DRAWS = 16
# Points may lie at 0 or, rounded, at 1, where no quantile is finite: this is how near they come.
EDGE = 1e-6


@torch.no_grad()
def elbo_of_each(model: MixtureVAE, x: Samples, seed: int) -> Iterator[NDArray[np.float32]]:
    """Yields the ELBO of every sample in nats, in chunks ``(B,)``.

    Args:
        model: A model with a bound; the ELBO is computed in float32.
        x: The samples ``(N, F)``.
        seed: Seed of the draws that all samples share.
    """
    sobol = torch.quasirandom.SobolEngine(len(model.prior.latents.center), scramble=True, seed=seed)
    noise = torch.special.ndtri(sobol.draw(DRAWS).clamp(EDGE, 1 - EDGE)).to(x.device)
    for chunk in in_order(x, "evaluating"):
        draws = [model.elbo(chunk, draw=partial(quantile, eps=eps)).value() for eps in noise]
        yield torch.stack(draws).mean(0).cpu().numpy()


def quantile(q_z: Independent, eps: Tensor) -> Tensor:
    """The values ``(B, D)`` of ``q(z|x)`` below which it is as probable as a normal below ``eps``.

    Args:
        q_z: Distributions of any family with batch shape ``(B,)`` and event shape ``(D,)``.
        eps: ``(D,)``.
    """
    q = q_z.base_dist
    if isinstance(q, Normal):
        return q.loc + q.scale * eps
    if isinstance(q, LatentDistribution):
        return q.icdf(torch.special.ndtr(eps))
    alpha = precise(q.concentration)
    ratio = log_quantile(alpha, precise(eps)) - alpha.log()
    return q.loc + q.gain * ratio.to(q.loc)
