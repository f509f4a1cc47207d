"""The first stage: an autoencoder, trained as a whole, or before that layer by layer."""

from functools import partial

from gammvae.config.sections import PretrainConfig
from gammvae.model.building import number_of_epochs
from gammvae.model.layers import number_of_pairs, reconstruct
from gammvae.model.vae import MixtureVAE
from gammvae.runs.sharing import Pretrained
from gammvae.training.objective import (
    Batch,
    Loss,
    Outcome,
    batch_loss,
    in_units,
    of_errors,
    scaled_error,
    squared_error,
)
from gammvae.training.stages import Part, compiled, train
from gammvae.training.workspace import Workspace

LOSSES: dict[str, Loss] = {
    "likelihood": batch_loss,
    "squared_error": squared_error,
    "scaled_error": scaled_error,
}


def pretrain(work: Workspace) -> None:
    """Trains encoder and decoder on the reconstruction alone, or reuses those of another run."""
    if (work.directory / "train.pt").exists():
        return
    stage = work.config.pretrain
    prior_is_trained = next(work.model.prior.parameters()).requires_grad
    surroundings = {
        "data": work.digest,
        "likelihood": work.facts.likelihood,
        "device": work.device.type,
        "precision": work.precision,
        "compiled": compiled(work, epochs_of(work) * work.steps_of_a_pass()),
        "augmented": stage.augment and work.augment is not None,
        "trained prior": stage.kl_weight > 0 and prior_is_trained,
    }
    with Pretrained(work.config, surroundings).shared(work.directory):
        train(work, "pretrain", stage, parts=parts(work))


def parts(work: Workspace) -> list[Part]:
    """The parts of pretraining: one for each pair of layers, if they are trained, and the whole.

    Layers are trained on samples without augmentation.
    """
    config, steps = work.config.pretrain, work.steps_of_a_pass()
    whole = Part.of(config, steps, LOSSES[config.loss])
    epochs = number_of_epochs(config.layers, steps) if config.layers.given else 0
    layers = (
        Part(epochs, loss_of_pair(config, pair), augment=False, kl_weight=0.0, layer=pair + 1)
        for pair in range(number_of_pairs(work.model) if epochs else 0)
    )
    return [*layers, whole]


def epochs_of(work: Workspace) -> int:
    """Number of epochs of all parts of pretraining."""
    return sum(part.epochs for part in parts(work))


def loss_of_pair(config: PretrainConfig, pair: int) -> Loss:
    """The loss of one pair of layers; see ``pair_error``.

    Args:
        config: Settings of pretraining.
        pair: Number of the pair, counted from 0 at the samples.
    """
    scaled = config.loss == "scaled_error"
    return partial(pair_error, pair=pair, share=config.layers.dropout, scaled=scaled)


def pair_error(
    model: MixtureVAE, batch: Batch, *, pair: int, share: float, scaled: bool
) -> Outcome:
    """The squared error of a pair of layers, a mean over samples and what is reconstructed.

    Args:
        model: The model, of which two layers get a gradient.
        batch: Samples that the first pair reads.
        pair: Number of the pair; see ``layers.reconstruct``.
        share: Share of the activations that are set to 0.
        scaled: Whether the error of samples is in the units of the networks, not of the data.
    """
    target, output = reconstruct(model, batch.samples, pair, share)
    gap = output - target
    if pair == 0 and scaled:
        gap = in_units(model, gap)
    return of_errors(gap.square().mean(-1))
