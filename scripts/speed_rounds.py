"""Rounds of work whose time ``benchmark_speed.py`` measures: our steps, ClustPy's, and products.

Every function here returns a function that does one round.
"""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from runs import compose_config
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from gammvae.data.rows import MappedRows
from gammvae.data.samples import Samples, StreamedSamples, batch_of
from gammvae.evaluation.assignments import evaluate
from gammvae.model.augmentation import RandomAffine
from gammvae.model.building import build_model, build_optimizer
from gammvae.training.compilation import Compilation
from gammvae.training.epochs import Epochs, Stage
from gammvae.training.schedules import LearningRate

SHAPE, FEATURES, SAMPLES, BATCH, CLUSTERS = (1, 28, 28), 784, 70_000, 256, 10
# Affine maps as in conf/augmentation/affine.yaml: degrees, shift, scale and shear.
AFFINE = (10.0, 0.1, 0.1, 10.0)
Round = Callable[[], None]


def training(
    x: Samples,
    kl_weight: float,
    precision: torch.dtype,
    *overrides: str,
    compiled: bool = False,
    recorded: bool = False,
    augmented: bool = False,
) -> Round:
    """One round of gammvae's training loop over ``x``; with an augmentation, clusters are held.

    Args:
        x: Random samples ``(N, F)``.
        kl_weight: Weight of the KL terms; 0 for pretraining.
        precision: Data type of the networks' arithmetic.
        overrides: Settings of ``gammvae train``.
        compiled: Whether the loss is compiled.
        recorded: Whether steps are recorded as a CUDA graph.
        augmented: Whether the encoder's input is augmented.
    """
    config = compose_config("dataset=mnist", *overrides)
    model = build_model(config, SHAPE, "bernoulli").to(x.device)
    stage = Stage(
        "benchmark", 1, BATCH, kl_weight, "constant", LearningRate("constant"), None, precision
    )
    stage = stage._replace(recorded=recorded)
    if augmented:
        stage = stage._replace(augment=RandomAffine(SHAPE, *AFFINE), agreement=1.0)
    if compiled:
        stage = stage._replace(compilation=Compilation())
    epochs = Epochs(model, x, stage, build_optimizer(config.optimizer, model))
    held = torch.arange(len(x), device=x.device) % CLUSTERS if augmented and kl_weight else None
    bar, steps = tqdm(disable=True), math.ceil(len(x) / BATCH)

    def once() -> None:
        epochs.run(held, kl_weight, [1.0] * steps, bar)

    return once


def clustpy_pretraining(x: Tensor) -> Round:
    """One epoch of ClustPy's pretraining for its VaDE over ``x``, with our widths."""
    from clustpy.deep._data_utils import get_dataloader
    from clustpy.deep.vade import _VaDE_VAE

    model = _VaDE_VAE([FEATURES, *(compose_config("dataset=mnist").architecture.hidden or ()), 10])
    loader = get_dataloader(x.numpy(), BATCH, shuffle=True)

    def once() -> None:
        model.fit(1, dataloader=loader, ssl_loss_fn=nn.BCELoss())

    return once


def clustpy_vade(x: Tensor) -> Round:
    """One epoch of ClustPy's VaDE over ``x``, with our widths."""
    from clustpy.deep._data_utils import get_dataloader
    from clustpy.deep.vade import _VaDE_Module, _VaDE_VAE

    model = _VaDE_VAE([FEATURES, *(compose_config("dataset=mnist").architecture.hidden or ()), 10])
    model.fitted = True
    prior = _VaDE_Module(CLUSTERS, 10)
    loader = get_dataloader(x.numpy(), BATCH, shuffle=True)
    optimizer = torch.optim.Adam([*model.parameters(), *prior.parameters()], lr=1e-4)

    def once() -> None:
        prior.fit(model, None, loader, 1, torch.device("cpu"), optimizer, nn.BCELoss(), 1.0, 1.0)

    return once


