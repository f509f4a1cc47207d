import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from gammvae.report.html import palette

SCRIPT = Path(__file__).parents[1] / "scripts" / "picture.py"
SHORT = ("pretrain.epochs=1", "train.epochs=1", "architecture.hidden=[16]", "init=kmeans")
MOST_BYTES = 300_000


@pytest.fixture(scope="module")
def picture():
    spec = importlib.util.spec_from_file_location("picture", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_images_are_mapped_beside_what_the_model_generates(
    in_process, tmp_path, monkeypatch, picture
):
    done = in_process("train", *SHORT, "run_dir=run")
    assert done.returncode == 0, done.err
    monkeypatch.setattr(sys, "argv", ["picture.py", "run", "pictures/digits.png"])
    picture.main()

    path = tmp_path / "pictures" / "digits.png"
    assert path.stat().st_size < MOST_BYTES
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGBA"))
    assert (pixels[..., 3] == 255).all()  # the same on a light and on a dark page
    assert (pixels[0, 0] == 255).all()

    subject = picture.loaded(Path("run"), None)
    map_axis, samples_axis = picture.pictured(subject).axes
    (dots,) = map_axis.collections
    colors = palette(10)
    expected = [colors[label] for label in subject.arrays["labels"]]
    assert [to_hex(color) for color in dots.get_facecolors()] == expected
    assert [to_hex(bar.get_facecolor()) for bar in samples_axis.patches] == colors


def test_tables_are_mapped_alone(in_process, tmp_path, picture):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(60, 4)))
    words = ("dataset=file", "dataset.path=x.npy", "n_clusters=2", "run_dir=run")
    done = in_process("train", *SHORT, *words)
    assert done.returncode == 0, done.err
    (axis,) = picture.pictured(picture.loaded(Path("run"), None)).axes
    assert len(axis.collections[0].get_offsets()) == 60


def test_a_cluster_that_others_cover_leaves_its_row_dark(
    in_process, tmp_path, monkeypatch, picture
):
    assert in_process("train", *SHORT, "run_dir=run").returncode == 0
    subject = picture.loaded(Path("run"), None)
    monkeypatch.setattr(picture, "MIN_POSTERIOR", 1.0)  # which no posterior exceeds
    assert not picture.generated(subject, 0).any()
