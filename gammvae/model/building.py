"""Builds the model, the augmentation and the optimizer from a configuration."""

import inspect
import math
from typing import Any, TypeVar

import torch
from torch import nn
from torch.optim import Optimizer

from gammvae.config.code import made
from gammvae.config.schema import Config
from gammvae.config.sections import (
    ArchitectureConfig,
    AugmentationConfig,
    LayersConfig,
    OptimizerConfig,
    StageConfig,
)
from gammvae.errors import InputError
from gammvae.model.augmentation import Augmentation, Chain, Checked, RandomAffine, Swapping
from gammvae.model.convolution import Convolutions, TransposedConvolutions, last_layer
from gammvae.model.latents import GammaLatents, Latents, NormalLatents
from gammvae.model.log_gamma import GAMMA_REPARAMETERIZATIONS
from gammvae.model.networks import (
    DECODERS,
    FIRST_WEIGHTS,
    MLP,
    Encoder,
    Units,
    glorot,
    redraw,
)
from gammvae.model.vae import MixturePrior, MixtureVAE
from gammvae.system.memory import CHUNK_ROWS, memory_of_machine

Kind = TypeVar("Kind")

FLOAT_BYTES = 4
# Where model.gain is null, as in configurations of versions that had no such setting.
GAIN = 8.0


def build_model(config: Config, shape: tuple[int, ...], likelihood: str) -> MixtureVAE:
    """Builds the untrained model, with layers such as dropout as outside of training.

    Args:
        config: Configuration of the run, after ``sizing.sized``.
        shape: Shape of a sample; channels, height and width for convolutions.
        likelihood: Likelihood of the decoder, ``bernoulli`` or ``normal``.

    Raises:
        InputError: Convolutions are configured for samples that are not images, or the model is too
            large for this machine.
    """
    with torch.device("meta"):  # without memory, and without drawing random numbers
        check_memory(assembled(config, shape, likelihood), config, shape)
    return assembled(config, shape, likelihood).eval()


def check_memory(model: MixtureVAE, config: Config, shape: tuple[int, ...]) -> None:
    """Refuses a model that does not fit into the memory of this machine.

    Args:
        model: The model, on the device ``meta``.
        config: Configuration of the run.
        shape: Shape of a sample.

    Raises:
        InputError: The model is too large.
    """
    architecture, trained = config.architecture, not config.model.on_samples
    n_values = sum(parameter.numel() for parameter in model.parameters())
    table = min(config.batch_size, CHUNK_ROWS) * config.n_clusters
    # Weights, their gradients and Adam's two moments; and the table of all KL divergences of a
    # batch, with its intermediate results, some in float64.
    needed = FLOAT_BYTES * (4 * n_values + 8 * table if trained else n_values)
    if needed > (memory := memory_of_machine()):
        kinds = "layers", "channels", "hidden"
        kind = next(name for name in kinds if getattr(architecture, name))
        layers = getattr(architecture, kind)
        raise InputError(
            f"architecture.{kind}={layers} and architecture.latent_dim={architecture.latent_dim} "
            f"make {n_values} weights for n_clusters={config.n_clusters} and samples of "
            f"{math.prod(shape)} values; with batch_size={config.batch_size} they take "
            f"{needed / 2**30:.1f} GiB, and this machine has {memory / 2**30:.1f} GiB"
        )


def assembled(config: Config, shape: tuple[int, ...], likelihood: str) -> MixtureVAE:
    """Builds the untrained model without checking its size; see ``build_model``."""
    units, latents = Units(math.prod(shape)), build_latents(config)
    body, width, mirror, head = build_bodies(config.architecture, shape)
    model = MixtureVAE(
        Encoder(units, body, width, latents),
        DECODERS[likelihood](units, latents, mirror, head),
        MixturePrior(config.n_clusters, latents),
    )
    if draw := FIRST_WEIGHTS.get(config.architecture.weights):
        redraw(model, draw)
    return model


def build_latents(config: Config) -> Latents:
    """The latent features of the model's family."""
    model, architecture = config.model, config.architecture
    latent_dim, decoder_gain = architecture.latent_dim, architecture.decoder_gain
    if model.latents is not None:
        sizes = {"latent_dim": latent_dim, "decoder_gain": decoder_gain}
        return of_type(Latents, "model.latents", model.latents, **sizes)
    if model.family == "normal":
        return NormalLatents(latent_dim, decoder_gain)
    reparameterization = GAMMA_REPARAMETERIZATIONS[model.reparameterization]
    return GammaLatents(latent_dim, model.gain or GAIN, reparameterization, decoder_gain)


def build_bodies(
    config: ArchitectureConfig, shape: tuple[int, ...]
) -> tuple[nn.Module, int, nn.Module, nn.Module]:
    """The encoder's body and its output width, and the decoder's body and last layer.

    Raises:
        InputError: Convolutions are configured for samples that are not images, or the user's own
            layers are not such a tuple.
    """
    if config.layers is not None:
        sizes = {"shape": shape, "latent_dim": config.latent_dim}
        own = of_type(tuple, "architecture.layers", config.layers, **sizes)
        kinds = nn.Module, int, nn.Module, nn.Module
        if len(own) != 4 or not all(map(isinstance, own, kinds)):
            raise InputError(
                f"architecture.layers={config.layers['_target_']} must return the encoder's body, "
                "its output width, and the decoder's body and last layer, but returned "
                + ", ".join(type(one).__name__ for one in own)
            )
        check_layers(*own[:3], f"architecture.layers={config.layers['_target_']}")
        return own
    if config.channels:
        image = image_shape(shape, f"architecture={config.name}")
        convolutions = Convolutions(image, config.channels)
        mirror = TransposedConvolutions(config.latent_dim, image, config.channels)
        return convolutions, convolutions.width, mirror, last_layer(image, config.channels)
    hidden, features = config.hidden, math.prod(shape)
    assert hidden is not None  # config.sizing.sized has chosen them
    return (
        MLP([features, *hidden], batch_norm=config.batch_norm),
        hidden[-1],
        MLP([config.latent_dim, *reversed(hidden)], batch_norm=config.batch_norm),
        glorot(nn.Linear(hidden[0], features)),
    )


