"""The experiments that follow a source, against the settings in the code of the source."""

import math

import pytest
import torch

from gammvae.config.sizing import sized
from gammvae.model.building import build_model
from gammvae.training.schedules import LearningRate
from tests.conftest import compose_config

DATASETS = "mnist", "fashion_mnist", "usps", "hhar", "digits"
SOURCES = "dec_2016", "idec_2017", "dcn_2017", "n2d_2020", "vade_2017"
# keras.optimizers.Adam without arguments
KERAS_ADAM = ("Adam", 1e-3, {"betas": [0.9, 0.999], "eps": 1e-7})


def source(name, dataset, *overrides):
    return compose_config(f"dataset={dataset}", f"experiment={name}", *overrides)


def brief(optimizer):
    assert optimizer.mixture_lr == optimizer.lr
    assert LearningRate.of(optimizer).at(0, 100, 10) == 1
    assert optimizer.clip_grad_norm is None
    return optimizer.name, optimizer.lr, optimizer.arguments


def dec_keras(dataset):
    """The beginning of DEC.py, with the names of our datasets."""
    init, pretrain_optimizer, pretrain_epochs, update_interval = "glorot", KERAS_ADAM, 200, 140
    if dataset == "mnist" or dataset == "fashion_mnist":
        update_interval = 140
        pretrain_epochs = 300
        init = "fan_in"
        pretrain_optimizer = ("SGD", 1, {"momentum": 0.9})
    elif dataset == "usps":
        update_interval = 30
        pretrain_epochs = 50
    return init, pretrain_optimizer, pretrain_epochs, update_interval


@pytest.mark.parametrize("dataset", DATASETS)
def test_dec_is_trained_like_in_dec_keras(dataset):
    config = source("dec_2016", dataset)
    found = (
        config.architecture.weights,
        brief(config.optimizer),
        config.pretrain.epochs,
        config.train.targets_every,
    )
    assert found == dec_keras(dataset)
    assert brief(config.train.optimizer) == ("SGD", 0.01, {"momentum": 0.9})
    assert (config.batch_size, config.train.updates, config.train.tolerance) == (256, 2e4, 1e-3)
    assert (config.model.name, config.model.starts) == ("dec", 20)


@pytest.mark.parametrize("dataset", DATASETS)
def test_idec_is_trained_like_in_the_code_of_its_authors(dataset):
    config = source("idec_2017", dataset)
    optimizer, update_interval = ("SGD", 0.1, {"momentum": 0.99}), 140
    if dataset == "mnist":
        optimizer = KERAS_ADAM
    elif dataset == "usps":
        update_interval = 30
    assert brief(config.train.optimizer) == optimizer
    assert config.train.targets_every == update_interval
    assert (config.train.updates, config.train.tolerance) == (2e4, 1e-3)
    assert (config.model.name, config.train.kl_weight, config.model.starts) == ("idec", 0.1, 20)


@pytest.mark.parametrize("dataset", DATASETS)
def test_dcn_is_trained_like_in_the_code_of_its_authors(dataset):
    config = source("dcn_2017", dataset)
    arguments = {"momentum": 0.9, "nesterov": True}
    assert brief(config.train.optimizer) == ("SGD", 0.0001, arguments)
    beta = config.train.kl_weight / 2  # of the whole squared distance
    assert (config.model.name, beta, config.train.epochs, config.batch_size) == ("dcn", 1, 50, 256)
    assert config.model.starts == 10


@pytest.mark.parametrize("dataset", DATASETS)
def test_n2d_is_trained_like_in_the_code_of_its_authors(dataset):
    config = source("n2d_2020", dataset)
    assert brief(config.optimizer) == KERAS_ADAM
    assert (config.pretrain.epochs, config.batch_size) == (1000, 256)
    assert config.architecture.latent_dim == config.n_clusters
    assert (config.model.name, config.model.space, config.model.covariance) == (
        "n2d",
        "umap",
        "full",
    )
    assert config.model.starts == 1


@pytest.mark.parametrize(
    ("dataset", "epochs", "lr_nn", "lr_gmm", "floor"),
    [
        ("mnist", 3000, 0.002, 0.002, 0.0002),
        ("usps", 3000, 0.002, 0.002, 0.0002),
        ("hhar", 120, 0.002, 0.00002, 0),
    ],
)
def test_vade_is_trained_like_in_the_code_of_its_authors(dataset, epochs, lr_nn, lr_gmm, floor):
    config = source("vade_2017", dataset)
    optimizer = config.train.optimizer
    assert (config.train.epochs, config.batch_size, config.init.start) == (epochs, 100, "gmm")
    assert (optimizer.lr, optimizer.mixture_lr) == (lr_nn, lr_gmm)
    assert optimizer.arguments == {"betas": [0.9, 0.999], "eps": 1e-4}
    course, rate = LearningRate.of(optimizer), lr_nn
    for epoch in range(epochs):
        if epoch % 10 == 0 and epoch != 0:
            rate = max(rate * 0.9, floor)
        assert lr_nn * course.at(7 * epoch, 7 * epochs, 7) == pytest.approx(rate)
    assert config.train.anchored == 0


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("dataset", DATASETS)
def test_the_networks_are_those_of_the_sources(name, dataset):
    """Layers of 500, 500 and 2,000, on data as they are, with a linear output but for VaDE."""
    config = sized(source(name, dataset), 1000, 784)
    assert config.architecture.hidden == [500, 500, 2000]
    assert config.architecture.latent_dim == (config.n_clusters if name == "n2d_2020" else 10)
    assert config.architecture.units == "data"
    assert (config.pretrain.loss, config.pretrain.augment) == ("squared_error", False)
    assert config.precision == "float32"
    vade = name == "vade_2017" and dataset != "hhar"
    assert config.dataset.likelihood == ("bernoulli" if vade else "normal")
    model = build_model(config, (784,), config.dataset.likelihood)
    code = torch.randn(3, config.architecture.latent_dim)
    assert torch.equal(model.prior.latents.read(code), code)
    weight = model.decoder.body[0].weight
    inputs, outputs = weight.shape[1], weight.shape[0]
    fan_in = config.architecture.weights == "fan_in"
    limit = inputs**-0.5 if fan_in else math.sqrt(6 / (inputs + outputs))
    assert 0.99 * limit < weight.abs().max() <= limit


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_command_line_chooses_another_method_on_the_same_autoencoder(dataset):
    own = source("dec_2016", dataset)
    other = source("dec_2016", dataset, "model=ae_kmeans", "batch_size=100")
    assert (other.model.name, other.model.method, other.model.starts) == ("ae_kmeans", "kmeans", 20)
    assert (other.optimizer, other.pretrain) == (own.optimizer, own.pretrain)
    assert (own.batch_size, other.batch_size) == (256, 100)
