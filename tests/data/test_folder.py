import re

import numpy as np
import pytest
from PIL import Image

from gammvae.data.folder import load
from gammvae.errors import InputError
from tests.conftest import compose_config

PIXELS = np.random.default_rng(0).integers(256, size=(6, 5, 4, 3), dtype=np.uint8)
NAMES = ["cat/0.png", "cat/1.png", "dog/0.png", "dog/in/1.png", "dog/in/2.png", "owl/0.png"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, pixels in zip(NAMES, PIXELS, strict=True):
        path = tmp_path / "pets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path / "pets"


def test_images_of_one_size_are_read_as_they_are():
    data = load("pets", None, None)
    np.testing.assert_allclose(data.x, PIXELS.transpose(0, 3, 1, 2).reshape(6, -1) / 255, atol=1e-6)
    assert (data.shape, data.y, data.samples, data.notes) == ((3, 5, 4), None, tuple(NAMES), ())


def test_folders_are_classes_only_if_asked_for(folder):
    kinds = ["cat", "cat", "dog", "dog", "dog", "owl"]
    assert load("pets", "folders", None).y.tolist() == kinds
    (folder / "kinds.txt").write_text("\n".join(kinds))
    data = load("pets", "pets/kinds.txt", None)
    assert data.y.tolist() == kinds
    assert data.notes == ("1 files in pets are no images and left out",)
    Image.fromarray(PIXELS[0]).save(folder / "z.png")
    with pytest.raises(InputError, match=r"labels=folders does not suit pets/z\.png: every image"):
        load("pets", "folders", None)


def test_images_of_several_sizes_need_a_shape_which_the_message_gives(folder):
    Image.fromarray(PIXELS[0, :, :, 0]).resize((9, 3)).save(folder / "z.jpg")
    with pytest.raises(InputError, match=r"2 sizes, such as 3 x 9 and 5 x 4 \(height") as error:
        load("pets", None, None)
    word = re.search(r"'dataset\.(shape=\[3,3,3\])'", str(error.value))[1]
    config = compose_config("dataset=folder", "n_clusters=2", f"dataset.{word}")
    data = load("pets", None, config.dataset.shape)
    assert (data.x.shape, data.shape) == ((7, 27), (3, 3, 3))
    gray = load("pets", None, [1, 4, 4])
    assert gray.x.shape == (7, 16)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, None, None), "dataset.path is missing: dataset=folder needs dataset.path=FOLDER"),
        (("cats", None, None), "dataset.path=cats does not exist"),
        (("pets/cat/0.png", None, None), "dataset.path=pets/cat/0.png is not a folder"),
        (("pets", None, [2, 5, 4]), "dataset.shape=[2, 5, 4] does not suit images in a folder"),
        (("pets", None, [20]), "dataset.shape=[20] does not suit images in a folder"),
        (("pets", "kinds.txt", None), "dataset.labels=kinds.txt does not exist"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(arguments, message):
    with pytest.raises(InputError, match=re.escape(message)):
        load(*arguments)
