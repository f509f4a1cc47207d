"""``gammvae search`` in this process, with hardly trained runs on three clear clusters."""

import csv
import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from gammvae.cli.report import runs_in
from gammvae.cli.searching import labels_of
from gammvae.evaluation.metrics import agreement
from gammvae.evaluation.predictability import predictability
from tests.conftest import TINY

SPACE = """\
title: Tiny
fixed: [model=gmm]
settings:
  model.starts: {low: 1, high: 9}
  model.covariance: [full, diag]
  init.tol: {low: 1.0e-3, high: 1.0e-1, log: true}
"""
TRAINED = """\
title: Tiny networks
settings:
  optimizer.lr: {low: 1.0e-3, high: 1.0e-2, log: true}
  train.rounds: {low: 1, high: 3}
  init: [kmeans, manifold]
"""
DATA = ("dataset=file", "dataset.path=x.npy", "n_clusters=3", "preprocess=standardize")
RUN = (*DATA, *TINY, "device=cpu", "batch_size=60")


def prepare(folder, text=SPACE, permutation=None):
    """Writes data of three clusters that overlap, their classes, and a space."""
    folder.mkdir(exist_ok=True, parents=True)
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    np.save(folder / "x.npy", np.eye(3, 6)[y] * 3 + rng.normal(size=(120, 6)))
    np.save(folder / "y.npy", y if permutation is None else y[permutation])
    (folder / "tiny.yaml").write_text(text)


def searched(folder):
    (path,) = (folder / "outputs/search").glob("*/search.json")
    return json.loads(path.read_text())


@pytest.fixture
def search(in_process, tmp_path):
    """Searches the tiny space for a few trials."""

    def call(*words):
        prepare(tmp_path)
        return in_process("search", "tiny.yaml", *DATA, *words)

    return call


def test_trials_are_ordinary_runs_whose_seeds_agree_and_more_go_on(search, in_process, tmp_path):
    assert search("trials=1", "seeds=2").returncode == 0
    (default,) = searched(tmp_path)["trials"]
    kept = tmp_path / default["runs"][0] / "result.json"
    before = kept.stat().st_mtime_ns
    result = search("trials=2", "seeds=2")
    assert result.returncode == 0, result.stderr
    assert kept.stat().st_mtime_ns == before
    found = searched(tmp_path)
    assert found["trials"][0] == default
    assert default["settings"] == []
    for one in found["trials"]:
        partitions = [labels_of(tmp_path / path) for path in one["runs"]]
        assert len(partitions) == 2
        assert all(len(np.unique(labels)) == 3 for labels in partitions)
        assert one["value"] == pytest.approx(agreement(partitions))
    *_, last, path, other = result.stdout.splitlines()
    assert path.endswith("search.json")
    with (tmp_path / other).open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["agreement"]) for row in rows] == [one["value"] for one in found["trials"]]
    assert (rows[0]["model.covariance"], rows[0]["init.tol"]) == ("full", "0.0")
    assert [word.split("=")[0] for word in found["default"]] == list(rows[0])[2:-1]
    if found["best"]:
        words = shlex.split(last)
        assert words[:2] == ["gammvae", "train"]
        assert set(found["trials"][1]["settings"]) <= set(words)
    else:
        assert last == "no trial is better than the default"
    table = in_process("table", "outputs")
    assert table.returncode == 0, table.stderr
    assert table.stdout.count("model.covariance=") == 1
    assert in_process("table", "outputs/search").stdout == table.stdout
    folder = str(Path(path).parent)
    runs = [Path(run) for one in found["trials"] for run in one["runs"]]
    assert runs_in(Path(folder)) == (runs if found["best"] else runs[:2])
    shutil.rmtree(tmp_path / "outputs/file")
    refused = in_process("table", folder)
    assert refused.returncode == 2
    assert "search.json names 4 runs, such as outputs/file/gmm/" in refused.stderr


