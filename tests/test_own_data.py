"""Runs on the user's own data, from training to prediction: folders, tables with gaps, AnnData."""

import csv

import numpy as np
from PIL import Image

from gammvae.runs.contents import ASSIGNMENTS, DATA

SHORT = ("architecture.hidden=[32]", "device=cpu", "init.n_init=1", "run_dir=run")
EPOCHS = ("pretrain.epochs=1", "train.epochs=1")


def test_new_images_are_predicted_from_a_folder_like_those_of_training(tmp_path, in_process):
    pixels = np.random.default_rng(0).integers(256, size=(30, 9, 12), dtype=np.uint8)
    for number, image in enumerate(pixels):
        (tmp_path / f"p/{number % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"p/{number % 2}/{number:02d}.png")
    data = ("dataset=folder", "dataset.path=p", "n_clusters=2", "dataset.shape=[1,6,6]")
    done = in_process("train", *data, *SHORT, *EPOCHS)
    assert done.returncode == 0, done.stderr
    for out in ("p.npz", "p.csv"):
        done = in_process("predict", "run", "data=p", f"out={out}")
        assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "run" / ASSIGNMENTS) as run, np.load(tmp_path / "p.npz") as again:
        np.testing.assert_array_equal(again["embedding"], run["embedding"])
        names = again["samples"].tolist()
    assert names[:2] == ["0/00.png", "0/02.png"]
    assert np.load(tmp_path / "run" / DATA)["samples"].tolist() == names
    with open(tmp_path / "p.csv", newline="") as file:
        assert [row["sample"] for row in csv.DictReader(file)] == names
    refused = in_process("predict", "run", "data=p", "out=p.npz", "drop=[a]")
    assert "drop=['a'] has no use: data=p is a folder" in refused.stderr


def test_a_folder_does_not_suit_a_run_on_a_file(tmp_path, in_process):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((30, 1, 6, 6)))
    data = ("dataset=file", "dataset.path=x.npy", "n_clusters=2")
    assert in_process("train", *data, *SHORT, *EPOCHS).returncode == 0
    (tmp_path / "p").mkdir()
    refused = in_process("predict", "run", "data=p", "out=p.npz")
    assert "data=p is a folder: only runs of dataset=folder take one" in refused.stderr
