"""Refines clusters of samples with few features by their shapes.

Where clusters overlap, the neighbor graph hardly shows where one ends, and modularity draws the
boundary that makes their volumes equal. A Gaussian mixture with full covariances draws it according
to the densities, if there are enough samples to estimate covariances. So EM continues from the
graph's partition, on the data themselves. Its result is kept unless modularity falls too far.

Notation: ``N`` samples, ``K`` clusters, ``F`` features.
"""

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from gammvae.config.sizing import SMALL_TABLE
from gammvae.data.samples import Samples, subset
from gammvae.initialization.graph import Graph, Labels, modularity, neighbor_graph

log = logging.getLogger(__name__)

# Added to the variances, in units of each feature's variance over all samples, because a feature
# may be constant within a cluster.
REGULARIZATION = 1e-6
MAX_ITER, TOL = 1000, 1e-6
# Samples that the mixture is fitted to; a random subset if there are more.
SAMPLES = 100_000
# A refined partition must keep at least this share of the modularity.
NEARLY = 0.95


def affords_covariances(
    n_samples: int, n_features: int, n_clusters: int, samples_per_entry: float | None
) -> bool:
    """Whether an average cluster has enough samples for each entry of its covariance matrix.

    Args:
        n_samples: ``N``, of which up to ``SAMPLES`` are used.
        n_features: ``F``; a covariance matrix has ``F (F + 1) / 2`` distinct entries.
        n_clusters: ``K``.
        samples_per_entry: Required samples per entry, above 0; with ``None`` the answer is no.
    """
    if samples_per_entry is None:
        return False
    entries = n_features * (n_features + 1) / 2
    return min(n_samples, SAMPLES) / n_clusters >= samples_per_entry * entries


def refine_by_shapes(x: NDArray, labels: Labels, n_clusters: int) -> Labels:
    """Clusters ``(N,)`` of the Gaussian mixture that EM finds when started from a partition.

    EM runs on up to ``SAMPLES`` samples. If they leave a cluster empty, before or after EM, the
    partition is returned unchanged.

    References:
        Model-based clustering, discriminant analysis, and density estimation (Fraley and Raftery,
        2002), where EM is started from the partition of another method

    Args:
        x: Samples ``(N, F)``, in any units.
        labels: The partition ``(N,)`` in ``0 .. K - 1``, without empty clusters.
        n_clusters: ``K``.
    """
    fitted = subset(len(x), SAMPLES, seed=0)
    mean, scale = x[fitted].mean(0, dtype=np.float64), x[fitted].std(0, dtype=np.float64)
    scale = np.where(scale > 0, scale, 1)
    z, known = (x[fitted] - mean) / scale, labels[fitted]
    sizes = np.bincount(known, minlength=n_clusters)
    if not sizes.all():
        return labels
    clusters = [z[known == cluster] for cluster in range(n_clusters)]
    extra = REGULARIZATION * np.eye(z.shape[1])
    covariances = [np.cov(cluster.T, bias=True).reshape(extra.shape) for cluster in clusters]
    mixture = GaussianMixture(
        n_clusters,
        reg_covar=REGULARIZATION,
        tol=TOL,
        max_iter=MAX_ITER,
        weights_init=sizes / len(known),
        means_init=np.stack([cluster.mean(0) for cluster in clusters]),
        precisions_init=np.linalg.inv(np.stack(covariances) + extra),
    )
    with threadpool_limits(limits=1):  # the order of sums must not depend on the threads
        refined: Labels = mixture.fit_predict(z)
        if len(fitted) < len(x):
            parts = np.split(x, range(SAMPLES, len(x), SAMPLES))
            refined = np.concatenate([mixture.predict((part - mean) / scale) for part in parts])
    return refined if len(np.unique(refined)) == n_clusters else labels


def shaped(x: Samples, chosen: NDArray[np.int64], graph: Graph, labels: Labels) -> Labels:
    """Refines a partition of the chosen samples by shapes, unless its modularity falls too far.

    Many partitions have nearly the highest modularity, and densities may choose among these. A
    partition of clearly lower modularity is rejected, however well Gaussians fit it.

    In a small table, a graph of the samples decides. The features of an autoencoder that was
    trained on few samples, with noise, are drawn together along the graph's own partition; how far
    depends on the seed.

    References:
        Performance of modularity maximization in practical contexts (Good et al., 2010),
        https://arxiv.org/abs/0910.0165, on the many partitions of nearly the highest modularity

    Args:
        x: All samples.
        chosen: Indices of the labeled samples.
        graph: Neighbor graph of the chosen samples.
        labels: Clusters of the chosen samples in ``0 .. K - 1``, without empty clusters.
    """
    rows = x[torch.from_numpy(chosen).to(x.device)].cpu().numpy()
    refined = refine_by_shapes(rows, labels, labels.max() + 1)
    judge = graph_of_samples(rows, graph) if rows.size < SMALL_TABLE else graph
    before, after = modularity(judge, labels), modularity(judge, refined)
    taken = after >= NEARLY * before
    log.info(
        "EM with full covariances moves %d of %d samples, modularity %.4f to %.4f: %s",
        *((refined != labels).sum(), len(labels), before, after, "kept" if taken else "rejected"),
    )
    return refined if taken else labels


def graph_of_samples(x: NDArray, graph: Graph) -> Graph:
    """The neighbor graph of samples, with as many neighbors and the resolution of another graph.

    Args:
        x: Samples ``(N, F)``, in any units; distances are in units of each feature's deviation.
        graph: Neighbor graph of ``N`` points.
    """
    scale = x.std(0)
    z = (x - x.mean(0)) / np.where(scale > 0, scale, 1)
    # An edge in one direction weighs 1/2 and is there twice, one in both directions twice as much.
    n_neighbors = round(graph.weights.sum() / len(x))
    return neighbor_graph(z, n_neighbors, graph.resolution)