def check_layers(encoder: nn.Module, width: int, decoder: nn.Module, what: str) -> None:
    """Refuses a user's own layers without an output or without a middle layer.

    Args:
        encoder: The encoder's body.
        width: Its output width.
        decoder: The decoder's body.
        what: The setting, for messages.

    Raises:
        InputError: The width is below 1, or a body has no method ``middle``.
    """
    if width < 1:
        raise InputError(f"{what} returned the output width {width}: it must be at least 1")
    for name, body in (("encoder", encoder), ("decoder", decoder)):
        if not callable(getattr(body, "middle", None)):
            raise InputError(
                f"{what} returned a {type(body).__name__} as the {name}'s body: it must have a "
                "method middle, which returns the activations of a middle layer"
            )


def of_type(kind: type[Kind], key: str, setting: dict[str, Any], **offered: Any) -> Kind:  # noqa: ANN401
    """What the user's function returns.

    Args:
        kind: What it must return.
        key: Setting that names the function, for messages.
        setting: Value of the setting.
        offered: See ``code.made``.

    Raises:
        InputError: It returns something else, or see ``code.made``.
    """
    found = made(key, setting, **offered)
    if not isinstance(found, kind):
        raise InputError(
            f"{key}={setting['_target_']} must return a {kind.__name__}, but returned "
            f"{type(found).__name__}"
        )
    return found


def image_shape(shape: tuple[int, ...], wanted_by: str) -> tuple[int, int, int]:
    """``shape`` as channels, height and width.

    Raises:
        InputError: It is not the shape of an image; the message names the setting that needs one.
    """
    if len(shape) != 3:
        raise InputError(
            f"{wanted_by} needs images: a sample's shape must be channels, height and width, but "
            f"it is {list(shape)}; dataset=file takes it from dataset.shape"
        )
    return shape[0], shape[1], shape[2]


def build_augmentation(config: AugmentationConfig, shape: tuple[int, ...]) -> Augmentation | None:
    """Builds the augmentation of the encoder's input, ``None`` if there is none.

    Args:
        config: Settings of affine maps, swapped features and the user's own change.
        shape: Shape of a sample.

    Raises:
        InputError: Affine maps are configured for samples that are not images, or the user's own
            change cannot be made.
    """
    changes: list[Augmentation] = []
    if any((config.degrees, config.translate, config.scale, config.shear)):
        limits = config.degrees, config.translate, config.scale, config.shear
        image = image_shape(shape, f"augmentation={config.name}")
        changes.append(RandomAffine(image, *limits))
    if config.noise:
        changes.append(Swapping(config.noise))
    if config.change is not None:
        change = made("augmentation.change", config.change, shape=shape)
        if not callable(change):
            raise InputError(
                f"augmentation.change={config.change['_target_']} must return a function, but "
                f"returned {type(change).__name__}"
            )
        changes.append(Checked(change, config.change["_target_"]))
    return Chain(changes) if changes else None


def build_optimizer(
    config: OptimizerConfig, model: MixtureVAE, section: str = "optimizer"
) -> Optimizer:
    """Builds the optimizer; the mixture has its own learning rate and no weight decay.

    Args:
        config: Its settings, after ``sizing.sized``.
        model: The model whose parameters it changes.
        section: Where the settings are from, for messages.

    Raises:
        InputError: There is no such optimizer, or it rejects its arguments.
    """
    name, arguments = config.name, config.arguments
    optimizer: Any = getattr(torch.optim, name, object)
    if Optimizer not in getattr(optimizer, "__mro__", ()):
        raise InputError(f"{section}.name={name} is unknown: it must be a class of torch.optim")
    known, device = inspect.signature(optimizer).parameters, next(model.parameters()).device.type
    if "fused" in known:
        arguments = {"fused": device in ("cpu", "cuda"), **arguments}
    if "capturable" in known and device == "cuda":  # so that steps can be recorded
        arguments = {"capturable": True, **arguments}
    networks = dict.fromkeys([*model.encoder.parameters(), *model.decoder.parameters()])
    mixture: dict[str, Any] = {
        "params": list(model.prior.parameters()),
        "lr": config.mixture_lr,
    }
    if "weight_decay" in known:
        mixture["weight_decay"] = 0.0  # logarithms should not decay towards zero
    try:
        return optimizer([{"params": list(networks)}, mixture], lr=config.lr, **arguments)
    except (TypeError, ValueError, RuntimeError, IndexError) as error:
        raise InputError(f"{section}.arguments={arguments} do not suit {name}: {error}") from error


def number_of_epochs(stage: StageConfig | LayersConfig, steps: int) -> int:
    """``stage.epochs``, or else as many as make about ``stage.updates`` steps, but at least 1.

    Args:
        stage: Settings of the stage, or of the layers that are trained in it.
        steps: Number of steps of an epoch.
    """
    if stage.epochs is not None:
        return stage.epochs
    assert stage.updates is not None  # config.sizing.sized has chosen it
    return max(1, round(stage.updates / steps))
