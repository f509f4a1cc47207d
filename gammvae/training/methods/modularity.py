"""The start of ``init=manifold`` alone: the best partition of the neighbor graph of the samples.

It differs from the start of a mixture only in that neighbors are looked for among the samples
themselves, not among features of a network. So it shows what the start owes to the networks.

The partition has no rule for samples that are not in the graph. Their nearest samples
in it vote on their cluster, weighted by the inverse of their distance.

Notation: ``N`` samples, ``C`` features of the points.
"""

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from gammvae.config.schema import Config
from gammvae.initialization.manifold import Unchanged, first_resolution, manifold_start
from gammvae.training.fitted_once import FittedOnce
from gammvae.training.partitioned import PartitionClusterer, neighbors_per_point
from gammvae.training.workspace import Workspace

OPTIONS = ("space",)


def modularity_partition(
    points: NDArray, config: Config, resolution: float, device: torch.device
) -> NDArray:
    """Clusters ``(N,)`` of points ``(N, C)``.

    Args:
        points: The points.
        config: Configuration of the run, with ``init``, ``n_clusters`` and ``seed``.
        resolution: Resolution of the modularity at which the search begins.
        device: Device that computes the neighbors.
    """
    x = torch.from_numpy(points).to(device)
    return manifold_start(Unchanged(), x, np.arange(len(x)), config, resolution).labels


def method(work: Workspace) -> FittedOnce:
    """A partition of maximum modularity instead of a mixture."""
    resolution = first_resolution(work.config.init, work.filled)
    partition = partial(
        modularity_partition, config=work.config, resolution=resolution, device=work.device
    )
    return FittedOnce(work, PartitionClusterer(work.config, partition, neighbors_per_point(work)))
