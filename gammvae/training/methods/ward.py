"""scikit-learn's agglomerative clustering by Ward's criterion, among neighbors of the samples.

The two clusters are merged whose union raises the squared distances from the means least. Comparing
all pairs of clusters takes memory quadratic in the number of samples: 20 GB for 70,000. So clusters
are merged only if a sample of one is among the nearest neighbors of a sample of the other. All
pairs of a subset would be the alternative, but most samples would then go to their nearest mean, as
in k-means. Few samples are clustered in the same way, so that rows of different data compare.

The method has no rule for other samples. They join the cluster with the nearest mean, which raises
the criterion least between clusters of similar size.

References:
    Hierarchical grouping to optimize an objective function (Ward, 1963)

Notation: ``N`` samples, ``K`` clusters, ``C`` features of the points.
"""

from functools import partial

import torch
from numpy.typing import NDArray
from sklearn.cluster import AgglomerativeClustering

from gammvae.initialization.graph import neighbor_graph
from gammvae.training.fitted_once import FittedOnce
from gammvae.training.partitioned import PartitionClusterer, neighbors_per_point
from gammvae.training.workspace import Workspace

OPTIONS = ("space", "components")


def ward_partition(
    points: NDArray, n_clusters: int, n_neighbors: int, device: torch.device
) -> NDArray:
    """Clusters ``(N,)`` of points ``(N, C)``; nothing is random.

    Args:
        points: The points.
        n_clusters: ``K``.
        n_neighbors: Neighbors per point.
        device: Device that computes the neighbors.
    """
    graph = neighbor_graph(points, n_neighbors, device=device).weights
    ward = AgglomerativeClustering(n_clusters, linkage="ward", connectivity=graph)
    return ward.fit_predict(points)


def method(work: Workspace) -> FittedOnce:
    """Ward's clustering instead of a mixture."""
    partition = partial(
        ward_partition,
        n_clusters=work.config.n_clusters,
        n_neighbors=neighbors_per_point(work),
        device=work.device,
    )
    return FittedOnce(work, PartitionClusterer(work.config, partition, voters=None))
