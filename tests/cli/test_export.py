import csv
import json
import shutil

import numpy as np
import pytest
import torch

from gammvae.cli.export_programs import Differences, difference, difference_decoded
from gammvae.data.preprocessing import Preprocessing
from gammvae.runs.contents import ASSIGNMENTS
from gammvae.runs.directory import RunDirectory
from gammvae.runs.trained import load_trained

SHORT = ("architecture.hidden=[8]", "init.n_init=1", "pretrain.epochs=2", "train.epochs=2")
DATA = ("dataset=file", "dataset.labels=kind", "dataset.drop=[note]", "n_clusters=3")


def rows():
    """A table with the row names of pandas, a text column, numbers that are texts, and classes."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(60, 3)) + 4 * np.eye(3)[np.arange(60) % 3]) * [1, 50, 0.01]
    head = ["", "code", "note", "a", "b", "kind"]
    lines = [[f"s{i}", i % 7, f"n, {i}", *x[i, :2].round(3), i % 3] for i in range(60)]
    return [head, *[[row[0], f"00{row[1]}", *row[2:]] for row in lines]]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A run that is trained once for all tests."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def run(store, tmp_path, in_process):
    """A run of the table, with its preprocessing."""
    if not (store / "run").exists():
        with (store / "t.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows())
        data = (f"dataset.path={store / 't.csv'}", "preprocess=standardize", "device=cpu")
        done = in_process("train", *DATA, *data, *SHORT, f"run_dir={store / 'run'}")
        assert done.returncode == 0, done.stderr
    shutil.copytree(store, tmp_path, dirs_exist_ok=True)
    return tmp_path / "run"


def read(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_a_table_has_clusters_beside_the_users_index(run, tmp_path, in_process):
    done = in_process("export", "run", "out=new/t.csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["60 samples: '', cluster, probability", "new/t.csv"]
    head, *lines = read(tmp_path / "new" / "t.csv")
    assert head == ["", "cluster", "probability"]
    assert [line[0] for line in lines] == [f"s{i}" for i in range(60)]
    with np.load(run / ASSIGNMENTS) as arrays:
        assert [int(line[1]) for line in lines] == arrays["labels"].tolist()
        found = np.array([line[2] for line in lines], np.float32)
        assert (found == arrays["responsibilities"].max(1)).all()


def test_a_table_has_the_users_cells_as_they_are(run, tmp_path, in_process):
    done = in_process("export", "run", "out=t2.csv", "columns=true", "embedding=true")
    assert done.returncode == 0, done.stderr
    found, given = read(tmp_path / "t2.csv"), read(tmp_path / "t.csv")
    assert [line[:6] for line in found] == given
    with np.load(run / ASSIGNMENTS) as arrays:
        embedding = np.array([line[8:] for line in found[1:]], np.float32)
        assert (embedding == arrays["embedding"]).all()
    assert found[0][6:9] == ["cluster", "probability", "embedding_0"]


def test_a_parquet_table_has_types(run, tmp_path, in_process):
    from pyarrow import parquet, types

    done = in_process("export", "run", "out=t.parquet", "columns=true")
    assert done.returncode == 0, done.stderr
    table = parquet.read_table(tmp_path / "t.parquet")
    assert table.column_names == [*rows()[0], "cluster", "probability"]
    assert types.is_floating(table.schema.field("a").type)
    assert types.is_integer(table.schema.field("cluster").type)
    assert table.column("note").to_pylist() == [row[2] for row in rows()[1:]]


def test_an_array_has_no_columns_and_a_file_is_not_replaced_unasked(tmp_path, in_process):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 3)))
    data = ("dataset=file", "dataset.path=x.npy", "n_clusters=3", "model=kmeans", "run_dir=k")
    assert in_process("train", *data).returncode == 0
    (tmp_path / "k.csv").write_text("mine")
    refused = in_process("export", "k", "out=k.csv")
    assert (refused.returncode, (tmp_path / "k.csv").read_text()) == (2, "mine")
    assert "out=k.csv exists: overwrite=true replaces it" in refused.stderr
    assert in_process("export", "k", "out=k.csv", "overwrite=true").returncode == 0
    assert read(tmp_path / "k.csv")[0] == ["cluster", "probability"]
    refused = in_process("export", "k", "out=c.csv", "columns=true")
    assert refused.returncode == 2
    assert "columns=true has no use: the columns of x.npy have no names" in refused.stderr
    refused = in_process("export", "k", "out=k.pt2")
    assert refused.returncode == 2
    assert "needs a model with a mixture prior" in refused.stderr


def test_programs_take_samples_as_the_user_has_them(run, tmp_path, in_process):
    done = in_process("export", "run", "out=m.pt2")
    assert done.returncode == 0, done.stderr
    assert "checked on 60 samples of the data: 0 labels differ" in done.stdout
    assert done.stdout.splitlines()[-2:] == ["m.pt2", "m_decoder.pt2"]
    columns = [rows()[0].index(name) for name in ("code", "a", "b")]
    x = np.array([[line[i] for i in columns] for line in rows()[1:]], float)
    assert in_process("predict", "run", "data=t.csv", "out=p.npz").returncode == 0
    about = {"gammvae.json": ""}
    clusters = torch.export.load(tmp_path / "m.pt2", extra_files=about).module()
    assert json.loads(about["gammvae.json"])["features"] == ["code", "a", "b"]
    embedding, responsibilities, label = clusters(torch.from_numpy(x))
    with np.load(tmp_path / "p.npz") as known:
        assert np.allclose(embedding.numpy(), known["embedding"], atol=1e-5)
        assert np.allclose(responsibilities.numpy(), known["responsibilities"], atol=1e-5)
        assert (label.numpy() == known["labels"]).all()
    decoded = torch.export.load(tmp_path / "m_decoder.pt2").module()(embedding).numpy()
    trained = load_trained(RunDirectory(run), "cpu")
    with torch.no_grad():
        mean = trained.model.decoder(embedding).mean.numpy()
    assert np.allclose(decoded, trained.facts.preprocessing.invert(mean), atol=1e-4)


@pytest.mark.parametrize("missing", ["median", "drop"])
def test_missing_values_are_treated_as_in_training(tmp_path, in_process, missing):
    """And columns of text are the features that they were made into."""
    head, *lines = rows()
    for number, row in enumerate(lines):
        row[2] = "even" if number % 2 == 0 else "odd"
        row[3] = "" if number % 10 == 0 else row[3]
    with (tmp_path / "m.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *lines])
    data = ("dataset=file", "dataset.path=m.csv", "dataset.labels=kind", "n_clusters=3")
    how = (f"dataset.missing={missing}", "dataset.categorical=onehot", "preprocess=standardize")
    assert in_process("train", *data, *how, *SHORT, "run_dir=m").returncode == 0
    assert in_process("export", "m", "out=m2.csv").returncode == 0
    kept = [number for number, row in enumerate(lines) if row[3] or missing == "median"]
    found = read(tmp_path / "m2.csv")
    assert [line[0] for line in found[1:]] == [lines[number][0] for number in kept]
    assert ("sample" in found[0]) == (missing == "drop")
    if missing == "drop":  # positions in the user's file
        assert found[0][:2] == ["", "sample"]
        assert [int(line[1]) for line in found[1:]] == kept
    done = in_process("export", "m", "out=m.pt2")
    assert done.returncode == 0, done.stderr
    assert "columns of text (note) are its features of 0 and 1" in done.stdout
    assert ("NaN, become medians of the run" in done.stdout) == (missing == "median")
    if missing == "median":
        assert in_process("predict", "m", "data=m.csv", "out=p.npz").returncode == 0
        about = {"gammvae.json": ""}
        clusters = torch.export.load(tmp_path / "m.pt2", extra_files=about).module()
        names = json.loads(about["gammvae.json"])["features"]
        cells = [dict(zip(head, row, strict=True)) for row in lines]
        values = [
            [
                float(row.get(name) or "nan") if name in head else float(name.endswith(row["note"]))
                for name in names
            ]
            for row in cells
        ]
        with np.load(tmp_path / "p.npz") as known:
            label = clusters(torch.tensor(values, dtype=torch.float64))[2].numpy()
            assert (label == known["labels"]).all()


def test_without_the_data_programs_are_checked_on_generated_samples(run, tmp_path, in_process):
    (tmp_path / "t.csv").rename(tmp_path / "moved.csv")
    done = in_process("export", "run", "out=m.pt2", "dataset.path=t.csv")
    assert done.returncode == 0, done.stderr
    assert "dataset.path=t.csv does not exist; so the programs are checked on" in done.stderr
    assert "checked on 1002 generated samples" in done.stdout
    done = in_process("export", "run", "out=m.csv", "dataset.path=moved.csv")
    assert done.returncode == 0, done.stderr


def test_a_program_that_differs_is_not_written(run, tmp_path, in_process, monkeypatch):
    wrong = Differences(0.0, float("nan"), 0.0, 0)
    monkeypatch.setattr("gammvae.cli.export_programs.differences", lambda *_: wrong)
    done = in_process("export", "run", "out=m.pt2")
    assert done.returncode == 2
    assert "out=m.pt2 is not written: the program differs from the model by nan" in done.stderr
    assert not list(tmp_path.glob("*.pt2"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("run", "export needs out: out=FILE"),
        ("run out=x.txt", "out=x.txt is of unknown kind: it must end in .pt2, .onnx, .csv, .parq"),
        ("run out=x.pt2 columns=true", "columns=true has no use: out=x.pt2 is a program, no table"),
        ("run out=x.csv n=3", "export has no setting n=3: it takes out, embedding, columns"),
        ("run out=t.csv dataset.path=t.csv", "out=t.csv would replace t.csv, which is read"),
        ("run out=x.csv dataset.path=other.csv", "dataset.path=other.csv is not what run was trai"),
        ("none out=x.csv", "none is not a run directory"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_a_line(words, message, run, tmp_path, in_process):
    lines = (tmp_path / "t.csv").read_text().splitlines(keepends=True)
    (tmp_path / "other.csv").write_text("".join(lines[:-1]))
    refused = in_process("export", *words.split())
    assert refused.returncode == 2
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_a_column_with_the_name_of_a_result_is_refused(run, tmp_path, in_process):
    lines = (tmp_path / "t.csv").read_text().replace("note", "cluster", 1)
    (tmp_path / "t.csv").write_text(lines)
    settings = ("dataset.path=t.csv", "dataset.drop=[cluster]", "run_dir=c", "model=kmeans")
    assert in_process("train", *DATA, *settings).returncode == 0
    refused = in_process("export", "c", "out=x.csv", "columns=true")
    assert "the data have a column 'cluster' as the export has: columns=false" in refused.stderr
    assert in_process("export", "c", "out=x.csv").returncode == 0


def test_differences_are_in_standard_deviations():
    mean = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    off = mean.copy()
    off[3, 1] += 0.5
    expected = pytest.approx(0.5 / mean.std(), rel=1e-6)
    assert difference(off, mean) == expected
    figures = {"mean": np.array([1e3, -5.0]), "deviation": np.array([1e-3, 70.0])}
    for known in (Preprocessing("standardize", figures), Preprocessing("l2", {})):
        there = known.invert(off) if known.invertible else off
        assert difference_decoded(there, mean, known) == pytest.approx(expected.expected, rel=1e-5)
