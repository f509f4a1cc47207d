"""Runs on the user's own data, from training to prediction: folders, tables with gaps, AnnData."""

import csv

import numpy as np
import pytest
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
    assert "data=p is a folder: only runs of dataset=folder or dataset=features" in refused.stderr


def write_trees(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["height", "width", "tree"], *rows])


def trees(seed=0):
    """Rows of a table with gaps and texts."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 2)).round(3).tolist()
    rows = [[*row, text] for row, text in zip(x, rng.choice(["ash", "oak"], 60), strict=True)]
    rows[3][0] = rows[8][1] = rows[9][2] = ""
    return rows


def train_on_trees(tmp_path, in_process, missing):
    write_trees(tmp_path / "t.csv", trees())
    data = ("dataset=file", "dataset.path=t.csv", "n_clusters=2", "preprocess=standardize")
    encoding = (f"dataset.missing={missing}", "dataset.categorical=onehot")
    done = in_process("train", *data, *encoding, *SHORT, *EPOCHS)
    assert done.returncode == 0, done.stderr
    return done


def test_new_rows_are_completed_with_the_medians_and_categories_of_training(tmp_path, in_process):
    done = train_on_trees(tmp_path, in_process, "median")
    assert "4 of 240 values are missing, in 3 samples" in done.stderr
    assert in_process("predict", "run", "data=t.csv", "out=p.npz").returncode == 0
    with np.load(tmp_path / "run" / ASSIGNMENTS) as run, np.load(tmp_path / "p.npz") as again:
        np.testing.assert_array_equal(again["embedding"], run["embedding"])
        embedding = run["embedding"]
    # Others' medians would differ, and there is one category only.
    write_trees(tmp_path / "new.csv", [trees()[3], [100, 200, "ash"], [100, "", "ash"]])
    done = in_process("predict", "run", "data=new.csv", "out=new.npz")
    assert "2 missing values are replaced by medians of the run" in done.stderr
    found = np.load(tmp_path / "new.npz")["embedding"]
    np.testing.assert_allclose(found[0], embedding[3], rtol=1e-5, atol=1e-5)
    write_trees(tmp_path / "elm.csv", [[1, 2, "elm"]])
    refused = in_process("predict", "run", "data=elm.csv", "out=new.npz")
    assert "column 'tree' has the text 'elm', which the data of the run did not" in refused.stderr


def test_new_rows_that_lack_a_value_are_left_out_and_the_others_named(tmp_path, in_process):
    train_on_trees(tmp_path, in_process, "drop")
    done = in_process("predict", "run", "data=t.csv", "out=p.npz")
    assert "3 of 60 samples are left out because a value is missing" in done.stderr
    with np.load(tmp_path / "run" / ASSIGNMENTS) as run, np.load(tmp_path / "p.npz") as again:
        np.testing.assert_array_equal(again["embedding"], run["embedding"])
        assert again["samples"].tolist() == [str(i) for i in range(60) if i not in (3, 8, 9)]


def test_cells_of_a_layer_are_predicted_with_their_names(tmp_path, in_process):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "x.h5ad", "w") as file:
        file["layers/logs"] = np.random.default_rng(0).random((30, 4))
        for name, count in (("obs", 30), ("var", 4)):
            file.create_group(name).attrs["_index"] = "names"
            file[f"{name}/names"] = [f"{name} {number}" for number in range(count)]
    data = ("dataset=file", "dataset.path=x.h5ad", "dataset.array=layers/logs", "n_clusters=2")
    done = in_process("train", *data, *SHORT, *EPOCHS)
    assert done.returncode == 0, done.stderr
    done = in_process("predict", "run", "data=x.h5ad", "out=p.npz")
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "run" / ASSIGNMENTS) as run, np.load(tmp_path / "p.npz") as again:
        np.testing.assert_array_equal(again["embedding"], run["embedding"])
        assert again["samples"].tolist() == [f"obs {number}" for number in range(30)]