def products(x: Samples, precision: torch.dtype) -> Round:
    """The matrix products of one training round over ``x``: 3 per layer, 2 for the first."""
    model = build_model(compose_config("dataset=mnist"), SHAPE, "bernoulli")
    shapes = [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, nn.Linear)]
    operands = [
        tuple(
            torch.randn(shape, device=x.device).to(precision)
            for shape in ((BATCH, inputs), (inputs, outputs), (BATCH, outputs))
        )
        for inputs, outputs in shapes
    ]

    def once() -> None:
        for _ in range(len(x) // BATCH):
            for layer, (below, weight, above) in enumerate(operands):
                below @ weight
                below.T @ above
                if layer > 0:
                    above @ weight.T

    return once


def optimizer_alone(x: Samples, subnormal: bool = False) -> Round:
    """The optimizer's updates of one training round over ``x``, without gradients to compute.

    Args:
        x: Random samples ``(N, F)``.
        subnormal: Whether the gradients of a half of the weights vanish and their first moments are
            so small that processors take long, as after 1,000 steps in which units are not active.
    """
    config = compose_config("dataset=mnist")
    model = build_model(config, SHAPE, "bernoulli").to(x.device)
    optimizer = build_optimizer(config.optimizer, model)
    for weight in model.parameters():
        weight.grad = torch.randn_like(weight)
    optimizer.step()
    if subnormal:
        for weight in model.parameters():
            half = torch.rand_like(weight) < 0.5
            weight.grad = torch.randn_like(weight).masked_fill(half, 0.0)
            optimizer.state[weight]["exp_avg"][half] = 1e-42

    def once() -> None:
        for _ in range(len(x) // BATCH):
            optimizer.step()

    return once


def updates(x: Samples, precision: torch.dtype, compiled: bool) -> Round:
    """The updates of one training round over ``x``: Adam, and conversions from and to a precision.

    Args:
        x: Random samples ``(N, F)``.
        precision: Data type of the networks' arithmetic.
        compiled: Whether the steps are compiled.
    """
    config = compose_config("dataset=mnist")
    model = build_model(config, SHAPE, "bernoulli").to(x.device)
    stage = Stage("update", 1, BATCH, 1.0, "constant", LearningRate("constant"), None, precision)
    stage = stage._replace(compilation=Compilation() if compiled else None)
    epochs = Epochs(model, x, stage, build_optimizer(config.optimizer, model))
    converted = {id(weight) for weight in epochs.copies.weights}
    others = [weight for weight in model.parameters() if id(weight) not in converted]
    gradients = [(one, torch.randn_like(one)) for one in (*epochs.copies.copies, *others)]

    def once() -> None:
        for _ in range(len(x) // BATCH):
            for weight, gradient in gradients:
                weight.grad = gradient
            epochs.update()

    return once


def data_loader(x: Tensor) -> Round:
    """One round over ``x`` through a ``DataLoader``, without training."""
    loader = DataLoader(TensorDataset(x), BATCH, shuffle=True)

    def once() -> None:
        for _ in loader:
            pass

    return once


def index(x: Samples) -> Round:
    """One round over ``x`` by index, as in the training loop, without training."""

    def once() -> None:
        for batch in torch.randperm(len(x), device=x.device).split(BATCH):
            batch_of(x, batch)

    return once


def evaluation(x: Samples) -> Round:
    """The clusters and the ELBO of ``x``, as at the end of a run, without scores by classes."""
    model = build_model(compose_config("dataset=mnist"), SHAPE, "bernoulli").to(x.device)

    def once() -> None:
        evaluate(model, x, None, 0, lambda part: None)

    return once


def streamed(x: Tensor, folder: str) -> Samples:
    """The samples ``x``, saved to a ``.npy`` file in a folder and streamed from it."""
    path = Path(tempfile.mkdtemp(dir=folder)) / "x.npy"
    np.save(path, x.cpu().numpy())
    return StreamedSamples(MappedRows(path), x.device)
