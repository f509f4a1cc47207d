"""Clusters of few features, refined by their shapes.

Where clusters overlap, the neighbor graph hardly says where one ends: modularity then draws the
boundary where it makes their volumes equal. A mixture of Gaussians with full covariances draws it
where the densities do, if there are samples enough to estimate covariances. So EM goes on from the
graph's partition, in the data themselves; what it finds is taken if the graph has nothing against.

Letters: ``N`` samples, ``K`` clusters, ``F`` features.
"""

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from gammvae.data.samples import Samples
from gammvae.initialization.graph import Graph, Labels, modularity

log = logging.getLogger(__name__)

# Added to the variances, in units of each feature's variance among all samples: a feature may be
# the same in a whole cluster.
REGULARIZATION = 1e-6
MAX_ITER, TOL = 1000, 1e-6
# Share of the modularity that must be left.
NEARLY = 0.95


def affords_covariances(
    n_samples: int, n_features: int, n_clusters: int, samples_per_entry: float | None
) -> bool:
    """Whether a cluster of mean size has so many samples for each entry of its covariance.

    Args:
        n_samples: ``N``.
        n_features: ``F``; a covariance has ``F (F + 1) / 2`` entries.
        n_clusters: ``K``.
        samples_per_entry: What is asked for, above 0; ``None``: nothing affords it.
    """
    if samples_per_entry is None:
        return False
    entries = n_features * (n_features + 1) / 2
    return n_samples / n_clusters >= samples_per_entry * entries


def refine_by_shapes(x: NDArray, labels: Labels, n_clusters: int) -> Labels:
    """Clusters ``(N,)`` of the Gaussian mixture that EM reaches from a partition.

    If a cluster dies out on the way, the partition stays as it was.

    References:
        Model-based clustering, discriminant analysis, and density estimation (Fraley and Raftery,
        2002), where EM goes on from the partition of another method

    Args:
        x: Samples ``(N, F)``, in any units.
        labels: The partition ``(N,)``, in ``0 .. K - 1``, none of them missing.
        n_clusters: ``K``.
    """
    scale = x.std(0, dtype=np.float64)
    z = (x - x.mean(0, dtype=np.float64)) / np.where(scale > 0, scale, 1)
    clusters = [z[labels == cluster] for cluster in range(n_clusters)]
    extra = REGULARIZATION * np.eye(z.shape[1])
    covariances = [np.cov(cluster.T, bias=True).reshape(extra.shape) for cluster in clusters]
    mixture = GaussianMixture(
        n_clusters,
        reg_covar=REGULARIZATION,
        tol=TOL,
        max_iter=MAX_ITER,
        weights_init=np.bincount(labels, minlength=n_clusters) / len(labels),
        means_init=np.stack([cluster.mean(0) for cluster in clusters]),
        precisions_init=np.linalg.inv(np.stack(covariances) + extra),
    )
    with threadpool_limits(limits=1):  # the order of sums must not depend on the threads
        refined: Labels = mixture.fit_predict(z)
    return refined if len(np.unique(refined)) == n_clusters else labels


def shaped(x: Samples, chosen: NDArray[np.int64], graph: Graph, labels: Labels) -> Labels:
    """The partition of the chosen samples, refined by shapes unless the graph objects.

    Many partitions are of nearly the highest modularity. Among them densities may choose; a
    partition that the graph tells apart from them is not taken, however well Gaussians fit it.

    References:
        Performance of modularity maximization in practical contexts (Good et al., 2010),
        https://arxiv.org/abs/0910.0165, for the many

    Args:
        x: All samples.
        chosen: Indices of those that have labels.
        graph: Their neighbor graph.
        labels: Their clusters, ``0 .. K - 1``, none of them missing.
    """
    rows = x[torch.from_numpy(chosen).to(x.device)].cpu().numpy()
    refined = refine_by_shapes(rows, labels, labels.max() + 1)
    before, after = modularity(graph, labels), modularity(graph, refined)
    taken = after >= NEARLY * before
    log.info(
        "full covariances of the data move %d of %d samples, modularity %.4f to %.4f: %s",
        *((refined != labels).sum(), len(labels), before, after, "taken" if taken else "refused"),
    )
    return refined if taken else labels
