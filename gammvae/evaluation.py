"""What a trained model says about every sample, and the figures that judge it.

Letters: ``N`` samples, ``K`` clusters, ``D`` latent features, ``F`` features of the data.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import silhouette_score

from gammvae.metrics import clustering_metrics, used_clusters
from gammvae.model import MixtureVAE
from gammvae.samples import Samples, in_order

SILHOUETTE_SAMPLES = 5000


class Assignments(NamedTuple):
    """The clustering of all samples, in the dataset's order."""

    labels: NDArray[np.int64]  # (N,)
    responsibilities: NDArray[np.float32]  # (N, K), q(c|x)
    embedding: NDArray[np.float32]  # (N, D), the mean of q(z|x)


@torch.no_grad()
def assign(model: MixtureVAE, x: Samples) -> Assignments:
    """Clusters ``x`` ``(N, F)``: deterministic, nothing is sampled."""
    components = model.prior().components
    responsibilities = torch.empty(len(x), *components.batch_shape)
    embedding = torch.empty(len(x), *components.event_shape)
    start = 0
    for chunk in in_order(x, "assigning"):
        q_z = model.encoder(chunk)
        rows = slice(start, start := start + len(chunk))
        responsibilities[rows], embedding[rows] = model.assign(q_z).probs, q_z.mean
    return Assignments(
        responsibilities.argmax(1).numpy(), responsibilities.numpy(), embedding.numpy()
    )


@torch.no_grad()
def bound(model: MixtureVAE, x: Samples, seed: int) -> dict[str, float]:
    """Means over ``x`` ``(N, F)`` of the ELBO and its terms in nats, one sample of z each.

    Args:
        model: In any precision; the ELBO is computed in float32.
        x: The samples.
        seed: Seed of torch's generators, which are restored afterwards.
    """
    terms = ("reconstruction", "kl_z", "kl_c")
    sums = np.zeros(len(terms))
    devices = [x.device] if x.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        for chunk in in_order(x, "evaluating"):
            elbo = model.elbo(chunk)
            sums += [getattr(elbo, term).sum().item() for term in terms]
    means = dict(zip(terms, (sums / len(x)).tolist(), strict=True))
    return {"elbo": means["reconstruction"] - means["kl_z"] - means["kl_c"], **means}


def evaluate(
    model: MixtureVAE, x: Samples, y: NDArray[Any] | None, seed: int
) -> tuple[Assignments, dict[str, Any]]:
    """The clustering of all samples, and the figures that need no labels and those that do.

    Args:
        model: A trained model.
        x: Samples ``(N, F)`` on the model's device.
        y: Classes ``(N,)`` or ``None``; without them ACC, NMI and ARI are absent.
        seed: Seed of the ELBO's samples and the silhouette's.
    """
    assignments = assign(model, x)
    labels, responsibilities, embedding = assignments
    entropy = torch.special.entr(torch.from_numpy(responsibilities)).sum(-1)
    figures: dict[str, Any] = clustering_metrics(y, labels) if y is not None else {}
    figures |= bound(model, x, seed)
    figures |= {
        "silhouette": silhouette(embedding, labels, seed),
        "used_clusters": used_clusters(np.bincount(labels, minlength=responsibilities.shape[1])),
        "assignment_entropy": entropy.mean().item(),
    }
    return assignments, figures


def silhouette(embedding: NDArray, labels: NDArray, seed: int) -> float | None:
    """Mean silhouette in [-1, 1] over a sample of the embedding ``(N, D)``; ``None`` if undefined.

    Args:
        embedding: Points.
        labels: Clusters ``(N,)``; the figure needs at least two, and a larger cluster than one.
        seed: Seed of the sample of at most ``SILHOUETTE_SAMPLES`` points.
    """
    if len(labels) > SILHOUETTE_SAMPLES:
        chosen = np.random.default_rng(seed).choice(len(labels), SILHOUETTE_SAMPLES, replace=False)
        embedding, labels = embedding[chosen], labels[chosen]
    if not 1 < len(np.unique(labels)) < len(labels):
        return None
    return float(silhouette_score(embedding, labels))
