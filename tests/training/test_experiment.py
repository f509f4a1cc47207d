import json
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.metrics import adjusted_rand_score, silhouette_score

import gammvae.data.formats.arrays
import gammvae.data.samples
import gammvae.data.training_data
import gammvae.training.stages
import gammvae.training.workspace
from gammvae.data.benchmarks import digits
from gammvae.data.dataset import Dataset
from gammvae.data.samples import subset
from gammvae.errors import DivergenceError, InputError
from gammvae.evaluation.metrics import clustering_accuracy
from gammvae.runs.contents import ASSIGNMENTS, CONFIG, DATA, DIGESTS, LOG, METRICS, RESULT
from gammvae.runs.directory import RunDirectory
from gammvae.training.experiment import Experiment
from gammvae.training.workspace import Workspace
from tests.conftest import TINY, compose_config, run

SHORT = (*TINY, "batch_size=16", "pretrain.epochs=3", "train.epochs=3", "device=cpu")
TIMINGS = ("seconds", "samples_per_second")


def short(*overrides):
    return compose_config(*SHORT, *overrides)


def metrics_without_timings(directory):
    return [
        {name: value for name, value in record.items() if name not in TIMINGS}
        for record in directory.read_metrics()
    ]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = RunDirectory(tmp_path_factory.mktemp("runs") / "run")
    return directory, run(short(), directory)


def test_a_run_leaves_its_files(finished):
    directory, result = finished
    names = {path.name for path in directory.path.iterdir() if path.name != ".lock"}
    outputs = {"pretrain.pt", "train.pt", METRICS, ASSIGNMENTS, DATA, RESULT}
    assert names == {CONFIG, LOG, DIGESTS, *outputs}
    assert set(json.loads((directory / DIGESTS).read_text())) == outputs
    assert json.loads((directory / RESULT).read_text()) == result
    stages = [(record["stage"], record["epoch"]) for record in directory.read_metrics()]
    expected = [("pretrain", 1), ("pretrain", 2), ("pretrain", 3), ("init", 1)]
    assert stages == [*expected, ("train", 1), ("train", 2), ("train", 3)]


def test_the_result_says_what_was_found_and_how(finished):
    directory, result = finished
    assert set(result["metrics"]) == {
        *("acc", "nmi", "ari", "elbo", "reconstruction", "elbo_unlikely", "kl_z", "kl_c"),
        *("silhouette", "used_clusters", "assignment_entropy", "moved", "elbo_held", "acc_held"),
    }
    assert result["samples"] == 1797
    assert result["seed"] == 0
    assert result["device"] == "cpu"
    assert result["threads"] == torch.get_num_threads()
    assert result["versions"]["torch"] == torch.__version__
    assert result["dataset_digest"] == digits().digest
    assert result["peak_memory_bytes"]["host"] > 1e8
    assert result["epochs"] == {"pretrain": 3, "train": 3}
    assert result["steps"] == {"pretrain": 3 * 113, "train": 3 * 113}  # 1797 samples, 16 at a time
    networks = (64 * 64 + 64) + (64 * 8 + 8) + (4 * 64 + 64) + (64 * 64 + 64)  # by layers
    assert result["parameters"] == networks + 10 + 2 * 10 * 4
    total = sum(record["seconds"] for record in directory.read_metrics())
    stages = result["seconds"]
    assert stages["pretrain"] + stages["init"] + stages["train"] == pytest.approx(total)


def test_assignments_are_in_the_datasets_order_and_give_the_figures(finished):
    directory, result = finished
    with np.load(directory / ASSIGNMENTS) as file:
        labels, responsibilities, embedding = (
            file[name] for name in ("labels", "responsibilities", "embedding")
        )
    assert (labels.shape, responsibilities.shape, embedding.shape) == (
        (1797,),
        (1797, 10),
        (1797, 4),
    )
    np.testing.assert_array_equal(labels, responsibilities.argmax(1))
    np.testing.assert_allclose(responsibilities.sum(1), 1, rtol=1e-5)
    metrics = result["metrics"]
    assert metrics["used_clusters"] == (np.bincount(labels, minlength=10) >= 1.797).sum()
    assert metrics["ari"] == adjusted_rand_score(digits().y, labels)
    assert metrics["used_clusters"] > 3
    assert metrics["silhouette"] == pytest.approx(silhouette_score(embedding, labels))