@pytest.mark.slow
def test_trials_in_several_processes_are_the_same(search, tmp_path):
    """Each trial is a sweep of its own, whose workers know of it and print nothing."""
    words = ("trials=2", "seeds=2", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    result = search(*words)
    assert result.returncode == 0, result.stderr
    assert "is finished" not in result.stdout
    assert "clusters  seconds" not in result.stdout
    parallel = searched(tmp_path)["trials"]
    shutil.rmtree(tmp_path / "outputs")
    assert search("trials=2", "seeds=2").returncode == 0
    assert [one["value"] for one in searched(tmp_path)["trials"]] == [
        one["value"] for one in parallel
    ]


def test_predictability_is_that_of_the_runs(search, tmp_path):
    result = search("trials=1", "seeds=1", "objective=predictability")
    assert result.returncode == 0, result.stderr
    (one,) = searched(tmp_path)["trials"]
    x = np.load(tmp_path / "x.npy")
    samples = torch.from_numpy(((x - x.mean(0)) / x.std(0)).astype(np.float32))
    expected = predictability(samples, labels_of(tmp_path / one["runs"][0]), 3)
    assert one["value"] == pytest.approx(expected, abs=0.02)


def test_classes_are_not_read(in_process, tmp_path):
    """Permuted classes give the same trials, values and choice."""
    found = []
    for permutation in (None, np.random.default_rng(1).permutation(120)):
        prepare(tmp_path, TRAINED, permutation)
        words = ("seeds=2", "trials=2", "dataset.labels=y.npy", "pretrain.epochs=1")
        result = in_process("search", "tiny.yaml", *words, *RUN, "train.epochs=2")
        assert result.returncode == 0, result.stderr
        found.append(searched(tmp_path))
        (tmp_path / "outputs").rename(tmp_path / f"outputs{len(found)}")
    assert found[0] == found[1]


def test_a_trial_that_diverges_fails_and_the_search_goes_on(search, tmp_path, monkeypatch):
    from gammvae.errors import DivergenceError
    from gammvae.training import experiment

    prepared = experiment.prepared

    def diverge(config, directory):
        if config.seed == 1 and "model.starts" in str(directory.path):
            raise DivergenceError("the ELBO is not finite")
        return prepared(config, directory)

    monkeypatch.setattr(experiment, "prepared", diverge)
    result = search("trials=2", "seeds=2")
    assert result.returncode == 0, result.stderr
    _, failed = searched(tmp_path)["trials"]
    assert (failed["value"], failed["reason"]) == (None, "the ELBO is not finite")
    assert ": the ELBO is not finite" in result.stdout
    assert "no trial is better than the default" in result.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("no_space",), "unknown search space 'no_space': it must be one of networks, start"),
        (("trials=3",), "search needs a space"),
        (("tiny.yaml", "trials=0"), "trials=0 is out of range"),
        (("tiny.yaml", "objective=acc"), "objective=acc is out of range"),
        (("tiny.yaml", "seeds=1"), "seeds=1 is too few: objective=agreement needs at least 2"),
        (("tiny.yaml", "model.starts=2"), "model.starts=2 cannot be given: the space tiny"),
        (("tiny.yaml", "run_dir=here"), "run_dir=here cannot be given"),
        (("tiny.yaml", "batch_size=1,2"), "stands for several runs"),
        (("tiny.yaml", "n_clusters=1"), "a search needs a number of at least 2"),
        (("tiny.yaml", "no_setting=1"), "no_setting"),
        (("unknown.yaml",), "space unknown, model.start=1: unknown option model.start"),
        (("refused.yaml",), "space refused, batch_size=0: batch_size=0 is out of range"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_trained(
    in_process, tmp_path, words, message
):
    prepare(tmp_path)
    (tmp_path / "unknown.yaml").write_text(SPACE.replace("model.starts", "model.start"))
    (tmp_path / "refused.yaml").write_text(
        SPACE.replace("model.starts: {low: 1", "batch_size: {low: 0")
    )
    result = in_process("search", *words)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert message in line
    assert not (tmp_path / "outputs").exists()


def test_spaces_may_be_the_user_s_own(in_process, tmp_path):
    prepare(tmp_path / "mine/search")
    refused = in_process("search", "tiny", "--config-dir", "mine", "trials=0")
    assert "trials=0" in refused.stderr
    refused = in_process("search", "tiny", "--config-dir", "mine", "seeds=1")
    assert "seeds=1 is too few" in refused.stderr


def test_without_optuna_one_line_says_what_to_install(search, monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = search()
    assert result.returncode == 2
    assert result.stderr.endswith(
        "search needs the package optuna: pip install 'gammvae[search]'\n"
    )


def start(folder):
    """Starts a search in a process of its own."""
    words = (*RUN, "pretrain.epochs=10", "train.epochs=10", "trials=3", "seeds=2")
    command = ["search", "tiny.yaml", *words]
    return subprocess.Popen(
        [sys.executable, "-m", "gammvae", *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_a_killed_search_goes_on_to_the_same_end(tmp_path):
    for name in ("whole", "killed"):
        prepare(tmp_path / name, TRAINED)
    whole = start(tmp_path / "whole")
    _, err = whole.communicate(timeout=300)
    assert whole.returncode == 0, err
    for finished in (1, 3):
        process = start(tmp_path / "killed")
        while len(list((tmp_path / "killed").rglob("result.json"))) < finished:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    last = start(tmp_path / "killed")
    _, err = last.communicate(timeout=300)
    assert last.returncode == 0, err
    assert searched(tmp_path / "killed") == searched(tmp_path / "whole")
