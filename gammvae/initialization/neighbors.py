"""The nearest neighbors of points: exact for up to ``EXACT`` points, approximate for more.

Comparing all pairs takes time that is quadratic in the number of points. The approximate search
divides the points into cells by k-means and compares a point with those in the cells whose centers
are nearest to it. Its time is linear, apart from the distances between points and centers.

References:
    Video Google: a text retrieval approach to object matching in videos (Sivic and Zisserman,
    2003), for the inverted file, https://doi.org/10.1109/ICCV.2003.1238663
    Product quantization for nearest neighbor search (Jégou et al., 2011), for searching several
    cells, https://doi.org/10.1109/TPAMI.2010.57

Notation: ``N`` points, ``D`` features, ``n`` neighbors, ``C`` cells.
"""

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits
from torch import Tensor

from gammvae.data.samples import subset

CPU = torch.device("cpu")

# Largest number of points whose neighbors are found exactly.
EXACT = 100_000
# Number of distances that a GPU computes at a time in the exact search: 0.5 GB in float64.
DISTANCES = 2**26
# Mean number of points in a cell, at least FOLD times the number of neighbors; a cell with more
# than FOLD times as many is divided. A point is compared with the points of PROBES cells.
CELL, FOLD, PROBES = 500, 4, 8
# Points per cell from which the centers are computed, and iterations of k-means.
POINTS_PER_CENTER, ITERATIONS = 40, 5
# Number of distances that are computed at a time in the approximate search: 16 MB in float32.
BLOCK = 2**22


def neighbors(z: NDArray, n_neighbors: int, device: torch.device = CPU) -> NDArray[np.int32]:
    """The nearest neighbors of every point except itself, in any order, ``(N, n)``.

    A longer list does not always begin with a shorter one: of two neighbors that are equally near,
    a search may take either.

    Args:
        z: Points ``(N, D)``.
        n_neighbors: ``n``; at most ``N - 1`` are used.
        device: Device that computes the neighbors.
    """
    n_neighbors = min(n_neighbors, len(z) - 1)
    on_gpu = device.type == "cuda"
    if len(z) > EXACT:
        points = torch.from_numpy(z).to(device if on_gpu else CPU)
        return approximate_neighbors(points, n_neighbors).cpu().numpy()
    if on_gpu:
        return nearest_neighbors(torch.from_numpy(z).to(device), n_neighbors)
    found = NearestNeighbors(n_neighbors=n_neighbors, n_jobs=-1).fit(z)
    return found.kneighbors(return_distance=False).astype(np.int32)