def test_the_same_seed_gives_the_same_run_and_another_seed_another(finished, tmp_path):
    directory, result = finished
    again, other = RunDirectory(tmp_path / "again"), RunDirectory(tmp_path / "other")
    assert run(short(), again)["metrics"] == result["metrics"]
    assert metrics_without_timings(again) == metrics_without_timings(directory)
    assert run(short("seed=1"), other)["metrics"] != result["metrics"]


def test_scores_on_the_way_are_those_of_the_model_then_and_change_nothing(finished, tmp_path):
    directory, result = finished
    scored = RunDirectory(tmp_path / "scored")
    assert run(short("score_every=2"), scored)["metrics"] == result["metrics"]
    names = ("acc", "nmi", "ari")
    scores = [
        (record["stage"], record["epoch"], [record[name] for name in names])
        for record in scored.read_metrics()
        if "acc" in record
    ]
    assert [place[:2] for place in scores] == [("init", 1), ("train", 2), ("train", 3)]
    assert scores[2][2] == [result["metrics"][name] for name in names]
    rest = [
        {name: value for name, value in record.items() if name not in names}
        for record in metrics_without_timings(scored)
    ]
    assert rest == metrics_without_timings(directory)


def test_the_held_partition_is_scored(finished):
    directory, result = finished
    held = torch.load(directory / "train.pt", weights_only=True)["held"]["labels"]
    assert result["metrics"]["acc_held"] == clustering_accuracy(digits().y, held.numpy())


def test_labels_change_nothing_but_the_report(finished, tmp_path, monkeypatch):
    """Without classes and with shuffled ones, the same clusters come out, to the last bit."""
    directory, result = finished
    data = digits()
    shuffled = np.random.default_rng(0).permutation(data.y)
    for name, y in [("none", None), ("shuffled", shuffled)]:
        monkeypatch.setattr(
            gammvae.data.training_data,
            "load_dataset",
            lambda *_, y=y: Dataset(data.x, y, data.shape),
        )
        other = RunDirectory(tmp_path / name)
        metrics = run(short(), other)["metrics"]
        for figure in result["metrics"].keys() - {"acc", "nmi", "ari", "acc_held"}:
            assert metrics[figure] == result["metrics"][figure]
        assert ("acc" in metrics) == (y is not None)
        with np.load(directory / ASSIGNMENTS) as ours, np.load(other / ASSIGNMENTS) as theirs:
            np.testing.assert_array_equal(ours["labels"], theirs["labels"])
            np.testing.assert_array_equal(ours["embedding"], theirs["embedding"])


def test_reevaluation_agrees_exactly(finished):
    directory, result = finished
    before = (directory / RESULT).read_bytes()
    assert (
        Experiment(directory.read_config(), directory).reevaluate()["metrics"] == result["metrics"]
    )
    assert (directory / RESULT).read_bytes() == before


def test_overwrite_runs_anew(finished, tmp_path):
    directory = RunDirectory(tmp_path)
    run(short(), directory)
    first = (directory / RESULT).stat().st_mtime_ns
    result = run(short("overwrite=true"), directory)
    assert (directory / RESULT).stat().st_mtime_ns > first
    assert result["metrics"] == finished[1]["metrics"]
    assert len(directory.read_metrics()) == 7


def test_a_run_that_another_process_has_ended_meanwhile_is_not_repeated(tmp_path):
    ours, theirs = RunDirectory(tmp_path / "run"), RunDirectory(tmp_path / "run")
    assert ours.finished(short()) is None
    waiting = Experiment(short(), ours)
    result = run(short(), theirs)
    before = {path: path.stat().st_mtime_ns for path in theirs.path.iterdir()}
    assert waiting.run()["metrics"] == result["metrics"]
    assert ours.by_another
    after = {path: path.stat().st_mtime_ns for path in theirs.path.iterdir()}
    assert {path.name for path in before if before[path] != after[path]} <= {CONFIG, LOG, ".lock"}


@pytest.mark.parametrize("stop_at", ["pretrain", "train"])
def test_a_diverged_run_stops_with_its_checkpoint_intact(tmp_path, stop_at):
    config = short("optimizer.lr=1e30", f"{'pretrain' if stop_at == 'train' else 'train'}.epochs=0")
    directory = RunDirectory(tmp_path)
    with pytest.raises(DivergenceError, match=f"non-finite in {stop_at}, epoch 1"):
        run(config, directory)
    assert not (directory / RESULT).exists()
    assert all(record["stage"] != stop_at for record in directory.read_metrics())


