import dataclasses
import json
import os
import zipfile

import numpy as np
import pytest

from gammvae import memory
from gammvae.config.schema import from_stored
from gammvae.errors import InputError
from gammvae.runs import stored
from tests.conftest import a_result, compose_config


def test_a_result_is_read_as_it_was_written(tmp_path):
    text = json.dumps(a_result(command="gammvae train")).encode()
    assert stored.parse(stored.RESULT, text, tmp_path) == a_result(command="gammvae train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "damaged: seed: .*greater than or equal to 0, not -1"),
        ({"seed": "1"}, "seed: .*valid integer, not '1'"),
        ({"metrics": []}, "metrics: .*, not \\[\\]"),
        ({"metrics": {"acc": 1.5, "silhouette": 0.0}}, "metrics.acc: "),
        ({"seconds": {"train": float("nan")}}, "seconds.train: .*finite"),
        ({"versions": {"torch": "2"}}, "versions.python: Field required"),
        ({"likelihood": "gamma"}, "likelihood: "),
        ({"dataset_notes": None}, "dataset_notes: "),
    ],
)
def test_a_result_of_other_kind_is_refused_with_the_place(change, message, tmp_path):
    text = json.dumps(a_result(**change)).encode()
    with pytest.raises(InputError, match=message):
        stored.parse(stored.RESULT, text, tmp_path / "result.json")


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 5000, b"1" * 5000, b"null"]
)
def test_what_is_no_object_is_refused(text, tmp_path):
    with pytest.raises(InputError, match=r"result\.json is damaged"):
        stored.parse(stored.RESULT, text, tmp_path / "result.json")


def test_what_a_message_shows_cannot_move_a_cursor(tmp_path):
    text = json.dumps(a_result(seed="\x1b[2J\u202e")).encode()
    with pytest.raises(InputError) as caught:
        stored.parse(stored.RESULT, text, tmp_path / "result.json")
    assert str(caught.value).isprintable()


BOMB = "a: &a [1, 1]\n" + "".join(
    f"{b}: &{b} [{', '.join(f'*{a}' for _ in range(9))}]\n"
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "it holds the alias \\*a"),
        ("a: &a [*a]", "it holds the alias"),
        ("[" * 5000, "deeper or longer"),
        ("{a: " * 5000, "deeper or longer"),
        ("a: [" + "1, " * 200_000 + "]", "deeper or longer"),
        ("a: !!python/object/apply:os.mkdir [hacked]", "could not determine a constructor"),
        ("x" * 2**21, "it may have 1,048,576"),
        ("a: 0x" + "f" * 5000, "a number of 5002 digits"),
        ("a: 1" + ":59" * 200_000, "a number of 600001 digits"),
        ("a: 1" + "0" * 5000 + ".5", "a number of 5003 digits"),
        ("- 1", "no mapping"),
        ("", "no mapping"),
        ("a: 'x", "is damaged"),
        ("? [a, b]\n: 1", "is damaged"),
    ],
)
def test_yaml_that_is_none_of_ours_is_refused(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        stored.read_yaml(tmp_path / "config.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize(
    "text", ["${oc.env:HOME}", "a${seed}b", "\\${seed}", "\\\\${seed}", "${", "x\\", "${a${b}}"]
)
def test_texts_of_a_stored_configuration_stand_for_themselves(text, tmp_path):
    tree = dataclasses.asdict(compose_config())
    tree["dataset"] |= {"path": text, "loader": {"_target_": text, "more": [{"deep": text}]}}
    config = from_stored(tree)
    assert config.dataset.path == text
    assert config.dataset.loader == {"_target_": text, "more": [{"deep": text}]}


def test_what_is_published_of_a_dataset_is_not_read_from_a_run(tmp_path):
    tree = dataclasses.asdict(compose_config())
    tree["dataset"]["about"] = {"files": {"../x": {"url": "file:///etc/passwd", "digest": ""}}}
    assert from_stored(tree).dataset.about.files == {}


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_refused_and_does_not_block(make, tmp_path):
    make(tmp_path / "x")
    for read in (stored.content, stored.read_yaml, stored.read_arrays):
        with pytest.raises(InputError, match="x is not a file"):
            read(tmp_path / "x")


def test_arrays_that_fill_the_memory_are_refused_before_they_do(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "x.npz", labels=np.zeros(2**21))
    monkeypatch.setattr(memory.os, "sysconf", lambda name: 2**12)
    with pytest.raises(InputError, match="unpacks to 16,777,.*: it may have 8,388,608"):
        stored.read_arrays(tmp_path / "x.npz")


def test_pickled_objects_and_wrong_sums_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", labels=np.array([{}]))
    with pytest.raises(InputError, match=r"x\.npz is damaged"):
        stored.read_arrays(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", labels=np.arange(100))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        start = archive.infolist()[0].header_offset
    data[start + 300] ^= 1
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(InputError, match="does not match its checksum"):
        stored.read_arrays(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 2)), "of type float64"),
        (np.zeros((3, 2), int), r"shape \(3, 2\), not of kind i and shape 3"),
        (np.zeros(4, int), r"shape \(4,\)"),
        (np.zeros((), int), r"shape \(\)"),
    ],
)
def test_an_array_of_another_kind_is_refused(array, message, tmp_path):
    with pytest.raises(InputError, match=message):
        stored.check_array({"x": array}, "x", "i", (3,), tmp_path)
    with pytest.raises(InputError, match="it holds no array y"):
        stored.check_array({"x": array}, "y", "i", (3,), tmp_path)


def test_an_array_is_finite(tmp_path):
    with pytest.raises(InputError, match="x holds a value that is not finite"):
        stored.check_array({"x": np.array([0, np.nan])}, "x", "f", (None,), tmp_path)
