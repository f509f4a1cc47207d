import pytest
import torch
from torch import nn

from gammvae.model.convolution import Convolutions
from gammvae.model.latents import NormalLatents
from gammvae.model.layers import number_of_pairs, reconstruct
from gammvae.model.networks import MLP, BernoulliDecoder, Encoder, NormalDecoder, Units
from gammvae.model.vae import MixturePrior, MixtureVAE

PAIRS = 4


def build(decoder=NormalDecoder, *, batch_norm=False):
    """Layers of 6, 9, 8, 7 and 3 units, on data in other units."""
    units, latents = Units(6), NormalLatents(3, decoder_gain=2.0)
    if decoder is NormalDecoder:
        units.fit(3 + 5 * torch.randn(100, 6))
    encoder = Encoder(units, MLP([6, 9, 8, 7], batch_norm=batch_norm), 7, latents)
    mirror = MLP([3, 7, 8, 9], batch_norm=batch_norm)
    model = MixtureVAE(
        encoder, decoder(units, latents, mirror, nn.Linear(9, 6)), MixturePrior(2, latents)
    )
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:  # biases, which begin at 0
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def test_pairs_are_those_of_fully_connected_layers():
    assert number_of_pairs(build()) == number_of_pairs(build(batch_norm=True)) == PAIRS
    model = build()
    model.encoder.body = Convolutions((1, 8, 8), [4, 8])
    assert number_of_pairs(model) == 0


@pytest.mark.parametrize("decoder", [NormalDecoder, BernoulliDecoder])
def test_a_pair_is_an_encoder_s_layer_and_its_mirror(decoder):
    model, x = build(decoder), torch.rand(20, 6)
    up, down = (nn.Sequential(*net.body) for net in (model.encoder, model.decoder))
    layers = [up[:2], up[2:4], up[4:6]]
    mirrors = [model.decoder.head, down[4:6], down[2:4], down[:2]]
    read = [model.encoder.units(x)]
    for layer in layers:
        read.append(layer(read[-1]))
    code = 2 * model.encoder.head(read[-1])[:, :3]  # the decoder reads twice the mean
    for pair, inside in enumerate([*read[1:], code]):
        target, output = reconstruct(model, x, pair, 0.0)
        expected = mirrors[pair](inside)
        if pair == 0:
            expected = (
                model.encoder.units.back(expected)
                if decoder is NormalDecoder
                else expected.sigmoid()
            )
        torch.testing.assert_close(target, read[pair] if pair else x)
        torch.testing.assert_close(output, expected)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_only_the_layers_of_a_pair_get_a_gradient(batch_norm):
    model, x = build(batch_norm=batch_norm), torch.rand(20, 6)
    of_a_layer = 3 if batch_norm else 2
    for pair in range(PAIRS):
        model.zero_grad()
        target, output = reconstruct(model.train(), x, pair, 0.0)
        (output - target).square().mean().backward()
        trained = {
            name.rsplit(".", 1)[0]
            for name, weight in model.named_parameters()
            if weight.grad is not None
        }
        first = "encoder.head" if pair == PAIRS - 1 else f"encoder.body.{of_a_layer * pair}"
        last = f"decoder.body.{of_a_layer * (PAIRS - 1 - pair)}" if pair else "decoder.head"
        assert {first, last} <= trained
        # batch normalization follows all layers but the head of either network
        assert len(trained) == 2 + batch_norm * (2 - (pair in (0, PAIRS - 1)))


def identities(share):
    """What the pairs of layers make of ones if every weight matrix is the identity."""
    units, latents = Units(500), NormalLatents(500, decoder_gain=1.0)
    encoder = Encoder(units, MLP([500, 500, 500]), 500, latents)
    decoder = NormalDecoder(units, latents, MLP([500, 500, 500]), nn.Linear(500, 500))
    model = MixtureVAE(encoder, decoder, MixturePrior(2, latents))
    with torch.no_grad():
        for layer in filter(lambda one: isinstance(one, nn.Linear), model.modules()):
            layer.weight.copy_(torch.eye(*layer.weight.shape))
            layer.bias.zero_()
    x = torch.ones(40, 500)
    return [reconstruct(model, x, pair, share) for pair in range(3)]


def test_dropout_spares_samples_and_codes():
    share = 0.2
    for pair, (target, output) in enumerate(identities(share)):
        assert torch.equal(target, torch.ones_like(target))
        times = (1, 2, 1)[pair]  # of the first layer's output, of both, of what is read
        kept = (1 - share) ** times
        error = (kept * (1 - kept) / output.numel()) ** 0.5
        # of 20,000 units; 4 standard errors
        assert (output > 0).float().mean().item() == pytest.approx(kept, abs=4 * error)
        found = output[output > 0]
        torch.testing.assert_close(found, torch.full_like(found, 1 / kept))
