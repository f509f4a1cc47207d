import numpy as np
import pytest

from gammvae.initialization import starts
from gammvae.initialization.starts import KMeansStarts


@pytest.fixture
def z():
    return np.random.default_rng(0).normal(size=(400, 3)).astype(np.float32)


def test_groups_are_found_once(z, monkeypatch):
    calls = []
    original = starts.MiniBatchKMeans.fit_predict
    monkeypatch.setattr(
        starts.MiniBatchKMeans,
        "fit_predict",
        lambda self, z: calls.append(0) or original(self, z),
    )
    found = KMeansStarts(z, 5, 3, seed=0)
    assert len(found) == 3
    next(iter(found))
    assert len(calls) == 1
    first, second = list(found), list(found)
    assert len(calls) == 3
    assert all(a.groups is b.groups for a, b in zip(first, second, strict=True))


def test_starts_differ_and_depend_on_the_seed_only(z):
    first, again, other = (list(KMeansStarts(z, 5, 2, seed)) for seed in (0, 0, 1))
    assert (first[0].groups == again[0].groups).all()
    assert (first[0].groups != first[1].groups).any()
    assert (first[0].groups != other[0].groups).any()
    draws = [np.random.default_rng(start.seed).random() for start in (*first, *again)]
    assert draws[:2] == draws[2:]
    assert draws[0] != draws[1]


def test_every_point_by_itself_if_there_are_too_few_groups():
    z = np.repeat([[0.0], [1.0]], 20, axis=0)  # k-means finds two groups
    (found,) = KMeansStarts(z, 3, 1, seed=0)
    assert (found.groups == np.arange(40)).all()


@pytest.mark.parametrize("n_different", [1, 30])
def test_groups_of_mostly_equal_points_are_few(n_different):
    """A group for every point would take the square of their number in memory."""
    z = np.zeros((50_000, 3), np.float32)
    z[:n_different] = np.random.default_rng(0).normal(size=(n_different, 3))
    (start,) = KMeansStarts(z, 10, 1, seed=0)
    assert 10 <= len(np.unique(start.groups)) <= 3000
    if n_different == 30:
        assert len(np.unique(start.groups[:30])) >= 10


def test_processes_find_the_same_starts(monkeypatch):
    monkeypatch.setattr(starts, "MANY", 1000)
    z = np.random.default_rng(0).normal(size=(1000, 5))
    alone, together, few = (KMeansStarts(z, 6, 5, seed=1) for _ in range(3))
    together.find(4)
    few.find(3)
    assert len(together.found) == 5
    assert few.found == {}
    for one, other in zip(alone, together, strict=True):
        assert (one.groups == other.groups).all()
        assert one.seed.entropy == other.seed.entropy
        assert one.seed.spawn_key == other.seed.spawn_key
