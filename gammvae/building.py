"""From a configuration to a model, an optimizer and a number of epochs."""

import inspect
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.optim import Optimizer

from gammvae.augmentation import Augmentation, Chain, RandomAffine, Swapping
from gammvae.config import AugmentationConfig, Config, StageConfig
from gammvae.distributions import GAMMA_REPARAMETERIZATIONS
from gammvae.em import checked_labels
from gammvae.errors import InputError
from gammvae.model import GammaMixturePrior, MixturePrior, MixtureVAE, NormalMixturePrior
from gammvae.networks import DECODERS, MLP, GammaEncoder, NormalEncoder, Units


def build_model(config: Config, features: int, likelihood: str) -> MixtureVAE:
    """The untrained model for samples of a number of ``features``.

    Args:
        config: What to build.
        features: ``F``.
        likelihood: ``bernoulli`` or ``normal``, for the decoder.
    """
    hidden, latent_dim = config.architecture.hidden, config.architecture.latent_dim
    units, body, width = Units(features), MLP([features, *hidden]), hidden[-1]
    encoder: nn.Module
    prior: MixturePrior
    if config.model.family == "gamma":
        reparameterization = GAMMA_REPARAMETERIZATIONS[config.model.reparameterization]
        encoder = GammaEncoder(units, body, width, latent_dim, reparameterization)
        prior = GammaMixturePrior(config.n_clusters, latent_dim)
    else:
        encoder = NormalEncoder(units, body, width, latent_dim)
        prior = NormalMixturePrior(config.n_clusters, latent_dim)
    mirror = MLP([latent_dim, *reversed(hidden)])
    decoder = DECODERS[likelihood](units, mirror, hidden[0], features)
    return MixtureVAE(encoder, decoder, prior)


def build_augmentation(config: AugmentationConfig, shape: tuple[int, ...]) -> Augmentation | None:
    """What changes the encoder's input, or ``None`` for nothing.

    Args:
        config: Affine maps, swapped features or both.
        shape: Of a sample.

    Raises:
        InputError: Affine maps are wanted of samples that are no images.
    """
    changes: list[Augmentation] = []
    if any((config.degrees, config.translate, config.scale, config.shear)):
        if len(shape) != 3:
            raise InputError(
                f"augmentation={config.name} needs images: a sample's shape must be channels, "
                f"height and width, it is {list(shape)}; for dataset=file it is dataset.shape"
            )
        limits = config.degrees, config.translate, config.scale, config.shear
        changes.append(RandomAffine((shape[0], shape[1], shape[2]), *limits))
    if config.noise:
        changes.append(Swapping(config.noise))
    return Chain(changes) if changes else None


def build_optimizer(config: Config, model: MixtureVAE) -> Optimizer:
    """The optimizer, with a rate of its own and no weight decay for the mixture's parameters.

    Raises:
        InputError: There is no such optimizer, or it refuses its arguments.
    """
    name, arguments = config.optimizer.name, config.optimizer.arguments
    optimizer: Any = getattr(torch.optim, name, object)
    if Optimizer not in getattr(optimizer, "__mro__", ()):
        raise InputError(f"optimizer.name={name} is unknown: it must be a class of torch.optim")
    if "fused" in inspect.signature(optimizer).parameters:
        device = next(model.parameters()).device.type
        arguments = {"fused": device in ("cpu", "cuda"), **arguments}
    networks = [*model.encoder.parameters(), *model.decoder.parameters()]
    mixture: dict[str, Any] = {
        "params": list(model.prior.parameters()),
        "lr": config.optimizer.mixture_lr,
    }
    if "weight_decay" in inspect.signature(optimizer).parameters:
        mixture["weight_decay"] = 0.0  # zero means nothing special for a logarithm
    try:
        return optimizer([{"params": networks}, mixture], lr=config.optimizer.lr, **arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"optimizer.arguments={arguments} do not suit {name}: {error}") from error


def number_of_epochs(stage: StageConfig, n_samples: int, batch_size: int) -> int:
    """``stage.epochs``, or as many, at least one, as make about ``stage.updates`` steps."""
    if stage.epochs is not None:
        return stage.epochs
    return max(1, round(stage.updates / math.ceil(n_samples / batch_size)))


def read_labels(path: str, n_samples: int, n_clusters: int) -> NDArray[np.int64]:
    """Starting labels ``(N,)`` from a ``.npy`` file.

    Raises:
        InputError: The file cannot be read, or does not hold a label in ``0 .. K - 1`` per sample.
    """
    try:
        labels = np.load(path, allow_pickle=False)
        return checked_labels(labels, n_samples, n_clusters)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"init.labels={path} cannot be used: {error}") from error
