import json
import logging

import numpy as np
import pytest

from gammvae.data.published.array_cache import prepared


@pytest.fixture
def prepare():
    """Makes other arrays every time, and counts."""

    def make():
        make.calls += 1
        return {"x": np.full((3, 2), make.calls, np.float32), "y": np.arange(3)}

    make.calls = 0
    return make


def test_arrays_are_prepared_once_for_a_source(tmp_path, prepare):
    first = prepared(str(tmp_path), "mine", "a source", prepare)
    again = prepared(str(tmp_path), "mine", "a source", prepare)
    assert prepare.calls == 1
    assert sorted(again) == ["x", "y"]
    for name in ("x", "y"):
        np.testing.assert_array_equal(first[name], again[name])
        assert first[name].dtype == again[name].dtype
    assert sorted(path.name for path in tmp_path.rglob("[!.]*")) == [
        "mine",
        "source.json",
        "x.npy",
        "y.npy",
    ]
    assert json.loads((tmp_path / "mine" / "source.json").read_text())["source"] == "a source"


def test_another_source_replaces_them(tmp_path, prepare):
    prepared(str(tmp_path), "mine", "a source", prepare)
    assert prepared(str(tmp_path), "mine", "another", prepare)["x"][0, 0] == 2
    assert prepared(str(tmp_path), "mine", "another", prepare)["x"][0, 0] == 2
    assert prepared(str(tmp_path), "mine", "a source", prepare)["x"][0, 0] == 3


DAMAGE = {
    "truncated": lambda folder: (folder / "x.npy").write_bytes(b"\x93NUMPY"),
    "altered": lambda folder: np.save(folder / "x.npy", np.zeros((3, 2), np.float32)),
    "missing": lambda folder: (folder / "y.npy").unlink(),
    "not json": lambda folder: (folder / "source.json").write_text("{"),
    "another json": lambda folder: (folder / "source.json").write_text("[]"),
    "half json": lambda folder: (folder / "source.json").write_text('{"source": "a source"}'),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_cache_is_made_anew(tmp_path, prepare, kind):
    prepared(str(tmp_path), "mine", "a source", prepare)
    DAMAGE[kind](tmp_path / "mine")
    assert prepared(str(tmp_path), "mine", "a source", prepare)["x"][0, 0] == 2
    assert prepared(str(tmp_path), "mine", "a source", prepare)["x"][0, 0] == 2


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, prepare, caplog):
    (tmp_path / "file").write_text("not a folder")
    with caplog.at_level(logging.WARNING):
        for call in (1, 2):
            assert prepared(str(tmp_path / "file"), "mine", "s", prepare)["x"][0, 0] == call
    assert "cannot be written" in caplog.text


def test_a_failed_preparation_leaves_what_was_there(tmp_path, prepare):
    prepared(str(tmp_path), "mine", "a source", prepare)

    def fail():
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError):
        prepared(str(tmp_path), "mine", "another", fail)
    assert prepared(str(tmp_path), "mine", "a source", prepare)["x"][0, 0] == 1