def test_no_stage_begins_with_weights_that_overflow(tmp_path):
    """One step of an absurd rate leaves finite weights, whose features are not."""
    config = short("optimizer.lr=1e30", "batch_size=1797", "pretrain.epochs=1")
    with pytest.raises(DivergenceError, match="became non-finite in pretrain, epoch 1"):
        run(config, RunDirectory(tmp_path))
    assert not (tmp_path / "pretrain.pt").exists()


def test_automatic_precision_is_float32_where_bfloat16_goes_wrong(tmp_path, monkeypatch):
    one = ("pretrain.epochs=1", "train.epochs=1")
    expected = run(short(*one, "precision=float32"), RunDirectory(tmp_path / "float32"))
    monkeypatch.setattr(gammvae.training.workspace, "choose_precision", lambda *_: torch.bfloat16)
    monkeypatch.setattr(gammvae.training.workspace, "faulty_layers", lambda *_: ["encoder.body.0"])
    directory = RunDirectory(tmp_path / "auto")
    result = run(short(*one), directory)
    assert result["precision"] == "float32"
    assert result["metrics"] == expected["metrics"]
    said = (directory / LOG).read_text()
    assert "float32, because bfloat16 goes wrong on this machine in encoder.body.0" in said


def test_more_clusters_than_samples_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="n_clusters=1798 exceeds the 1797 samples"):
        run(short("n_clusters=1798"), RunDirectory(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "labels", [np.zeros(5, int), np.full(1797, 10), np.zeros(1797), np.array([None] * 1797)]
)
def test_unusable_starting_labels_are_refused_before_anything_is_written(tmp_path, labels):
    np.save(tmp_path / "labels.npy", labels, allow_pickle=True)
    with pytest.raises(InputError, match=r"init\.labels=.*labels\.npy cannot be used"):
        run(
            short("init=labels", f"init.labels={tmp_path}/labels.npy"), RunDirectory(tmp_path / "r")
        )
    assert not (tmp_path / "r").exists()


def test_starting_labels_reach_the_mixture(tmp_path):
    labels = np.arange(1797) % 4
    np.save(tmp_path / "labels.npy", labels)
    directory = RunDirectory(tmp_path / "run")
    path = f"init.labels={tmp_path}/labels.npy"
    run(short("init=labels", path, "init.max_iter=1", "train.epochs=0"), directory)
    (record,) = [r for r in directory.read_metrics() if r["stage"] == "init"]
    assert len(record["bounds"]) == 1
    weights = torch.load(directory / "train.pt", weights_only=True)["model"]["prior.logits"].exp()
    np.testing.assert_allclose(weights[:4], np.bincount(labels) / 1797, rtol=1e-5)
    np.testing.assert_allclose(weights[4:], 0.01 / 1797, rtol=1e-5)


@pytest.mark.parametrize(
    "overrides",
    [
        ("model=vade",),
        ("init=gmm",),
        ("optimizer=sgd",),
        ("optimizer=adamw",),
        ("dataset.likelihood=normal",),
        ("precision=bfloat16",),
        ("model.reparameterization=marsaglia_tsang",),
    ],
)
def test_every_choice_runs(tmp_path, overrides):
    result = run(short(*overrides), RunDirectory(tmp_path))
    assert np.isfinite(result["metrics"]["elbo"])


@pytest.mark.parametrize("kept", [0, 2, 5])
def test_metrics_that_were_cut_short_come_back_from_the_checkpoint(finished, tmp_path, kept):
    shutil.copytree(finished[0].path, tmp_path / "run")
    directory = RunDirectory(tmp_path / "run")
    (directory / RESULT).unlink()
    lines = (directory / METRICS).read_text().splitlines(keepends=True)
    (directory / METRICS).write_text("".join(lines[:kept]) + "half a li")
    result = run(short(), directory)
    assert (directory / METRICS).read_text() == "".join(lines)
    stages = ("pretrain", "init", "train")
    seconds = {stage: result["seconds"][stage] for stage in stages}
    assert seconds == {stage: finished[1]["seconds"][stage] for stage in stages}


def test_a_checkpoint_of_a_version_without_metrics_goes_on(finished, tmp_path):
    shutil.copytree(finished[0].path, tmp_path / "run")
    directory = RunDirectory(tmp_path / "run")
    (directory / RESULT).unlink()
    content = torch.load(directory / "train.pt", weights_only=True)
    del content["metrics"]
    torch.save(content, directory / "train.pt")
    assert run(short(), directory)["metrics"] == finished[1]["metrics"]
    assert len(directory.read_metrics()) == 7


def test_an_epoch_beyond_the_stage_is_refused(finished, tmp_path):
    shutil.copytree(finished[0].path, tmp_path / "run")
    directory = RunDirectory(tmp_path / "run")
    (directory / RESULT).unlink()
    content = torch.load(directory / "train.pt", weights_only=True)
    torch.save(content | {"epoch": 99}, directory / "train.pt")
    with pytest.raises(
        InputError, match=r"train\.pt is damaged: it is from epoch 99, the stage has 3"
    ):
        run(short(), directory)


# The command, with a checkpoint after every epoch.
EAGER = (
    "import gammvae.training.stages as e, gammvae.cli.main as c; "
    "e.CHECKPOINT_SECONDS = e.CHECKPOINT_RATIO = 0; c.main()"
)
KILLED = (*TINY, "pretrain.epochs=40", "train.epochs=40", "device=cpu")


def kill_and_resume(folder, kills, seed):
    command = [sys.executable, "-c", EAGER, "train", *KILLED, "run_dir=run"]
    rng = random.Random(seed)
    for _ in range(kills):
        process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE)
        metrics = folder / "run" / METRICS
        lines = metrics.read_text().count("\n") if metrics.exists() else 0
        target = lines + rng.randint(1, 12)
        while process.poll() is None and not (
            metrics.exists() and metrics.read_text().count("\n") >= target
        ):
            time.sleep(0.002)
        time.sleep(rng.random() * 0.03)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return RunDirectory(folder / "run")


