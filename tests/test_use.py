"""Finished runs in use: sample, predict, report, evaluate."""

import csv
import html.parser
import json
import re
import shlex
import shutil
import subprocess

import numpy as np
import pytest
from pyarrow import parquet

from gammvae.cli.sample_clusters import table
from gammvae.config.overrides import override
from gammvae.data.preprocessing import Preprocessing
from gammvae.runs.contents import ASSIGNMENTS, GENERATION, REPORT

SHORT = ("architecture.hidden=[32]", "device=cpu")
EVIL = '<script>alert("x")</script>'


def written(path, lines):
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(lines)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Runs that are trained once for all tests."""
    return tmp_path_factory.mktemp("store")


def copied(store, name, tmp_path, train):
    """A folder of a run, trained if this is the first test that needs it, copied otherwise."""
    if not (store / name).exists():
        done = train()
        assert done.returncode == 0, done.stderr
        shutil.copytree(tmp_path, store / name)
    shutil.copytree(store / name, tmp_path, dirs_exist_ok=True)
    return tmp_path / "run"


@pytest.fixture
def images(store, tmp_path, in_process):
    """A run of the digits, hardly trained."""
    settings = ("init.n_init=1", "run_dir=run", "pretrain.epochs=2", "train.epochs=2")
    return copied(store, "images", tmp_path, lambda: in_process("train", *SHORT, *settings))


@pytest.fixture
def features(store, tmp_path, in_process):
    """A run of a table with names, classes and a column to leave out; some names are markup."""
    rng = np.random.default_rng(0)
    centers = np.array([[0, 100, 5], [30, 900, 5], [60, 100, 9]])
    x = centers[np.arange(150) % 3] + rng.normal(size=(150, 3)) * [1, 20, 0.3]
    classes = [EVIL, "b & c", "it's"]
    rows = [[i, *row, classes[i % 3]] for i, row in enumerate(x.round(4).tolist())]
    written(tmp_path / "t.csv", [["id", EVIL, "size", "$x^2$", "kind"], *rows])
    data = ("dataset=file", "dataset.path=t.csv", "dataset.labels=kind", "dataset.drop=[id]")
    settings = ("n_clusters=3", "preprocess=standardize", "run_dir=run", "batch_size=15")
    epochs = ("pretrain.epochs=60", "train.epochs=60")
    return copied(
        store, "features", tmp_path, lambda: in_process("train", *data, *settings, *epochs, *SHORT)
    )


def test_samples_of_images_are_a_picture_and_arrays(images, in_process):
    done = in_process("sample", "run", "n=5", "min_posterior=0")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == ["run/samples.npz", "run/samples.png"]
    with np.load(images / "samples.npz") as arrays:
        assert arrays["x"].shape == (50, 1, 8, 8)
        assert (arrays["cluster"] == np.repeat(np.arange(10), 5)).all()
        assert arrays["z"].shape[0] == arrays["posterior"].shape[0] == 50
        first = arrays["x"]
    assert in_process("sample", "run", "n=5", "min_posterior=0", "out=again").returncode == 0
    with np.load(images.parent / "again.npz") as arrays:
        assert (arrays["x"] == first).all()
    refused = in_process("sample", "run", "n=5", "min_posterior=0", "out=again.png")
    assert "out=again.npz exists: overwrite=true replaces it" in refused.stderr
    only = in_process("sample", "run", "cluster=2", "min_posterior=0", "seed=1", "out=two.png")
    assert only.returncode == 0, only.stderr
    with np.load(images.parent / "two.npz") as arrays:
        assert set(arrays["cluster"]) == {2}


def test_samples_of_features_are_a_table_in_the_original_units(features, in_process):
    done = in_process("sample", "run", "n=200", "min_posterior=0.5")
    assert done.returncode == 0, done.stderr
    with (features / "samples.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["cluster", "posterior", EVIL, "size", "$x^2$"]
    values = np.array(rows, float)
    with np.load(features / ASSIGNMENTS) as arrays:
        labels = arrays["labels"]
    with (features.parent / "t.csv").open(newline="") as file:
        x = np.array([row[1:4] for row in list(csv.reader(file))[1:]], float)
    spans = np.ptp(x, axis=0)
    for cluster in range(3):
        generated = values[values[:, 0] == cluster, 2:].mean(0)
        assert (np.abs(generated - x[labels == cluster].mean(0)) < 0.25 * spans).all()


@pytest.mark.parametrize("kind", ["standardize", "minmax", "none"])
def test_samples_far_larger_than_their_spread_keep_it(kind):
    scaled = np.random.default_rng(0).random((50, 2)).astype(np.float32)
    far, spread = 2e7, 0.2
    figures = {
        "standardize": {"mean": np.full(2, far), "deviation": np.full(2, spread)},
        "minmax": {"low": np.full(2, far), "high": np.full(2, far + spread)},
        "none": {},
    }[kind]
    x = Preprocessing(kind, figures).original(scaled)
    text = table(x, {"cluster": np.zeros(50, int), "posterior": np.ones(50)}, ())
    read = np.array([line.split(",")[2:] for line in text.splitlines()[1:]], float)
    assert (read.astype(x.dtype) == x).all()
    if kind != "none":
        assert np.abs((read - far) / spread - scaled).max() < 1e-4
    assert x.dtype == (np.float32 if kind == "none" else np.float64)


def test_samples_that_float32_holds_are_written_in_it(features, in_process):
    assert in_process("sample", "run", "n=2", "min_posterior=0").returncode == 0
    with np.load(features / "samples.npz") as arrays:
        assert arrays["x"].dtype == np.float32


def test_predictions_of_the_training_data_are_its_assignments(features, in_process):
    done = in_process("predict", "run", "data=t.csv", "out=p.npz")
    assert done.returncode == 0, done.stderr
    with np.load(features / ASSIGNMENTS) as stored, np.load(features.parent / "p.npz") as again:
        for name in stored.files:
            assert (stored[name] == again[name]).all(), name
        unlikely, labels = again["unlikely"], stored["labels"]
    assert 1 <= unlikely.sum() <= 3  # about 1 % of 150
    assert in_process("predict", "run", "data=t.csv", "out=P.CSV").returncode == 0
    with (features.parent / "P.CSV").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["cluster"]) for row in rows] == labels.tolist()
    assert [bool(int(row["unlikely"])) for row in rows] == unlikely.tolist()
    assert in_process("predict", "run", "data=t.csv", "out=p.parquet").returncode == 0
    table = parquet.read_table(features.parent / "p.parquet").to_pydict()
    assert list(table) == list(rows[0])
    for name, column in table.items():
        assert np.float32(column).tolist() == np.float32([row[name] for row in rows]).tolist()
    total = [sum(float(row[f"responsibility_{k}"]) for k in range(3)) for row in rows]
    np.testing.assert_allclose(total, 1, atol=1e-4)


def test_strange_samples_are_called_unlikely(features, in_process):
    written(features.parent / "far.csv", [[EVIL, "size", "$x^2$"], [500, 5, -80], [0, 100, 5]])
    assert in_process("predict", "run", "data=far.csv", "out=far.npz").returncode == 0
    with np.load(features.parent / "far.npz") as arrays:
        assert arrays["unlikely"][0]


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("two.csv", [["a", "b"], [1, 2], [3, 4]], "has samples of 2 values: the run was trained o"),
        ("other.csv", [["a", "size", "$x^2$"], [1, 2, 3], [4, 5, 6]], "has the column a where the"),
        (
            "hole.csv",
            [[EVIL, "size", "$x^2$"], [1, "", 3], [4, 5, 6]],
            "column 'size' has no value in row 1",
        ),
    ],
)
def test_samples_unlike_the_runs_are_refused(name, rows, message, features, in_process):
    written(features.parent / name, rows)
    done = in_process("predict", "run", f"data={name}", "out=p.npz")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (features.parent / "p.npz").exists()


def test_a_slice_of_the_same_table_is_read_the_same(tmp_path, in_process):
    """Its index of rows, classes and columns to leave out; what it says speaks of its own keys."""
    rng = np.random.default_rng(0)
    x = np.array([[0, 0], [9, 9], [0, 9]])[np.arange(60) % 3] + rng.normal(size=(60, 2))
    index = rng.permutation(1000)[:60]
    rows = [
        [i, *row, "skip", f"k{j % 3}"]
        for j, (i, row) in enumerate(zip(index, x.tolist(), strict=True))
    ]
    header = ["", "a", "petal, w", "${x}", "kind"]
    written(tmp_path / "t.csv", [header, *rows])
    data = ("dataset=file", "dataset.path=t.csv", "dataset.labels=kind", "n_clusters=3")
    drop = shlex.split(override("dataset.drop", ["${x}"]))
    epochs = ("pretrain.epochs=1", "train.epochs=1", "init.n_init=1", "run_dir=run")
    trained = in_process("train", *data, *drop, *epochs, *SHORT)
    assert trained.returncode == 0, trained.stderr
    assert "column '' is left out: it has no name of its own" in trained.stderr
    written(tmp_path / "slice.csv", [header, *rows[20:40]])
    done = in_process("predict", "run", "data=slice.csv", "out=p.npz")
    assert done.returncode == 0, done.stderr
    assert "column '' is left out" in done.stderr
    with np.load(tmp_path / "run" / ASSIGNMENTS) as stored, np.load(tmp_path / "p.npz") as again:
        np.testing.assert_array_equal(again["labels"], stored["labels"][20:40])
    written(tmp_path / "more.csv", [[*header, "new (x)"], *([*row, 1.5] for row in rows)])
    refused = in_process("predict", "run", "data=more.csv", "out=p.npz")
    assert "has samples of 3 values: the run was trained on samples of 2; " in refused.stderr
    assert "dataset." not in refused.stderr
    (word,) = re.findall(r"'drop=.*\]'", refused.stderr)
    more = (*shlex.split(word), "overwrite=true")
    done = in_process("predict", "run", "data=more.csv", "out=p.npz", *more)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "run" / ASSIGNMENTS) as stored, np.load(tmp_path / "p.npz") as again:
        np.testing.assert_array_equal(again["labels"], stored["labels"])


def test_names_of_numbers_are_known_from_the_run(tmp_path, in_process):
    rows = np.random.default_rng(0).normal(size=(30, 2)).tolist()
    written(tmp_path / "t.csv", [[1990, 1991, "kind"], *([*row, "a"] for row in rows)])
    written(tmp_path / "more.csv", [[1990, 1991], *rows])
    data = ("dataset=file", "dataset.path=t.csv", "dataset.labels=kind", "n_clusters=2")
    epochs = ("pretrain.epochs=1", "train.epochs=1", "init.n_init=1", "run_dir=run")
    assert in_process("train", *data, *epochs, *SHORT).returncode == 0
    done = in_process("predict", "run", "data=more.csv", "out=p.npz")
    assert done.stdout.startswith("30 samples"), done.stderr
    assert "out=p.npz exists" in in_process("predict", "run", "data=more.csv", "out=p.npz").stderr
    again = ("out=p.npz", "overwrite=true", "header=false")
    done = in_process("predict", "run", "data=more.csv", *again)
    assert "data=more.csv has the column 1 where the run was trained on 1990" in done.stderr


@pytest.mark.parametrize(
    ("given", "stored", "like"),
    [
        ((), "last", ["last", "first"]),
        ((), "first", ["last", "first", "flat"]),
        (("dataset.channels=last",), "last", ["last", "flat last"]),
        (("dataset.shape=[8,8,3]",), "flat last", ["last", "first", "flat last"]),
    ],
)
def test_images_are_predicted_in_the_order_of_the_run(given, stored, like, tmp_path, in_process):
    last = np.random.default_rng(0).random((40, 8, 8, 3))
    first = last.transpose(0, 3, 1, 2)
    arrays = {"last": last, "first": first, "flat": first.reshape(40, -1)}
    arrays["flat last"] = last.reshape(40, -1)
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    data = ("dataset=file", f'dataset.path="{stored}.npy"', "n_clusters=2", *given)
    epochs = ("pretrain.epochs=1", "train.epochs=1", "init.n_init=1", "run_dir=run")
    trained = in_process("train", *data, *epochs, *SHORT)
    assert trained.returncode == 0, trained.stderr
    for name in like:
        done = in_process("predict", "run", f"data={name}.npy", "out=p.npz", "overwrite=true")
        assert done.returncode == 0, done.stderr
        with np.load(tmp_path / "run" / ASSIGNMENTS) as run, np.load(tmp_path / "p.npz") as again:
            np.testing.assert_array_equal(again["embedding"], run["embedding"])
    np.save(tmp_path / "other.npy", last.transpose(0, 2, 3, 1))
    refused = in_process("predict", "run", "data=other.npy", "out=p.npz")
    assert (
        "the shape of the run's samples, [3, 8, 8] does not suit data=other.npy" in refused.stderr
    )


@pytest.mark.parametrize("name", ["{a}", "[a]", "a: b", "p #1", "${p}", "a=b, c"])
def test_any_name_of_a_file_is_taken_as_it_stands(name, features, in_process):
    shutil.copy(features.parent / "t.csv", features.parent / f"{name}.csv")
    done = in_process("predict", "run", f"data={name}.csv", f"out={name}.npz")
    assert done.returncode == 0, done.stderr
    assert (features.parent / f"{name}.npz").exists()


def test_values_that_overflow_are_refused(features, in_process):
    rows = [[1e37, 5, -80], [1e37, 6, -80], [0, 100, 5], [1, 90, 5]]
    written(features.parent / "far.csv", [[EVIL, "size", "$x^2$"], *rows])
    done = in_process("predict", "run", "data=far.csv", "out=far.npz")
    assert done.returncode == 2
    assert "squares of these overflows float32; feature " in done.stderr
    assert "has a value far from all others, 1e+37 in 2 of 4" in done.stderr


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("sample", "sample needs a run directory"),
        ("predict run data=x.npy out=y.txt", "out=y.txt is of unknown kind: it must end in .npz, "),
        ("predict run data=none.npy out=y.npz", "none.npy does not exist"),
        (
            "sample run cluster=10",
            "cluster=10 does not exist: the run of dataset digits has cluste",
        ),
        ("report", "report needs a run directory"),
        ("report nowhere", "nowhere is not a run directory"),
        ("evaluate run generations=true", "generations=true cannot be set"),
    ],
)
def test_bad_calls_get_one_line(call, message, images, in_process):
    done = in_process(*call.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_run_without_a_mixture_draws_no_samples(tmp_path, in_process):
    assert in_process("train", "model=kmeans", "run_dir=run").returncode == 0
    assert "this needs a model with a mixture" in in_process("sample", "run").stderr
    assert "has no mixture" in in_process("evaluate", "run", "generation=true").stderr
    assert in_process("report", "run").returncode == 0
    assert "From one cluster" not in (tmp_path / "run" / REPORT).read_text()


def test_generated_samples_are_judged(images, in_process, monkeypatch):
    # hardly trained components cover each other
    monkeypatch.setattr("gammvae.evaluation.realism.MIN_POSTERIOR", 0.0)
    done = in_process("evaluate", "run", "generation=true")
    assert done.returncode == 0, done.stderr
    found = json.loads((images / GENERATION).read_text())
    assert 0 <= found["agreement"] <= 1
    assert found["judge_accuracy"] > 0.9
    assert f"{found['samples']} samples" in done.stdout
    assert f"{found['precision']:.4f}" in done.stdout
    assert in_process("report", "run").returncode == 0
    assert "How real generated samples are" in (images / REPORT).read_text()


class Page(html.parser.HTMLParser):
    """What a page refers to, and which elements it has."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.elements = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href")]


