from dataclasses import replace

import numpy as np
import pytest

from gammvae.config.published import AboutConfig, FileConfig
from gammvae.data.by_name import load_dataset
from gammvae.data.dataset import Dataset
from gammvae.errors import InputError
from tests.data.test_training_data import GOOD, mine


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"samples": 6}, "dataset mine has 5 samples, 6 are published"),
        ({"features": 5}, "dataset mine has 4 features, 5 are published"),
    ],
)
def test_another_size_than_published_is_refused(about, message):
    assert load_dataset(mine(GOOD, about=AboutConfig(samples=5, features=4))) is GOOD
    with pytest.raises(InputError, match=message):
        load_dataset(mine(GOOD, about=AboutConfig(**about)))


def test_an_altered_file_is_refused_by_name_unless_its_content_is_known(tmp_path):
    (tmp_path / "data.bin").write_bytes(b"other")
    files = {"data.bin": FileConfig("http://example.org/data.bin", "sha256:" + "0" * 64)}
    place = {"root": str(tmp_path)}
    with pytest.raises(InputError, match=r"data\.bin is not the published file: its digest is sha"):
        load_dataset(mine(GOOD, about=AboutConfig(files=files), **place))
    others = AboutConfig(files=files, contents={"0" * 64: "something else"})
    with pytest.raises(InputError, match=r"data\.bin is not the published file: its digest is sha"):
        load_dataset(mine(GOOD, about=others, **place))
    known = AboutConfig(files=files, contents={GOOD.digest: "made by hand"})
    dataset = load_dataset(mine(GOOD, about=known, **place))
    assert dataset.notes == (f"{tmp_path}/data.bin: made by hand",)
    np.testing.assert_array_equal(dataset.x, GOOD.x)


def read_from(path: str, header: bool = True) -> Dataset:
    """A user's own loader of a file."""
    assert (path, header) == ("mine.npy", False)
    return GOOD


@pytest.mark.parametrize("path", [None, "mine.npy"])
def test_a_loader_takes_its_own_path_unless_the_user_sets_another(path):
    own = {"_target_": f"{__name__}.read_from", "path": "mine.npy", "header": False}
    assert load_dataset(mine(GOOD, loader=own, path=path)) is GOOD


@pytest.mark.parametrize(("name", "value"), [("path", "other.npy"), ("header", True)])
def test_a_setting_that_the_loader_sets_as_well_is_refused(name, value):
    own = {"_target_": f"{__name__}.read_from", "path": "mine.npy", "header": False}
    expected = (
        rf"dataset\.{name}={value} and dataset\.loader\.{name}={own[name]} exclude each other: "
        "dataset mine sets the latter, so leave out the former, or override the latter"
    )
    with pytest.raises(InputError, match=expected):
        load_dataset(mine(GOOD, loader=own, **{name: value}))


def in_folders(root: str, cache: str) -> Dataset:
    """A user's own loader that reads from folders."""
    global FOLDERS
    FOLDERS = root, cache
    return GOOD


def test_a_loader_is_given_folders_in_which_home_is_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    loader = {"_target_": f"{__name__}.in_folders"}
    load_dataset(mine(GOOD, loader=loader, root="~/data", cache="~/.cache/gammvae"))
    assert FOLDERS == ("/home/me/data", "/home/me/.cache/gammvae")


def offered(root: str, download: bool, cache: str, extra: int, device: str) -> Dataset:
    """A user's own loader with arguments."""
    assert (root, download, extra, device) == ("there", False, 3, "cpu")
    assert cache.endswith("cache")
    return GOOD


def test_a_loader_is_given_what_it_takes():
    config = mine(
        GOOD,
        loader={"_target_": f"{__name__}.offered", "extra": 3},
        root="there",
        download=False,
    )
    assert load_dataset(config, "cpu") is GOOD


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        ({"_target_": "gammvae.data.by_name.nothing"}, "cannot be imported"),
        ({"_target_": "no_such_module.load"}, "cannot be imported"),
        ({"_target_": "gammvae.data.benchmarks.digits", "size": 3}, "unexpected keyword argument"),
        ({"_target_": f"{__name__}.offered"}, "missing a required argument: 'extra'"),
    ],
)
def test_a_loader_that_cannot_be_called_is_refused(loader, message):
    with pytest.raises(InputError, match=message):
        load_dataset(mine(GOOD, loader=loader), "cpu")


@pytest.mark.parametrize(
    "setting", ["path=x.npy", "labels=kind", "array=x", "drop=[id]", "header=false"]
)
def test_a_setting_that_the_loader_does_not_take_is_refused(setting):
    with pytest.raises(InputError, match=r"has no use: dataset mine reads none"):
        load_dataset(mine(GOOD, f"dataset.{setting}"))


def test_classes_of_bytes_become_text():
    y = np.array(["a", "é", "a", "b", "b"])
    data = load_dataset(mine(replace(GOOD, y=np.char.encode(y, "utf-8"))))
    assert data.y.tolist() == y.tolist()
    assert data.y.dtype.kind == "U"
    with pytest.raises(InputError, match="classes that are no text in UTF-8"):
        load_dataset(mine(replace(GOOD, y=np.array([b"\xff"] * 5))))
