import io

import numpy as np
import pytest

from gammvae.npz import NpzWriter


def test_chunks_become_the_arrays_that_numpy_reads(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {
        "labels": rng.integers(9, size=50),
        "table": rng.normal(size=(50, 3)).astype(np.float32),
    }
    target = io.BytesIO()
    with NpzWriter(tmp_path / "parts", 50) as writer:
        for part in np.split(np.arange(50), [7, 7, 30]):
            writer.append({name: array[part] for name, array in arrays.items()})
        writer.pack(target)
    assert not (tmp_path / "parts").exists()
    with np.load(io.BytesIO(target.getvalue())) as found:
        assert sorted(found) == ["labels", "table"]
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype


def test_what_another_process_left_is_removed_and_so_is_what_a_failure_leaves(tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "old.npy").write_bytes(b"half")
    target = io.BytesIO()
    with NpzWriter(tmp_path / "parts", 1) as writer:
        writer.append({"x": np.zeros(1)})
        writer.pack(target)
    with np.load(io.BytesIO(target.getvalue())) as found:
        assert found.files == ["x"]

    def fail():
        with NpzWriter(tmp_path / "parts", 1) as writer:
            writer.append({"x": np.zeros(1)})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []
