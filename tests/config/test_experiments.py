"""The experiments that follow a source, against the settings in the code of the source."""

import math
from dataclasses import replace

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from gammvae.config.sizing import sized
from gammvae.model.building import build_model, number_of_epochs
from gammvae.training.schedules import LearningRate
from tests.conftest import compose_config

DATASETS = "mnist", "fashion_mnist", "usps", "hhar", "digits", "reuters10k", "stl10"
SOURCES = "dec_2016", "idec_2017", "dcn_2017", "n2d_2020", "vade_2017"
# keras.optimizers.Adam without arguments
KERAS_ADAM = ("Adam", 1e-3, {"betas": [0.9, 0.999], "eps": 1e-7})


def source(name, dataset, *overrides):
    config = compose_config(f"dataset={dataset}", f"experiment={name}", *overrides)
    return sized(config, 10_000, 784)


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
    elif dataset == "reuters10k":
        update_interval = 30
        pretrain_epochs = 50
        init = "fan_in"
        pretrain_optimizer = ("SGD", 1, {"momentum": 0.9})
    elif dataset == "usps":
        update_interval = 30
        pretrain_epochs = 50
    elif dataset == "stl10":
        update_interval = 30
        pretrain_epochs = 10
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


@pytest.mark.parametrize(("dataset", "lam"), [("mnist", 160), ("stl10", 40), ("reuters10k", 20)])
def test_layers_are_trained_like_in_the_code_of_dec_s_authors(dataset, lam):
    """The calls at the end of dec/pretrain.py and of dec/dec.py."""
    drop, rate, step, iterations, of_a_layer = 0.2, 0.1, 20_000, 100_000, 50_000
    config = source("dec_2016_layers", dataset)
    layers, course = config.pretrain.layers, config.optimizer
    assert (layers.epochs, layers.updates, layers.dropout) == (None, of_a_layer, drop)
    assert (config.pretrain.epochs, config.pretrain.updates) == (None, iterations)
    # there, half of the squared error is minimized
    assert (course.name, course.lr, config.pretrain.loss) == ("SGD", rate / 2, "scaled_error")
    assert (course.arguments["momentum"], course.arguments["nesterov"]) == (0.9, False)
    samples = {"mnist": 70_000, "stl10": 13_000, "reuters10k": 10_000}[dataset]
    steps = math.ceil(samples / config.batch_size)
    relative = [
        LearningRate.of(course).at(at, iterations, steps) for at in (step - 1, step, 2 * step)
    ]
    assert relative == pytest.approx([1, 0.1, 0.01])
    # to the next whole epoch
    assert number_of_epochs(layers, steps) * steps == pytest.approx(of_a_layer, rel=0.01)
    assert brief(config.train.optimizer) == ("SGD", 0.01, {"momentum": 0.9})
    assert (config.train.targets_every, config.train.tolerance) == (lam, 1e-3)
    assert (config.batch_size, config.model.name, config.model.starts) == (256, "dec", 20)
    assert (config.architecture.hidden, config.architecture.latent_dim) == ([500, 500, 2000], 10)
    assert (config.architecture.units, config.dataset.likelihood) == ("norm", "normal")
    weight = build_model(config, (784,), "normal").encoder.body[0].weight
    # 392,000 weights: 4 standard errors are .5 %
    assert weight.std().item() == pytest.approx(0.01, rel=5e-3)


@pytest.mark.parametrize("dataset", DATASETS)
def test_idec_is_trained_like_in_the_code_of_its_authors(dataset):
    config = source("idec_2017", dataset)
    optimizer, update_interval = ("SGD", 0.1, {"momentum": 0.99}), 140
    if dataset == "mnist":
        optimizer = KERAS_ADAM
    elif dataset == "usps":
        update_interval = 30
    elif dataset == "reuters10k":
        update_interval = 3
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
    assert config.train.targets_every is config.train.tolerance is None