def nearest_neighbors(z: Tensor, n_neighbors: int) -> NDArray[np.int32]:
    """The nearest neighbors of every point except itself, in any order, ``(N, n)``.

    Meant for GPUs, where comparing all pairs is faster than a tree search on the CPU.

    Args:
        z: Points ``(N, D)``.
        n_neighbors: Neighbors per point, fewer than ``N``.
    """
    z = z.double()  # differences of squares cancel in float32
    half_squares = z.square().sum(1) / 2
    nearest = np.empty((len(z), n_neighbors), np.int32)
    for rows in torch.arange(len(z), device=z.device).split(max(1, DISTANCES // len(z))):
        # -|z - z'|^2 / 2 up to a constant in each row
        closeness = torch.addmm(-half_squares, z[rows], z.T)
        closeness.scatter_(1, rows[:, None], -torch.inf)
        nearest[rows[0] : rows[-1] + 1] = closeness.topk(n_neighbors, sorted=False).indices.cpu()
    return nearest


def approximate_neighbors(z: Tensor, n_neighbors: int) -> Tensor:
    """Neighbors of every point except itself, most of them the nearest, in any order, ``(N, n)``.

    The same points give the same neighbors on the CPU: nothing random depends on a state.

    Args:
        z: Points ``(N, D)`` in float32 or float64, on any device.
        n_neighbors: Neighbors per point, fewer than ``N``.
    """
    distances = z.new_full((len(z), n_neighbors), torch.inf)
    nearest = torch.zeros((len(z), n_neighbors), dtype=torch.int32, device=z.device)
    for center, members, askers in cells(z, n_neighbors):
        inside = z[members] - center  # differences of squares would cancel far from the origin
        squares = inside.square().sum(1)
        for part in askers.split(max(1, BLOCK // len(members))):
            asking = z[part] - center
            found = torch.addmm(squares, asking, inside.T, alpha=-2)
            found += asking.square().sum(1, keepdim=True)
            # where a point is compared with itself
            place = torch.searchsorted(members, part).clamp_(max=len(members) - 1)
            itself = torch.where(members[place] == part, torch.inf, 0.0).to(found.dtype)
            found.scatter_add_(1, place[:, None], itself[:, None])
            closest = found.topk(min(n_neighbors, len(members)), largest=False, sorted=False)
            both = torch.cat([distances[part], closest.values], 1)
            names = torch.cat([nearest[part], members.int()[closest.indices]], 1)
            distances[part], kept = both.topk(n_neighbors, largest=False, sorted=False)
            nearest[part] = names.gather(1, kept)
    return nearest


class Cell(NamedTuple):
    """A cell: its center ``(D,)``, its points, and all points that are compared with these.

    Points are given by their indices, in ascending order.
    """

    center: Tensor
    members: Tensor
    askers: Tensor


def cells(z: Tensor, n_neighbors: int) -> Iterator[Cell]:
    """Yields the cells of points ``(N, D)``; each has more than ``n_neighbors`` members."""
    size = max(CELL, FOLD * n_neighbors)
    centers = cell_centers(z, max(1, len(z) // size))
    probed = nearest_centers(z, centers)
    # A point finds its neighbors in its own cell at least.
    enough = torch.bincount(probed[:, 0], minlength=len(centers)) > n_neighbors
    if not enough.all():
        centers = centers[enough]
        probed = nearest_centers(z, centers)
    members = grouped(probed[:, 0], len(centers))
    askers = grouped(probed.flatten(), len(centers))
    for center, inside, asking in zip(centers, members, askers, strict=True):
        yield from divided(center, inside, asking // probed.shape[1], FOLD * size)


def divided(center: Tensor, members: Tensor, askers: Tensor, largest: int) -> Iterator[Cell]:
    """Yields a cell as it is or, if it has more than ``largest`` members, in parts of equal size.

    Otherwise many equal points, which are always in one cell, would take quadratic time. A member
    asks its own part, any other point one of the parts.
    """
    n_parts = -(-len(members) // largest)
    asked = askers % n_parts
    asked[torch.searchsorted(askers, members)] = (
        torch.arange(len(members), device=members.device) % n_parts
    )
    for part, asking in enumerate(grouped(asked, n_parts)):
        yield Cell(center, members[part::n_parts].contiguous(), askers[asking])


def cell_centers(z: Tensor, n_cells: int) -> Tensor:
    """Different centers of up to ``n_cells`` cells, by k-means on a subset of points ``(N, D)``."""
    chosen = torch.from_numpy(subset(len(z), POINTS_PER_CENTER * n_cells, seed=0))
    kmeans = KMeans(n_cells, init="random", n_init=1, max_iter=ITERATIONS, random_state=0)
    # The order of sums must not depend on the threads. Equal points may leave fewer centers.
    with (
        threadpool_limits(limits=1),
        warnings.catch_warnings(category=ConvergenceWarning, action="ignore"),
    ):
        kmeans.fit(z[chosen.to(z.device)].cpu().numpy())
    return torch.from_numpy(np.unique(kmeans.cluster_centers_, axis=0)).to(z.device)


def nearest_centers(z: Tensor, centers: Tensor) -> Tensor:
    """The cells whose centers ``(C, D)`` are nearest to points ``(N, D)``, the nearest first.

    Returns:
        Indices ``(N, min(C, PROBES))``.
    """
    n_probes = min(PROBES, len(centers))
    origin = centers[len(centers) // 2]  # differences of squares cancel far from the origin
    centers = centers - origin
    half_squares = centers.square().sum(1) / 2
    nearest = torch.empty((len(z), n_probes), dtype=torch.int32, device=z.device)
    size = max(1, BLOCK // len(centers))
    for points, chosen in zip(z.split(size), nearest.split(size), strict=True):
        closeness = torch.addmm(-half_squares, points - origin, centers.T)
        chosen[:] = closeness.topk(n_probes).indices
    return nearest


def grouped(groups: Tensor, n_groups: int) -> tuple[Tensor, ...]:
    """The indices in each of ``n_groups`` groups, in ascending order; ``groups`` is ``(N,)``."""
    sizes = torch.bincount(groups, minlength=n_groups).tolist()
    return groups.argsort(stable=True).split(sizes)
