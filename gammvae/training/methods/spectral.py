"""scikit-learn's spectral clustering in a graph of nearest neighbors of the samples.

The graph is sparse: 20 neighbors of 70,000 samples take 25 MB, all similarities 20 GB. Its
eigenvectors are found by LOBPCG, which only multiplies by the graph. ARPACK would be given a
factorization of it, which is not sparse where samples have many features, and AMG needs a further
package. Clusters of the eigenvectors are found by k-means, as is usual; they have only ``K``
features, so that it takes less than a second.

The method has no rule for samples that are not in the graph. Their nearest samples in
it vote on their cluster, weighted by the inverse of their distance.

References:
    On spectral clustering: analysis and an algorithm (Ng, Jordan and Weiss, 2001)
    Normalized cuts and image segmentation (Shi and Malik, 2000), for the normalized Laplacian
    Toward the optimal preconditioned eigensolver (Knyazev, 2001),
    https://doi.org/10.1137/S1064827500366124

Notation: ``N`` samples, ``K`` clusters, ``C`` features of the points.
"""

from functools import partial

import torch
from numpy.typing import NDArray
from sklearn.cluster import SpectralClustering

from gammvae.config.schema import Config
from gammvae.initialization.graph import neighbor_graph
from gammvae.training.fitted_once import STARTS, FittedOnce
from gammvae.training.partitioned import PartitionClusterer, neighbors_per_point
from gammvae.training.workspace import Workspace

OPTIONS = ("space", "components")


def spectral_partition(
    points: NDArray, config: Config, n_neighbors: int, device: torch.device
) -> NDArray:
    """Clusters ``(N,)`` of points ``(N, C)``.

    Args:
        points: The points.
        config: Configuration of the run, with ``n_clusters`` and ``seed``.
        n_neighbors: Neighbors per point in the graph.
        device: Device that computes the neighbors.
    """
    spectral = SpectralClustering(
        config.n_clusters,
        n_components=max(2, config.n_clusters),  # LOBPCG refuses to return one
        eigen_solver="lobpcg",
        affinity="precomputed",
        n_init=STARTS,
        random_state=config.seed,
    )
    return spectral.fit_predict(neighbor_graph(points, n_neighbors, device=device).weights)


def method(work: Workspace) -> FittedOnce:
    """Spectral clustering instead of a mixture."""
    n = neighbors_per_point(work)
    partition = partial(spectral_partition, config=work.config, n_neighbors=n, device=work.device)
    return FittedOnce(work, PartitionClusterer(work.config, partition, voters=n))
