import json
import logging

import numpy as np
import pytest
import torch

from gammvae.errors import InputError
from gammvae.runs.contents import CHOICE, REPORT
from gammvae.runs.directory import RunDirectory
from gammvae.training.experiment import Experiment
from tests.conftest import TINY, compose_config, run

GIVEN = ("dataset=file", "preprocess=standardize", "device=cpu", "init.n_init=1", *TINY)
SHORT = (*GIVEN, "pretrain.epochs=40", "train.epochs=2")


@pytest.fixture(scope="module")
def groups(tmp_path_factory):
    """Settings for 90 samples of three groups."""
    path = tmp_path_factory.mktemp("data") / "x.npy"
    rng = np.random.default_rng(0)
    centers = 5 * np.repeat(np.eye(3, 6), 30, axis=0)
    np.save(path, (centers + rng.normal(size=(90, 6))).astype(np.float32))
    return f"dataset.path={path}"


def config_of(groups, folder, *more):
    return compose_config(*SHORT, groups, f"run_dir={folder}", *more)


@pytest.fixture(scope="module")
def chosen(groups, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    shared = f"pretrained={folder / 'shared'}"
    directory = RunDirectory(folder / "auto")
    more = "n_clusters=auto", shared, "report=true"
    return directory, run(config_of(groups, folder / "auto", *more), directory), shared


def test_the_number_of_clusters_is_found(chosen):
    directory, result, _ = chosen
    choice = json.loads((directory / CHOICE).read_text())
    assert result["n_clusters"] == choice["n_clusters"] == 3
    assert result["chosen"]["n_clusters"] == 3
    assert [one["n_clusters"] for one in choice["candidates"]] == list(range(2, 10))
    assert choice["samples"] == 90
    assert choice["seconds"] == result["seconds"]["choose"]
    assert directory.read_config().n_clusters == 3
    report = (directory / REPORT).read_text()
    assert "<h2>Number of clusters</h2>" in report
    assert "n_clusters=3 is chosen" in report


def test_the_run_is_that_of_the_number_given(chosen, groups, tmp_path, caplog):
    """And its autoencoder serves every number of clusters."""
    _, result, shared = chosen
    caplog.set_level(logging.INFO, "gammvae")
    directory = RunDirectory(tmp_path / "given")
    given = run(config_of(groups, tmp_path / "given", "n_clusters=3", shared), directory)
    assert given["metrics"] == result["metrics"]
    other = RunDirectory(tmp_path / "other")
    run(config_of(groups, tmp_path / "other", "n_clusters=5", shared), other)
    assert all("taken from" in (one / "run.log").read_text() for one in (directory, other))
    assert not (directory / CHOICE).exists()


def test_a_run_goes_on_with_the_number_it_has_chosen(chosen, groups, tmp_path, monkeypatch):
    """And the figures of a finished one are recomputed."""
    directory, result, _ = chosen
    again = Experiment(directory.read_config(), directory).reevaluate()
    assert again["metrics"] == result["metrics"]
    monkeypatch.setattr("gammvae.training.experiment.choose_number", None)
    for name in ("result.json", "train.pt", "assignments.npz"):
        (directory / name).rename(tmp_path / name)
    config = config_of(groups, directory.path, "n_clusters=auto", "report=true")
    assert run(config, directory)["metrics"] == result["metrics"]


def test_another_choice_is_another_configuration(chosen, groups):
    directory, _, _ = chosen
    for other in ("3", "'range(2,5)'"):
        with pytest.raises(InputError, match=r"n_clusters is auto there and .* here"):
            directory.check_config(config_of(groups, directory.path, f"n_clusters={other}"))


def test_methods_without_a_network_look_among_the_samples(groups, tmp_path):
    directory = RunDirectory(tmp_path / "run")
    config = config_of(groups, tmp_path / "run", "model=kmeans", "n_clusters='range(2,5)'")
    assert run(config, directory)["n_clusters"] == 3
    assert not (directory / "pretrain.pt").exists()


def test_a_choice_of_other_data_is_made_again(groups, tmp_path):
    directory = RunDirectory(tmp_path / "run")
    config = config_of(groups, tmp_path / "run", "model=kmeans", "n_clusters=auto")
    run(config, directory)
    choice = json.loads((directory / CHOICE).read_text())
    for name in ("result.json", "digests.json"):  # as if it had been interrupted
        (directory / name).unlink()
    directory.write_json(CHOICE, {**choice, "n_clusters": 4})
    assert run(config, directory)["n_clusters"] == 4
    for name in ("result.json", "digests.json"):
        (directory / name).unlink()
    directory.write_json(CHOICE, {**choice, "n_clusters": 4, "dataset_digest": "other"})
    assert run(config, directory)["n_clusters"] == 3


def test_a_damaged_choice_is_refused(groups, tmp_path):
    directory = RunDirectory(tmp_path / "run")
    config = config_of(groups, tmp_path / "run", "model=kmeans", "n_clusters=auto")
    with directory.open(config):
        (directory / CHOICE).write_text('{"n_clusters": 0}')
    with pytest.raises(InputError, match=rf"{CHOICE} is damaged: n_clusters: "):
        run(config, directory)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("pretrain.kl_weight=1", "it must be 0, or n_clusters a number"),
        ("init.labels=y.npy", "n_clusters must be it"),
    ],
)
def test_what_depends_on_the_number_is_refused(groups, tmp_path, setting, message):
    np.save(tmp_path / "y.npy", np.zeros(90, int))
    setting = setting.replace("y.npy", str(tmp_path / "y.npy"))
    more = ("init=labels",) if "labels" in setting else ()
    config = config_of(groups, tmp_path / "run", "n_clusters=auto", *more, setting)
    with pytest.raises(InputError, match=message):
        Experiment(config, RunDirectory(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_trained_prior_is_not_exchanged(groups, tmp_path):
    """An autoencoder that was pretrained with a mixture suits only its number of clusters."""
    shared = f"pretrained={tmp_path / 'shared'}"
    for k in (3, 4):
        folder = tmp_path / str(k)
        more = f"n_clusters={k}", "pretrain.kl_weight=1", shared
        run(config_of(groups, folder, *more), RunDirectory(folder))
        stored = torch.load(folder / "pretrain.pt", weights_only=True)["model"]
        assert stored["prior.logits"].shape == (k,)
        assert stored["prior.location"].any()
