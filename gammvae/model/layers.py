"""Pairs of layers: one of the encoder and its mirror in the decoder, an autoencoder of their own.

The first pair reads and reconstructs the samples, every other one the output of the encoder's layer
before. The last one has the code between its two layers.

Notation: ``B`` batch, ``F`` features of the data, ``H`` units of a layer.
"""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from gammvae.model.networks import MLP
from gammvae.model.vae import MixtureVAE


class Reconstruction(NamedTuple):
    """What a pair of layers reads, and what it makes of that; each ``(B, F)`` or ``(B, H)``."""

    target: Tensor
    output: Tensor


def number_of_pairs(model: MixtureVAE) -> int:
    """Number of pairs of layers; 0 if the networks are not those of ``architecture.hidden``."""
    body = cast(Any, model.encoder).body
    return len(layers_of(body)) + 1 if isinstance(body, MLP) else 0


def layers_of(body: MLP) -> list[list[nn.Module]]:
    """The layers of a network, each with what follows it up to its ReLU."""
    layers: list[list[nn.Module]] = [[]]
    for module in body:
        layers[-1].append(module)
        if isinstance(module, nn.ReLU):
            layers.append([])
    return layers[:-1]


def through(layer: list[nn.Module], x: Tensor) -> Tensor:
    """The output of a layer of ``layers_of`` for ``x`` ``(B, H)``."""
    for module in layer:
        x = module(x)
    return x


def reconstruct(model: MixtureVAE, x: Tensor, pair: int, share: float) -> Reconstruction:
    """Has one pair of layers reconstruct what it reads; no other layer gets a gradient.

    Dropout is that of the code of DEC's authors: of what the pair reads and of what its first layer
    returns, but neither of samples nor of the code.

    Args:
        model: A model with more than ``pair`` pairs.
        x: Samples ``(B, F)``.
        pair: Number of the pair, counted from 0 at the samples.
        share: Share of the activations that are set to 0, in [0, 1).

    Returns:
        Input and output of the pair; of the first one in the units of the data.

    References:
        Stacked denoising autoencoders (Vincent et al., 2010), section 3.5;
        https://github.com/piiswrong/dec, dec/pretrain.py
    """
    encoder, decoder = cast(Any, model.encoder), cast(Any, model.decoder)
    below, mirrors = layers_of(encoder.body), layers_of(decoder.body)
    with torch.no_grad():
        target = encoder.units(x)
        for layer in below[:pair]:
            target = through(layer, target)
    read = dropout(target, share) if pair else target
    if pair < len(below):
        hidden = dropout(through(below[pair], read), share)
    else:
        hidden = encoder.latents.read(encoder.of_hidden(read).mean)
    if not pair:
        return Reconstruction(x, decoder.of_hidden(hidden).mean)
    return Reconstruction(target.float(), through(mirrors[len(below) - pair], hidden).float())
