"""Samples that a trained model generates: decoded embeddings, and draws from its mixture.

Notation: ``N`` samples, ``F`` features, ``D`` latent features.
"""

from numbers import Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from gammvae.config.ranges import MOST_SEED, MOST_WIDTH
from gammvae.config.rules import Rule, between, positive
from gammvae.data.rows import rows_per_chunk
from gammvae.errors import InputError
from gammvae.evaluation.generation import draw
from gammvae.runs.trained import Trained


@torch.no_grad()
def decoded(trained: Trained, z: NDArray[np.float32]) -> NDArray:
    """Means of ``p(x|z)`` ``(N, F)`` in the units of the data, for ``z`` ``(N, D)``.

    Raises:
        InputError: ``z`` has another number of features.
    """
    expected = len(trained.model.prior.latents.center)
    if z.shape[1] != expected:
        raise InputError(f"X has {z.shape[1]} features: embeddings of this run have {expected}")
    writable = torch.from_numpy(np.require(z, requirements="W"))
    parts = writable.split(rows_per_chunk(trained.result["features"]))
    means = [trained.model.decoder(part.to(trained.device)).mean.cpu().numpy() for part in parts]
    return trained.facts.preprocessing.original(np.concatenate(means))


@torch.no_grad()
def weights_of(trained: Trained) -> NDArray[np.float64]:
    """Weights of the components, ``(K,)``, summing to one in float64."""
    weights = trained.model.prior().weights.probs.cpu().numpy().astype(np.float64)
    return weights / weights.sum()


def drawn(
    trained: Trained,
    n_samples: int,
    cluster: int | None,
    min_posterior: float,
    temperature: float,
    random_state: int | np.random.RandomState | None,
) -> tuple[NDArray, NDArray[np.int64]]:
    """Draws samples ``(n, F)`` and their clusters ``(n,)``; see ``GammMVAE.sample``.

    Raises:
        InputError: An argument is out of range, or too few draws exceed ``min_posterior``.
    """
    check("n_samples", n_samples, whole(1, MOST_WIDTH))
    check("min_posterior", min_posterior, between(0, 1))
    check("temperature", temperature, positive())
    if cluster is None:
        random, weights = check_random_state(random_state), weights_of(trained)
        seeds = random.randint(MOST_SEED, size=len(weights))
        counts = random.multinomial(n_samples, weights)
        several = [(k, int(counts[k]), int(seeds[k])) for k in np.flatnonzero(counts).tolist()]
    else:
        check("cluster", cluster, whole(0, trained.config.n_clusters - 1))
        several = [(cluster, n_samples, trained.config.seed)]
    x = np.concatenate(
        [
            draw(trained.model, k, n, min_posterior, temperature, seed).x.cpu().numpy()
            for k, n, seed in several
        ]
    )
    labels = np.repeat([k for k, *_ in several], [n for _, n, _ in several])
    return trained.facts.preprocessing.original(x), labels.astype(np.int64)


def whole(least: int, most: int) -> Rule:
    """A whole number from ``least`` to ``most``."""
    return Rule(
        lambda value: isinstance(value, int | np.integer) and bool(least <= value <= most),
        f"a whole number from {least} to {most}",
    )


def check(name: str, value: Any, rule: Rule) -> None:  # noqa: ANN401 - as a user may give it
    """Refuses an argument that is out of range.

    Raises:
        InputError: It is.
    """
    if not isinstance(value, Real) or not rule.holds(value):
        raise InputError(f"{name}={value!r} is out of range: it must be {rule.text}")
