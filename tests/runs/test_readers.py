import os
import zipfile

import numpy as np
import pytest

from gammvae.errors import InputError
from gammvae.runs import readers
from gammvae.system import memory

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
        ("a: {b: 1, c: 2, b: 3}", "it holds 'b' twice"),
        ("? [a, b]\n: 1", "is damaged"),
    ],
)
def test_yaml_that_is_none_of_ours_is_refused(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        readers.read_yaml(tmp_path / "config.yaml")
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_refused_and_does_not_block(make, tmp_path):
    make(tmp_path / "x")
    for read in (readers.content, readers.read_yaml, readers.read_arrays):
        with pytest.raises(InputError, match="x is not a file"):
            read(tmp_path / "x")


def test_arrays_that_fill_the_memory_are_refused_before_they_do(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "x.npz", labels=np.zeros(2**21))
    monkeypatch.setattr(memory.os, "sysconf", lambda name: 2**12)
    with pytest.raises(InputError, match="unpacks to 16,777,.*: it may have 8,388,608"):
        readers.read_arrays(tmp_path / "x.npz")


def test_pickled_objects_and_wrong_sums_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", labels=np.array([{}]))
    with pytest.raises(InputError, match=r"x\.npz is damaged"):
        readers.read_arrays(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", labels=np.arange(100))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        start = archive.infolist()[0].header_offset
    data[start + 300] ^= 1
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(InputError, match="does not match its checksum"):
        readers.read_arrays(tmp_path / "x.npz")


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
        readers.check_array({"x": array}, "x", "i", (3,), tmp_path)
    with pytest.raises(InputError, match="it holds no array y"):
        readers.check_array({"x": array}, "y", "i", (3,), tmp_path)


def test_an_array_is_finite(tmp_path):
    with pytest.raises(InputError, match="x holds a value that is not finite"):
        readers.check_array({"x": np.array([0, np.nan])}, "x", "f", (None,), tmp_path)
