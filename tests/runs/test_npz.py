import io

import numpy as np
import pytest

from gammvae.runs.npz import NpzWriter


def test_chunks_become_the_arrays_that_numpy_reads(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "labels": rng.integers(9, size=50),
        "table": rng.normal(size=(50, 3)).astype(np.float32),
    }
    target = io.BytesIO()
    with NpzWriter(tmp_path / "x.npz", 50) as writer:
        for part in np.split(np.arange(50), [7, 7, 30]):
            writer.append({name: array[part] for name, array in arrays.items()})
        writer.pack(target)
    assert list(tmp_path.iterdir()) == []
    with np.load(io.BytesIO(target.getvalue())) as found:
        assert sorted(found) == ["labels", "table"]
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype


def test_a_failure_leaves_nothing_and_two_writers_do_not_meet(tmp_path):
    targets = [io.BytesIO(), io.BytesIO()]
    with NpzWriter(tmp_path / "x.npz", 1) as one, NpzWriter(tmp_path / "x.npz", 1) as other:
        one.append({"x": np.zeros(1)})
        other.append({"x": np.ones(1)})
        for writer, target in zip((one, other), targets, strict=True):
            writer.pack(target)
    values = [np.load(io.BytesIO(target.getvalue()))["x"].item() for target in targets]
    assert values == [0, 1]

    def fail():
        with NpzWriter(tmp_path / "x.npz", 1) as writer:
            writer.append({"x": np.zeros(1)})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []
