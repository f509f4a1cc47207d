import pytest

from gammvae.config.ranges import METHODS
from gammvae.errors import InputError
from gammvae.runs.directory import RunDirectory
from gammvae.training.experiment import Experiment
from gammvae.training.fitted_once import FittedOnce
from gammvae.training.method import method_of
from gammvae.training.methods.dcn import Alternating
from gammvae.training.methods.dec import SelfTraining
from gammvae.training.methods.mixture import MixtureTraining
from tests.conftest import TINY, compose_config


def experiment(tmp_path, *overrides):
    return Experiment(compose_config(*TINY, "device=cpu", *overrides), RunDirectory(tmp_path / "r"))


@pytest.mark.parametrize(
    ("model", "kind", "stages"),
    [
        ("gammvae", MixtureTraining, ["pretrain", "initialize", "train"]),
        ("vade", MixtureTraining, ["pretrain", "initialize", "train"]),
        ("dec", SelfTraining, ["pretrain", "initialize", "train"]),
        ("idec", SelfTraining, ["pretrain", "initialize", "train"]),
        ("dcn", Alternating, ["pretrain", "initialize", "train"]),
        ("kmeans", FittedOnce, ["start", "cluster"]),
        ("spectral", FittedOnce, ["start", "cluster"]),
        ("ward", FittedOnce, ["start", "cluster"]),
        ("modularity", FittedOnce, ["start", "cluster"]),
        ("gmm", FittedOnce, ["start", "cluster"]),
        ("ae_kmeans", FittedOnce, ["pretrain", "cluster"]),
        ("vae_gmm", FittedOnce, ["pretrain", "cluster"]),
    ],
)
def test_the_model_chooses_the_stages(tmp_path, model, kind, stages):
    method = experiment(tmp_path, f"model={model}").method
    assert type(method) is kind
    assert [stage.__name__ for stage in method.stages()] == stages


def test_every_file_is_a_method():
    assert {"mixture", "kmeans", "gmm", "dec", "idec", "dcn", "ward"} <= set(METHODS)
    for name in METHODS:
        covariance = "full" if name == "gmm" else "null"
        settings = f"model.method={name}", f"model.covariance={covariance}"
        if name != "own":  # which needs a function of the user
            assert callable(method_of(compose_config(*settings)))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("model=gmm", "model.covariance=null"), "covariance=null does not go with"),
        (("model=kmeans", "model.covariance=full"), "covariance=full does not go with"),
        (("model=dec", "model.covariance=full"), "with model.method=dec: it must be null"),
        (("model.space=umap",), "model.space=umap does not go with model.method=mixture"),
        (("model=idec", "model.space=samples"), "with model.method=idec: it must be code"),
        (("model=dcn", "model.space=samples"), "with model.method=dcn: it must be code"),
        (("model=modularity", "model.components=5"), "model.components=5 does not go with"),
        (
            ("model=kmeans", "init.max_samples=9"),
            "init.max_samples=9 must be at least n_clusters=10",
        ),
        (("model.method=dbscan",), "model.method=dbscan is out of range: .* dcn, dec, gmm, idec"),
        (("model.method=method",), "model.method=method is out of range"),
        (("model=gmm", "model.covariance=tied"), "model.covariance=tied is out of range"),
        (("model=gmm", "model.components=0"), "model.components=0 is out of range"),
    ],
)
def test_settings_that_do_not_go_together(tmp_path, overrides, message):
    with pytest.raises(InputError, match=message):
        experiment(tmp_path, *overrides)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("model", ["gammvae", "dcn"])
@pytest.mark.parametrize("setting", ["train.targets_every=5", "train.tolerance=0.1"])
def test_settings_of_targets_are_refused_where_there_are_none(model, setting):
    config = compose_config(f"model={model}", setting)
    with pytest.raises(InputError, match=f"{setting} does not go with model={model}"):
        method_of(config)


def test_targets_of_the_batch_do_not_end_training():
    settings = "model=dec", "train.targets_every=batch"
    assert method_of(compose_config(*settings))
    with pytest.raises(InputError, match=r"train\.tolerance=0\.1 does not go with .*=batch"):
        method_of(compose_config(*settings, "train.tolerance=0.1"))


@pytest.mark.parametrize("setting", ["train.targets_every=batch", "architecture.batch_norm=true"])
def test_what_needs_whole_batches_is_refused_in_several_processes(monkeypatch, setting):
    config = compose_config("model=dec", setting)
    monkeypatch.setattr("gammvae.training.method.count", lambda: 2)
    with pytest.raises(InputError, match=f"{setting} needs whole batches, and each of 2 processes"):
        method_of(config)
    assert method_of(compose_config("model=kmeans", setting))  # which trains no network


def test_methods_without_joint_training_ignore_its_settings():
    """So that k-means can share the autoencoder of an experiment."""
    assert method_of(compose_config("model=ae_kmeans", "experiment=dec_2016"))
    settings = "train.targets_every=batch", "train.tolerance=0.1"
    assert method_of(compose_config("model=ae_kmeans", *settings))