def test_a_report_holds_everything_and_asks_for_nothing(images, in_process):
    assert in_process("report", "run", "out=a/b.html").stdout == "a/b.html\n"
    text = (images.parent / "a/b.html").read_text()
    page = Page(text)
    assert {address.partition(":")[0] for address in page.addresses if address[0] != "#"} == {
        "data"
    }
    assert not re.search(r"@import|url\((?!#|\" \+)", text)
    assert page.elements.count("circle") == 1000
    for title in ("Figures", "Training", "Map", "Clusters against classes", "Reconstructions"):
        assert f"<h2>{title}" in text
    for title in ("From one cluster to another", "Latent densities", "How it was made"):
        assert f"<h2>{title}" in text
    assert "gammvae train" in text


def test_markup_in_names_is_text(features, in_process):
    assert in_process("report", "run", "run", "out=both.html").returncode == 0
    text = (features.parent / "both.html").read_text()
    assert EVIL not in text
    assert "&lt;script&gt;" in text
    assert Page(text).elements.count("script") == 1
    assert Page(text).elements.count("h3") >= 2 * 3
    assert text.count("b &amp; c</span>") == 2


def test_without_classes_nothing_is_said_of_them(tmp_path, in_process):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(90, 4)))
    data = ("dataset=file", "dataset.path=x.npy", "n_clusters=2", "run_dir=run", "report=true")
    done = in_process("train", *data, *SHORT, "pretrain.epochs=1", "train.epochs=1")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "run" / REPORT).read_text()
    assert "<h2>Map of the embedding" in text
    assert "Clusters against classes" not in text
    assert "radio" not in text
    assert "ACC</span>" not in text
    assert in_process("predict", "run", "data=x.npy", "out=p.csv").returncode == 0