def check_killed_equals_whole(tmp_path, kills, seed=0):
    (tmp_path / "killed").mkdir()
    killed = kill_and_resume(tmp_path / "killed", kills, seed)
    whole = RunDirectory(tmp_path / "whole")
    result = run(compose_config(*KILLED), whole)
    assert metrics_without_timings(killed) == metrics_without_timings(whole)
    assert killed.read_result()["metrics"] == result["metrics"]
    assert "goes on after epoch" in (killed / LOG).read_text()
    with np.load(killed / ASSIGNMENTS) as ours, np.load(whole / ASSIGNMENTS) as theirs:
        for name in ours:
            np.testing.assert_array_equal(ours[name], theirs[name])


def test_a_run_killed_three_times_ends_like_an_uninterrupted_one(tmp_path):
    check_killed_equals_whole(tmp_path, kills=3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_run_killed_ten_times_ends_like_an_uninterrupted_one(tmp_path, seed):
    check_killed_equals_whole(tmp_path, kills=10, seed=seed)


@pytest.mark.slow
def test_digits_keep_all_clusters_and_beat_chance_by_far(tmp_path):
    for seed in range(3):
        result = run(compose_config(f"seed={seed}"), RunDirectory(tmp_path / str(seed)))
        assert result["metrics"]["used_clusters"] == 10
        assert result["metrics"]["nmi"] > 0.6


FROM_FILE = ("dataset=file", "n_clusters=3", "init.max_samples=50", "architecture=small")


def from_file(tmp_path, *overrides):
    return run(
        short(*FROM_FILE, f"dataset.path={tmp_path}/x.npy", *overrides),
        RunDirectory(tmp_path / "run"),
    )


@pytest.fixture
def blobs(tmp_path):
    """Three clusters in an array of float64, with classes as text."""
    rng = np.random.default_rng(0)
    y = np.array(["red", "green", "blue"])[np.arange(90) % 3]
    x = np.eye(3, 8)[np.arange(90) % 3] * 5 + rng.normal(size=(90, 8))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    return tmp_path


def test_a_file_without_labels_gets_the_figures_that_need_none(blobs):
    metrics = from_file(blobs)["metrics"]
    assert {"elbo", "silhouette", "used_clusters"} <= metrics.keys()
    assert not {"acc", "nmi", "ari"} & metrics.keys()


def test_scores_on_the_way_need_classes(blobs):
    with pytest.raises(InputError, match="score_every=2 needs known classes"):
        from_file(blobs, "score_every=2")
    assert not (blobs / "run").exists()


def test_a_file_with_labels_gets_them_all_and_says_what_was_assumed(blobs):
    result = from_file(blobs, f"dataset.labels={blobs}/y.npy", "preprocess=standardize")
    assert {"acc", "nmi", "ari"} < result["metrics"].keys()
    assert result["likelihood"] == "normal"
    assert result["dataset_notes"] == ["likelihood normal, because of preprocess=standardize"]
    assert "likelihood normal, because of" in (blobs / "run" / LOG).read_text()


@pytest.mark.parametrize("preprocess", ["none", "standardize", "minmax"])
def test_a_streamed_file_gives_the_same_run_to_the_last_bit(blobs, preprocess, monkeypatch):
    in_memory = from_file(blobs, f"preprocess={preprocess}")
    assignments = np.load(blobs / "run" / ASSIGNMENTS)
    monkeypatch.setattr(gammvae.data.formats.arrays, "IN_MEMORY_BYTES", 0)
    monkeypatch.setattr(gammvae.data.samples, "IN_MEMORY_BYTES", 0)
    streamed = from_file(blobs, f"preprocess={preprocess}", "overwrite=true")
    assert "is streamed by batches" in streamed["dataset_notes"][0]
    assert streamed["metrics"] == in_memory["metrics"]
    with np.load(blobs / "run" / ASSIGNMENTS) as theirs:
        for name in theirs:
            np.testing.assert_array_equal(assignments[name], theirs[name])


def test_a_sparse_file_gives_the_same_run_as_a_dense_one(blobs):
    x = np.load(blobs / "x.npy").astype(np.float32)
    x[np.abs(x) < 1] = 0
    np.save(blobs / "x.npy", x)
    dense = from_file(blobs)
    scipy.sparse.save_npz(blobs / "x.npz", scipy.sparse.csr_matrix(x))
    sparse = run(short(*FROM_FILE, f"dataset.path={blobs}/x.npz"), RunDirectory(blobs / "sparse"))
    assert sparse["metrics"] == dense["metrics"]
    assert sparse["dataset_digest"] == dense["dataset_digest"]


def test_the_mixture_can_be_fitted_to_a_part_of_the_samples(blobs):
    labels = np.repeat([0, 1, 2], 30)
    np.save(blobs / "labels.npy", labels)
    given = ("init=labels", f"init.labels={blobs}/labels.npy", "init.max_samples=40")
    from_file(blobs, *given, "init.max_iter=1", "train.epochs=0")
    weights = torch.load(blobs / "run" / "train.pt", weights_only=True)["model"]["prior.logits"]
    chosen = subset(90, 40, seed=0)
    expected = np.bincount(labels[chosen], minlength=3) / 40
    np.testing.assert_allclose(weights.exp(), expected, rtol=1e-5)


# Labels judge here and choose nothing. Partitions that have nothing to do with the classes have an
# NMI of about 0.
REAL = ("mnist", "fashion_mnist", "usps", "hhar")


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_a_full_run_on_real_data_finds_classes(real_data, tmp_path, name):
    root = f"dataset.root={real_data}"
    result = run(compose_config(f"dataset={name}", root), RunDirectory(tmp_path))
    assert result["metrics"]["nmi"] > 0.4
    assert result["metrics"]["used_clusters"] > 1


@pytest.mark.parametrize(("density", "largest"), [(0.02, 0.25), (0.2, 1.0)])
def test_documents_may_differ_in_the_size_of_their_topics(tmp_path, density, largest):
    matrix = scipy.sparse.random(200, 300, density=density, format="csr", random_state=0)
    scipy.sparse.save_npz(tmp_path / "x.npz", matrix)
    given = ("dataset=file", f"dataset.path={tmp_path}/x.npz", "n_clusters=3", "init.stability=0")
    directory = RunDirectory(tmp_path / "run")
    run(short(*given), directory)
    (start,) = (record for record in directory.read_metrics() if record["stage"] == "init")
    assert start["resolution"] == largest


@pytest.mark.parametrize("units", ["auto", "data"])
def test_networks_work_in_the_units_of_the_data_if_asked(tmp_path, units):
    settings = ("dataset.likelihood=normal", f"architecture.units={units}", "device=cpu")
    work = Workspace(compose_config(*TINY, *settings), RunDirectory(tmp_path / "run"))
    inputs = work.model.encoder.units(work.x[torch.arange(50)])
    assert torch.equal(inputs, work.x[torch.arange(50)]) == (units == "data")
