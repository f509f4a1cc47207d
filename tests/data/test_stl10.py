import dataclasses

import numpy as np
import pytest
import torch
from torchvision.models import ResNet50_Weights, resnet50

import gammvae.data.extraction
import gammvae.data.stl10
from gammvae.data.by_name import load_dataset
from gammvae.errors import InputError
from tests.conftest import as_published, compose_config

PARTS = {"train": 5, "test": 4}
WEIGHTS = "resnet50-0676ba61.pth"


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return resnet50().eval()


@pytest.fixture(scope="module")
def images():
    """Images ``(9, 96, 96, 3)`` as a person would index them: row, column, channel."""
    return np.random.default_rng(0).integers(256, size=(9, 96, 96, 3), dtype=np.uint8)


@pytest.fixture
def root(tmp_path, network, images):
    """STL-10's binary format: channel by channel, column by column; classes from 1."""
    (tmp_path / "stl10_binary").mkdir()
    for part, rows in [("train", slice(5)), ("test", slice(5, 9))]:
        folder = tmp_path / "stl10_binary"
        (folder / f"{part}_X.bin").write_bytes(images[rows].transpose(0, 3, 2, 1).tobytes())
        classes = (np.arange(9)[rows] % 10 + 1).astype(np.uint8)
        (folder / f"{part}_y.bin").write_bytes(classes.tobytes())
    torch.save(network.state_dict(), tmp_path / WEIGHTS)
    return tmp_path


def load(root):
    found = compose_config("dataset=stl10", f"dataset.root={root}").dataset
    files = as_published(root, found.about.files, "http://example.org/x")
    return load_dataset(
        dataclasses.replace(
            found,
            cache=str(root / "cache"),
            download=False,
            about=dataclasses.replace(found.about, samples=9, files=files),
            loader={**found.loader, "parts": PARTS},
        ),
        "cpu",
    )


def test_features_are_those_of_the_network_below_its_last_layer(root, network, images):
    data = load(root)
    assert (data.x.shape, data.x.dtype, data.shape) == ((9, 2048), np.float32, (2048,))
    np.testing.assert_array_equal(data.y, np.arange(9))
    transform = ResNet50_Weights.IMAGENET1K_V1.transforms()
    with torch.no_grad():
        batch = transform(torch.from_numpy(images).permute(0, 3, 1, 2).contiguous())
        classified = network(batch)
        mine = network.fc(torch.from_numpy(data.x))
    torch.testing.assert_close(mine, classified, rtol=1e-4, atol=1e-4)


def test_they_are_extracted_once(root, monkeypatch):
    first = load(root)
    assert sorted(path.name for path in (root / "cache").glob("[!.]*")) == ["stl10"]
    assert not list((root / "cache").glob("*.part"))

    def no_more(*_):
        raise AssertionError

    monkeypatch.setattr(gammvae.data.stl10, "extract", no_more)
    assert load(root).digest == first.digest


@pytest.mark.parametrize("changed", ["stl10_binary/test_X.bin", "stl10_binary/test_y.bin", WEIGHTS])
def test_and_anew_if_images_or_weights_change(root, changed, network):
    first = load(root)
    if changed == WEIGHTS:
        state = network.state_dict()
        torch.save({name: value * 1.01 for name, value in state.items()}, root / WEIGHTS)
    else:
        (root / changed).write_bytes((root / changed).read_bytes()[::-1])
    assert load(root).digest != first.digest


def test_an_interrupted_extraction_goes_on_after_its_last_whole_batch(root, monkeypatch):
    monkeypatch.setattr(gammvae.data.extraction, "BATCH", 2)
    whole = load(root)
    (root / "cache" / "stl10" / "source.json").unlink()
    resnet, calls = gammvae.data.stl10.resnet, []

    def counted(*arguments, stop_at=None):
        network = resnet(*arguments)

        def call(batch):
            calls.append(len(batch))
            if len(calls) == stop_at:
                raise KeyboardInterrupt
            return forward(batch)

        forward, network.forward = network.forward, call
        return network

    monkeypatch.setattr(gammvae.data.stl10, "resnet", lambda *a: counted(*a, stop_at=4))
    with pytest.raises(KeyboardInterrupt):
        load(root)
    (begun,) = (root / "cache").glob(".stl10-*.part")
    with begun.open("ab") as file:
        file.write(b"half a row")
    calls.clear()
    monkeypatch.setattr(gammvae.data.stl10, "resnet", counted)
    again = load(root)
    assert calls == [2, 1]
    np.testing.assert_array_equal(again.x, whole.x)
    assert not begun.exists()


@pytest.mark.parametrize("file", ["stl10_binary/train_X.bin", "stl10_binary/test_y.bin", WEIGHTS])
@pytest.mark.parametrize("keep", [0, 0.5])
def test_a_truncated_file_is_named(root, file, keep):
    content = (root / file).read_bytes()
    (root / file).write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(InputError, match=f"{file.rpartition('/')[2]} is damaged: "):
        load(root)


def test_weights_that_are_pickled_code_are_not_run(root):
    class Bomb:
        def __reduce__(self):
            return (open, (str(root / "executed"), "w"))

    torch.save({"fc.weight": Bomb()}, root / WEIGHTS)
    with pytest.raises(InputError, match=f"{WEIGHTS} is damaged: "):
        load(root)
    assert not (root / "executed").exists()


@pytest.mark.parametrize("file", ["stl10_binary/train_X.bin", WEIGHTS])
def test_a_missing_file_says_where_it_comes_from(root, file):
    (root / file).unlink()
    with pytest.raises(InputError, match=f"{file} is missing and dataset.download=false; it comes"):
        load(root)
