import json
import logging

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from gammvae.runs.directory import RunDirectory
from gammvae.training.experiment import Experiment
from tests.conftest import TINY, compose_config, run

SMOKE = (*TINY, "experiment=smoke", "device=cpu")


def finished(folder, *overrides):
    config = compose_config(*SMOKE, f"run_dir={folder}", *overrides)
    directory = RunDirectory(folder)
    return run(config, directory), directory


def test_kmeans_runs_without_networks(tmp_path):
    result, directory = finished(tmp_path / "run", "model=kmeans", "seed=2")
    expected = KMeans(10, n_init=10, random_state=2).fit_predict(load_digits().data / 16)
    with np.load(directory / "assignments.npz") as arrays:
        assert (arrays["labels"] == expected).all()
        assert set(arrays) == {"labels", "responsibilities", "embedding"}
    assert {"acc", "nmi", "ari", "silhouette", "used_clusters"} <= result["metrics"].keys()
    assert "elbo" not in result["metrics"]
    assert result["model"] == "kmeans"
    assert result["epochs"] == result["steps"] == {"pretrain": 0, "train": 0}
    assert result["parameters"] == 0
    assert not (directory / "pretrain.pt").exists()


@pytest.mark.parametrize(
    "model",
    ["kmeans", "gmm", "spectral", "ward", "modularity", "ae_kmeans", "ae_gmm", "vae_gmm"],
)
def test_figures_are_recomputed_exactly(tmp_path, model):
    result, directory = finished(tmp_path / "run", f"model={model}")
    config = directory.read_config()
    again = Experiment(config, directory).reevaluate()
    assert again["metrics"] == result["metrics"]


def test_the_code_is_that_of_the_plain_autoencoder_of_vade(tmp_path, caplog):
    caplog.set_level(logging.INFO, "gammvae")
    shared = f"pretrained={tmp_path / 'shared'}"
    vade, _ = finished(tmp_path / "vade", "model=vade", "augmentation=none", shared)
    for model in ("ae_kmeans", "ae_gmm"):
        result, directory = finished(tmp_path / model, f"model={model}", shared)
        assert "the autoencoder is taken from" in (directory / "run.log").read_text()
        assert result["epochs"] == {**vade["epochs"], "train": 0}
        assert vade["parameters"] - result["parameters"] == 10 + 2 * 10 * 4
    _, directory = finished(tmp_path / "vae_gmm", "model=vae_gmm", shared)
    assert "the autoencoder is taken from" not in (directory / "run.log").read_text()


def test_the_prior_of_vae_gmm_stays_standard_normal(tmp_path):
    _, directory = finished(tmp_path / "run", "model=vae_gmm")
    weights = torch.load(directory / "pretrain.pt", weights_only=True)["model"]
    prior = {name: value for name, value in weights.items() if name.startswith("prior.lo")}
    assert len(prior) == 3
    assert all((value == 0).all() for value in prior.values())
    records = [json.loads(line) for line in (directory / "metrics.jsonl").open()]
    assert records[0]["kl_z"] > 0
    # one component in all but name: which of them explains a sample is not known at all
    assert records[0]["kl_c"] == pytest.approx(0, abs=1e-4)
    assert records[0]["used_clusters"] is None


def test_a_subset_is_fitted_and_all_samples_are_assigned(tmp_path):
    _, directory = finished(tmp_path / "run", "model=kmeans", "init.max_samples=500")
    with np.load(directory / "assignments.npz") as arrays:
        assert len(arrays["labels"]) == 1797
        assert len(set(arrays["labels"])) == 10


def test_a_finished_baseline_is_skipped_compared_and_tabulated(tmp_path, in_process):
    models = ["ae_gmm", "dcn", "kmeans", "modularity", "spectral", "ward"]
    sweep = ("train", *SMOKE, "-m", f"model={','.join(models)}", "seed=0,1")
    result = in_process(*sweep)
    assert result.returncode == 0, result.stderr
    assert "12 jobs: 12 done" in result.stdout
    assert "best ELBO" not in result.stdout
    assert result.stdout.count("the 2 seeds agree to a mean ARI of") == 6
    assert "12 skipped" in in_process(*sweep).stdout
    text = in_process("table").stdout
    assert [line.split()[0] for line in text.splitlines()[2:8]] == models
    for model in models:
        (path, _) = sorted(tmp_path.glob(f"outputs/digits/{model}/*/seed=*"))
        evaluated = in_process("evaluate", str(path), "device=cpu")
        assert "all figures agree" in evaluated.stdout
        predicted = in_process("predict", str(path), "data=x.npy", "out=c.csv")
        assert predicted.returncode == 2
        assert f"a run of model={model}: this needs a model with a mixture" in predicted.stderr


def test_what_is_warned_of_at_every_start_is_said_once(tmp_path, caplog):
    np.save(tmp_path / "x.npy", np.eye(2, 5, dtype=np.float32).repeat(10, axis=0))
    given = ("dataset=file", f"dataset.path={tmp_path}/x.npy", "n_clusters=3")
    finished(tmp_path / "run", "model=kmeans", *given)
    (text,) = (text for text in caplog.messages if "distinct clusters" in text)
    assert text.startswith("kmeans: Number of distinct clusters (2) found smaller")


@pytest.mark.parametrize("model", ["kmeans", "gmm", "spectral", "modularity", "ae_gmm"])
def test_all_samples_are_assigned_like_those_it_was_fitted_to(tmp_path, model):
    config = compose_config(*SMOKE, f"model={model}", f"run_dir={tmp_path}")
    method = Experiment(config, RunDirectory(tmp_path)).method
    method._fit()
    ours, theirs = [], []
    method.evaluate(ours.append)
    method.of_all = None
    method.evaluate(theirs.append)
    assert len(ours) == 1 < len(theirs)
    for all_at_once, *parts in zip(*ours, *theirs, strict=True):
        np.testing.assert_allclose(all_at_once, np.concatenate(parts), atol=1e-4)


def test_a_report_does_not_fit_again(tmp_path):
    config = compose_config(*SMOKE, "model=ae_kmeans", f"run_dir={tmp_path}")
    run(config, RunDirectory(tmp_path))
    experiment = Experiment(config, RunDirectory(tmp_path))
    experiment.method.restore()
    assert not experiment.method.is_fitted