def test_train_writes_a_report_unless_told_not_to(tmp_path, in_process):
    short = (*SHORT, "init.n_init=1", "pretrain.epochs=1", "train.epochs=1")
    assert in_process("train", *short, "run_dir=with", "report=true").returncode == 0
    assert (tmp_path / "with" / REPORT).exists()
    assert in_process("train", *short, "run_dir=without", "report=false").returncode == 0
    assert not (tmp_path / "without" / REPORT).exists()
    assert in_process("train", *short, "run_dir=with", "report=false").returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.parametrize("size", ["1200,900", "390,800"])
def test_a_browser_shows_it_without_complaint(size, features, in_process, tmp_path):
    """No script runs out of names, nothing is wider than the page, every picture is there."""
    assert in_process("report", "run", "out=page.html").returncode == 0
    page = tmp_path / "page.html"
    probe = (
        "<script>addEventListener('load',function(){var d=document.documentElement;"
        "document.title=[d.scrollWidth<=innerWidth,[].every.call(document.images,function(i)"
        "{return i.complete&&i.naturalWidth>0}),document.querySelectorAll('circle').length]})"
        "</script></body>"
    )
    page.write_text(page.read_text().replace("</body>", probe))
    browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    done = subprocess.run(
        [*browser, "--enable-logging=stderr", f"--window-size={size}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "<title>true,true,150</title>" in done.stdout
    assert "CONSOLE" not in done.stderr


def test_a_run_whose_network_follows_from_the_size_of_the_data_is_of_use(tmp_path, in_process):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.normal(size=(40, 3)) + 9 * (np.arange(40) % 2)[:, None])
    data = ("dataset=file", "dataset.path=x.npy", "n_clusters=2", "device=cpu", "run_dir=run")
    done = in_process("train", *data, "pretrain.updates=5", "train.updates=3")
    assert done.returncode == 0, done.stderr
    chosen = "architecture.hidden=[128, 128], optimizer.lr=0.008, optimizer.mixture_lr=0.008"
    log = (tmp_path / "run/run.log").read_text()
    assert f"chosen for 120 values, fewer than 37140: {chosen}\n" in log
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    stages = [json.loads(line)["stage"] for line in lines]
    assert (stages.count("pretrain"), stages.count("train")) == (5, 3)
    assert in_process("predict", "run", "data=x.npy", "out=p.npz").returncode == 0
    with np.load(tmp_path / "p.npz") as found, np.load(tmp_path / "run" / ASSIGNMENTS) as known:
        assert (found["labels"] == known["labels"]).all()
    assert "finished" in in_process("train", *data, "pretrain.updates=5", "train.updates=3").stdout


def test_a_method_without_a_network_does_not_speak_of_one(tmp_path, in_process):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 3)))
    data = ("dataset=file", "dataset.path=x.npy", "n_clusters=2", "device=cpu", "run_dir=run")
    assert in_process("train", *data, "model=kmeans").returncode == 0
    assert "chosen for" not in (tmp_path / "run/run.log").read_text()
