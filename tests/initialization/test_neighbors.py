import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.neighbors import NearestNeighbors

from gammvae.initialization import neighbors as module
from gammvae.initialization.graph import neighbor_graph
from gammvae.initialization.neighbors import (
    approximate_neighbors,
    cells,
    nearest_neighbors,
    neighbors,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def small_cells(monkeypatch):
    monkeypatch.setattr(module, "CELL", 50)


def exactly(z, n_neighbors):
    """Sorted neighbors in float64, from the sorted distances."""
    z = z.astype(np.float64)
    distances = ((z[:, None] - z[None]) ** 2).sum(-1)
    np.fill_diagonal(distances, np.inf)
    return np.sort(distances.argsort(1)[:, :n_neighbors], 1)


def approximately(z, n_neighbors):
    """Sorted approximate neighbors, of which each point has different ones, never itself."""
    found = approximate_neighbors(torch.from_numpy(z), n_neighbors).sort().values.numpy()
    assert found.shape == (len(z), n_neighbors)
    assert (found[:, 0] >= 0).all()
    assert (np.diff(found, axis=1) > 0).all()
    assert (found != np.arange(len(z))[:, None]).all()
    return found


def recall(found, expected):
    return np.mean([np.isin(row, other).mean() for row, other in zip(expected, found, strict=True)])


@pytest.mark.parametrize("distances", [1, 1000, 2**26])
def test_neighbors_by_products_are_those_of_sorted_distances(rng, distances, monkeypatch):
    """Far from the origin, where differences of squares cancel in float32."""
    monkeypatch.setattr(module, "DISTANCES", distances)
    z = (1000 + rng.normal(size=(300, 20))).astype(np.float32)
    found = nearest_neighbors(torch.from_numpy(z), 7)
    assert (np.sort(found, 1) == exactly(z, 7)).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_finds_the_same_graph(rng):
    z = rng.normal(size=(3000, 12)).astype(np.float32)
    gpu = neighbor_graph(z, 20, device=torch.device("cuda")).weights
    assert (gpu != neighbor_graph(z, 20).weights).nnz == 0


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_finds_nearly_the_same_neighbors_of_many_points(rng, small_cells):
    z = torch.from_numpy(rng.normal(size=(3000, 5)).astype(np.float32))
    found = approximate_neighbors(z.cuda(), 10).cpu().numpy()
    assert recall(found, approximate_neighbors(z, 10).numpy()) > 0.999


def test_few_points_are_searched_exactly_and_many_in_cells(rng, monkeypatch):
    z = rng.normal(size=(200, 3)).astype(np.float32)
    exact = NearestNeighbors(n_neighbors=5).fit(z).kneighbors(return_distance=False)
    monkeypatch.setattr(module, "approximate_neighbors", lambda z, n: torch.zeros(len(z), n))
    monkeypatch.setattr(module, "EXACT", 200)
    assert (neighbors(z, 5) == exact).all()
    monkeypatch.setattr(module, "EXACT", 199)
    assert not neighbors(z, 5).any()


@pytest.mark.parametrize("block", [1, 10_000, 2**22])
def test_where_all_cells_are_searched_all_neighbors_are_found(rng, block, small_cells, monkeypatch):
    """Far from the origin, and a block of the distances at a time."""
    monkeypatch.setattr(module, "BLOCK", block)
    z = (1000 + rng.normal(size=(module.PROBES * 50, 4))).astype(np.float32)
    assert (approximately(z, 7) == exactly(z, 7)).all()


@pytest.mark.parametrize("origin", [0, 10_000])
def test_most_neighbors_are_found_in_the_nearest_cells(small_cells, origin):
    z = origin + make_blobs(3000, 4, centers=10, cluster_std=2.0, random_state=0)[0]
    z = z.astype(np.float32)
    assert 0.97 < recall(approximately(z, 10), exactly(z, 10)) < 1


def test_the_same_points_have_the_same_neighbors_with_any_number_of_threads(rng, small_cells):
    z = rng.normal(size=(2000, 6)).astype(np.float32)
    threads = torch.get_num_threads()
    first = approximately(z, 10)
    assert (approximately(z, 10) == first).all()
    try:
        torch.set_num_threads(2)
        assert (approximately(z, 10) == first).all()
    finally:
        torch.set_num_threads(threads)


def test_more_neighbors_than_a_cell_has_points(rng, small_cells):
    z = rng.normal(size=(2000, 3)).astype(np.float32)
    assert recall(approximately(z, 120), exactly(z, 120)) > 0.97


def test_outliers_have_neighbors(rng, small_cells):
    """They would be alone in their cells."""
    z = rng.normal(size=(1500, 3)).astype(np.float32)
    z[:10] *= 1e4
    assert recall(approximately(z, 10), exactly(z, 10)) > 0.97


def test_equal_points_are_neighbors_of_each_other_and_none_of_too_many(rng, small_cells):
    z = np.zeros((5000, 3), np.float32)
    z[::10] = 9 + rng.normal(size=(500, 3))
    found = approximately(z, 8)
    equal = np.arange(5000) % 10 > 0
    assert equal[found[equal]].all()
    assert not equal[found[~equal]].any()
    # no cell has more than 4 * 50 points, although 4,500 are equal
    sizes = [len(cell.members) for cell in cells(torch.from_numpy(z), 8)]
    assert sum(sizes) == 5000
    assert max(sizes) <= 200
    assert np.bincount(found.ravel(), minlength=5000).max() <= 200


@pytest.mark.filterwarnings("error")
def test_all_points_may_be_equal(small_cells):
    approximately(np.ones((1000, 3), np.float32), 8)


def test_every_point_asks_its_own_cell_once_and_no_other_twice(rng, small_cells):
    z = torch.from_numpy(rng.normal(size=(2000, 4)).astype(np.float32))
    z[:900] = 0  # a cell that is divided
    members, asked = np.zeros(2000, int), np.zeros(2000, int)
    for cell in cells(z, 10):
        members[cell.members] += 1
        asked[cell.askers] += 1
        assert len(cell.members) > 10
        assert np.isin(cell.members, cell.askers).all()
    assert (members == 1).all()
    assert (asked == asked[0]).all()
    assert asked[0] <= module.PROBES