@pytest.mark.parametrize("method", ["dec", "idec", "dcn"])
@pytest.mark.parametrize("dataset", ["mnist", "fashion_mnist", "usps", "digits"])
def test_augmented_peers_are_trained_like_in_the_code_of_2025(method, dataset):
    """config/autoencoder/baseline_comp.py, with the defaults of config/runner_config.py."""
    config = source(f"{method}_2025", dataset)
    adam = ("Adam", 1e-3)
    assert brief(config.optimizer)[:2] == adam
    assert config.train.optimizer.clip_grad_norm == 500
    assert brief(replace(config.train.optimizer, clip_grad_norm=None))[:2] == adam
    assert (config.pretrain.epochs, config.train.epochs, config.batch_size) == (250, 400, 256)
    assert (config.pretrain.augment, config.train.augment) == (False, True)
    assert (config.model.name, config.model.starts) == (method, 10)
    affine = config.augmentation
    assert (affine.degrees, affine.translate, affine.shear, affine.scale) == (16, 0.1, 8, 0)
    assert config.train.targets_every == (None if method == "dcn" else "batch")
    # its counts of the codes stay at 100
    rate = pytest.approx(1 / (100 + 1)) if method == "dcn" else None
    assert config.model.center_rate == rate
    layers = build_model(config, (784,), "normal").encoder.body
    widths = [layer.out_features for layer in layers if isinstance(layer, nn.Linear)]
    assert widths == [1024, 512, 256]
    assert sum(isinstance(layer, nn.BatchNorm1d) for layer in layers) == 3


@pytest.mark.parametrize("dataset", ["usps", "digits"])
def test_weights_of_2025_are_those_for_pixels_with_a_variance_of_one(dataset):
    """There, reconstruction and 0.1 KL, and reconstruction and 0.025 squares / K, of means."""
    if dataset == "digits":
        pixels = load_digits().data / 16
        variance, features = pixels.var(), pixels.shape[1]
    else:  # of the published file
        variance, features = 0.386**2, 256
    idec, dcn = (source(f"{name}_2025", dataset).train.kl_weight for name in ("idec", "dcn"))
    assert idec == pytest.approx(0.1 * variance, rel=5e-3)
    # of half the squares, beside a sum over the features
    assert dcn / 2 == pytest.approx(0.025 / 10 * features * variance, rel=5e-3)


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
    ("dataset", "epochs", "lr_gmm", "decay_n", "decay", "floor", "start"),
    [
        ("mnist", 3000, 0.002, 10, 0.9, 0.0002, "gmm"),
        ("usps", 3000, 0.002, 10, 0.9, 0.0002, "gmm"),
        ("hhar", 120, 0.00002, 10, 0.9, 0, "gmm"),
        ("reuters10k", 15, 0.002, 5, 0.5, 0, "kmeans"),
    ],
)
def test_vade_is_trained_like_in_the_code_of_its_authors(
    dataset, epochs, lr_gmm, decay_n, decay, floor, start
):
    lr_nn = 0.002
    config = source("vade_2017", dataset)
    optimizer = config.train.optimizer
    assert (config.train.epochs, config.batch_size, config.init.start) == (epochs, 100, start)
    assert (optimizer.lr, optimizer.mixture_lr) == (lr_nn, lr_gmm)
    assert optimizer.arguments == {"betas": [0.9, 0.999], "eps": 1e-4}
    course, rate = LearningRate.of(optimizer), lr_nn
    for epoch in range(epochs):
        if epoch % decay_n == 0 and epoch != 0:
            rate = max(rate * decay, floor)
        assert lr_nn * course.at(7 * epoch, 7 * epochs, 7) == pytest.approx(rate)
    assert config.train.anchored == 0


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("dataset", DATASETS)
def test_the_networks_are_those_of_the_sources(name, dataset):
    """Layers of 500, 500 and 2,000, on data as they are, with a linear output but for VaDE."""
    config = source(name, dataset)
    assert config.architecture.hidden == [500, 500, 2000]
    assert config.architecture.latent_dim == (config.n_clusters if name == "n2d_2020" else 10)
    assert config.architecture.units == "data"
    assert (config.pretrain.loss, config.pretrain.augment) == ("squared_error", False)
    assert config.precision == "float32"
    vade = name == "vade_2017" and dataset not in ("hhar", "reuters10k", "stl10")
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


@pytest.mark.parametrize("name", SOURCES)
def test_another_optimizer_takes_the_place_of_the_source_s(name):
    config = source(name, "mnist", "optimizer=adamw", "optimizer.lr=0.5")
    assert (config.optimizer.name, config.optimizer.lr) == ("AdamW", 0.5)
