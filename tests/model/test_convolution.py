import pytest
import torch

from gammvae.errors import InputError
from gammvae.model.building import build_model
from gammvae.model.convolution import Convolutions, TransposedConvolutions, halved, last_layer
from gammvae.training.precision import LAYERS, TOLERANCE, deviation
from tests.conftest import compose_config


@pytest.mark.parametrize("shape", [(1, 28, 28), (1, 8, 8), (3, 17, 30), (2, 5, 1)])
def test_the_decoder_mirrors_the_encoder(shape):
    channels = [4, 6, 8]
    features = shape[0] * shape[1] * shape[2]
    encoder = Convolutions(shape, channels)
    h = encoder(torch.rand(3, features))
    assert h.shape == (3, encoder.width)
    assert torch.equal(encoder.middle(torch.zeros(3, features)), encoder(torch.zeros(3, features)))
    decoder = TransposedConvolutions(5, shape, channels)
    z = torch.rand(3, 5)
    x = last_layer(shape, channels)(decoder(z))
    assert x.shape == (3, features)
    assert decoder.middle(z).shape == (3, encoder.width)
    image = torch.rand(3, *shape)
    for layer, after in zip(
        [module for module in encoder if isinstance(module, torch.nn.Conv2d)],
        halved(shape, channels)[1:],
        strict=True,
    ):
        image = layer(image)
        assert image.shape[1:] == after


def test_a_shifted_image_gives_shifted_features():
    """What makes it a convolution: two pixels of the input are one of the first layer."""
    encoder = Convolutions((1, 32, 32), [4])
    image = torch.zeros(1, 1, 32, 32)
    image[0, 0, 10:16, 8:20] = torch.rand(6, 12)
    moved = image.roll((4, -2), (2, 3))
    before, after = (encoder(pixels.flatten(1)).reshape(4, 16, 16) for pixels in (image, moved))
    assert torch.allclose(before.roll((2, -1), (1, 2)), after, atol=1e-6)


def test_convolutions_are_refused_for_features():
    with pytest.raises(InputError, match=r"architecture=conv needs images: .* it is \[20\]"):
        build_model(compose_config("architecture=conv"), (20,), "normal")


@pytest.mark.parametrize("shape", [(32, 32, 3), (1, 64, 4), (8, 4, 4), (2, 5, 1), (1, 2, 40)])
def test_bfloat16_is_right_however_narrow_maps_get(shape):
    """Every layer is tried often, because what goes wrong there does so at random."""
    channels, inputs = [32, 64, 128], []
    layers = [
        *Convolutions(shape, channels),
        *TransposedConvolutions(10, shape, channels),
        *last_layer(shape, channels),
    ]
    for layer in layers:
        layer.register_forward_pre_hook(lambda layer, given: inputs.append((layer, given[0])))
    h = torch.rand(60, shape[0] * shape[1] * shape[2])
    for layer in layers:
        h = layer(torch.rand(60, 10) if isinstance(layer, torch.nn.Linear) else h)
    tried = [(layer, given.shape) for layer, given in inputs if isinstance(layer, LAYERS)]
    assert len(tried) == 7
    for layer, size in tried:
        errors = [deviation(layer, size, torch.bfloat16) for _ in range(5)]
        assert max(errors) < TOLERANCE, layer
