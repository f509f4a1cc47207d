"""Cluster assignments of all samples by a trained model, and their scores.

Notation: ``N`` samples, ``K`` clusters, ``D`` latent features, ``F`` features of the data.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import entr
from sklearn import config_context
from sklearn.metrics import silhouette_score

from gammvae.data.samples import Samples, in_order, subset
from gammvae.evaluation.metrics import clustering_metrics, used_clusters
from gammvae.model.vae import MixtureVAE

SILHOUETTE_SAMPLES = 5000
# For a block of their distances to each other, in MiB; all at once would not fit into the cache.
SILHOUETTE_MEMORY = 8


class Assignments(NamedTuple):
    """The clustering of some samples, in the dataset's order."""

    labels: NDArray[np.int64]  # (B,)
    responsibilities: NDArray[np.float32]  # (B, K), q(c|x)
    embedding: NDArray[np.float32]  # (B, D), the mean of q(z|x)


# Yields the assignments of samples (N, F), a chunk at a time.
Assigner = Callable[[Samples], Iterator[Assignments]]


@torch.no_grad()
def assign(model: MixtureVAE, x: Samples) -> Iterator[Assignments]:
    """Clusters ``x`` ``(N, F)``, a chunk at a time; deterministic, without sampling."""
    for chunk in in_order(x, "assigning"):
        q_z = model.encoder(chunk)
        responsibilities = model.assign(q_z).probs.cpu().numpy()
        yield Assignments(responsibilities.argmax(1), responsibilities, q_z.mean.cpu().numpy())


TERMS = ("reconstruction", "kl_z", "kl_c")
# A sample is called unlikely if its ELBO is below this percentile of the training samples' ELBOs.
UNLIKELY = 1


@torch.no_grad()
def bounds(model: MixtureVAE, x: Samples, seed: int) -> Iterator[NDArray[np.float32]]:
    """Yields the ELBO's terms of every sample in nats, with one draw of z each: chunks ``(B, 3)``.

    Args:
        model: Model in any precision; the ELBO is computed in float32.
        x: The samples ``(N, F)``.
        seed: Seed of torch's generators, whose state is restored at the end.
    """
    devices = [x.device] if x.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        for chunk in in_order(x, "evaluating"):
            elbo = model.elbo(chunk)
            yield torch.stack([getattr(elbo, term) for term in TERMS], dim=1).cpu().numpy()


def bound(model: MixtureVAE, x: Samples, seed: int) -> dict[str, float]:
    """Means of the ELBO and its terms over ``x``, and the ELBO below which a sample is unlikely.

    Args:
        model: See ``bounds``.
        x: The samples ``(N, F)``.
        seed: Seed of the draws of z.
    """
    sums, elbos, start = np.zeros(len(TERMS)), np.empty(len(x), np.float32), 0
    for part in bounds(model, x, seed):
        sums += part.sum(0, dtype=np.float64)
        elbos[start : start + len(part)] = elbo_of(part)
        start += len(part)
    means = dict(zip(TERMS, (sums / len(x)).tolist(), strict=True))
    return {
        "elbo": means["reconstruction"] - means["kl_z"] - means["kl_c"],
        **means,
        "elbo_unlikely": float(np.percentile(elbos, UNLIKELY)),
    }


def elbo_of(terms: NDArray[np.float32]) -> NDArray[np.float32]:
    """The ELBO ``(B,)`` from its terms ``(B, 3)``."""
    reconstruction, kl_z, kl_c = terms.T
    return reconstruction - kl_z - kl_c


def evaluate(
    model: MixtureVAE,
    x: Samples,
    y: NDArray[Any] | None,
    seed: int,
    keep: Callable[[Assignments], None],
) -> dict[str, Any]:
    """Scores the clustering by a model, with and without the classes.

    Args:
        model: A trained model.
        x: Samples ``(N, F)`` on the model's device.
        y: Classes ``(N,)`` or ``None``; without them ACC, NMI and ARI are absent.
        seed: Seed of the ELBO's draws of z and of the choice of samples for the silhouette.
        keep: Function that receives the assignments of all samples, a chunk at a time.
    """
    figures = judge(assign(model, x), len(x), y, seed, keep)
    return {**figures, **bound(model, x, seed)} if model.has_bound else figures


def judge(
    parts: Iterator[Assignments],
    n_samples: int,
    y: NDArray[Any] | None,
    seed: int,
    keep: Callable[[Assignments], None],
) -> dict[str, Any]:
    """Scores any clustering, with and without the classes.

    Args:
        parts: The assignments of all samples, a chunk at a time.
        n_samples: ``N``.
        y: Classes ``(N,)`` or ``None``; without them ACC, NMI and ARI are absent.
        seed: Seed of the choice of samples for the silhouette.
        keep: Function that receives the assignments, a chunk at a time.
    """
    chosen = subset(n_samples, SILHOUETTE_SAMPLES, seed)
    first = next(parts)
    # Allocated in advance: small arrays that outlive a chunk would fragment the space freed by its
    # large arrays. The next chunk would not fit there, and memory would grow with the data.
    labels = np.empty(n_samples, np.int64)
    embedding = np.empty((len(chosen), first.embedding.shape[1]), np.float32)
    sizes = np.zeros(first.responsibilities.shape[1], np.int64)
    entropy, start = 0.0, 0
    for part in chain([first], parts):
        end = start + len(part.labels)
        labels[start:end] = part.labels
        inside = slice(*np.searchsorted(chosen, (start, end)))
        embedding[inside] = part.embedding[chosen[inside] - start]
        entropy += float(entr(part.responsibilities).sum())
        sizes += np.bincount(part.labels, minlength=len(sizes))
        keep(part)
        start = end
    figures: dict[str, Any] = clustering_metrics(y, labels) if y is not None else {}
    return {
        **figures,
        "silhouette": silhouette(embedding, labels[chosen]),
        "used_clusters": used_clusters(sizes),
        "assignment_entropy": entropy / n_samples,
    }


def silhouette(embedding: NDArray, labels: NDArray) -> float | None:
    """Mean silhouette in [-1, 1] of points ``(N, D)`` and clusters ``(N,)``.

    ``None`` if it is undefined: it needs two clusters, and one with more than a single sample.
    """
    if not 1 < len(np.unique(labels)) < len(labels):
        return None
    with config_context(working_memory=SILHOUETTE_MEMORY):
        return float(silhouette_score(embedding, labels))
