import copy
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.optim import Adam

from gammvae.model.building import build_model
from gammvae.model.convolution import Float32Layer
from gammvae.model.networks import Units
from gammvae.training.copies import WeightCopies
from gammvae.training.epochs import Stage
from gammvae.training.loop import fit
from gammvae.training.schedules import LearningRate
from tests.conftest import compose_config
from tests.model.test_vae import build


def by_autocast(model, x, lr):
    """A step as autocast alone computes it, with its own copies of the weights."""
    optimizer = Adam(model.parameters(), lr=lr)
    for batch in x.split(16):
        with torch.autocast("cpu", torch.bfloat16):
            loss = -model.elbo(batch).value().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def by_copies(model, x, lr):
    optimizer = Adam(model.parameters(), lr=lr)
    copies = WeightCopies(model, torch.bfloat16)
    with copies.in_place():
        for batch in x.split(16):
            with torch.autocast("cpu", torch.bfloat16):
                loss = -model.elbo(batch).value().mean()
            optimizer.zero_grad()
            loss.backward()
            copies.take_gradients()
            optimizer.step()
            copies.refresh()


def convolutional():
    config = compose_config("architecture=conv", "architecture.channels=[4,6]")
    return build_model(config, (1, 12, 12), "bernoulli")


@pytest.mark.parametrize("make", [lambda: build("wilson_hilferty"), convolutional])
def test_steps_equal_those_of_autocast_to_the_last_bit(make):
    torch.manual_seed(0)
    first = make()
    second = copy.deepcopy(first)
    x = torch.rand(64, len(first.encoder.units.center))
    for model, train in ((first, by_autocast), (second, by_copies)):
        torch.manual_seed(1)
        train(model, x, 0.01)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)
        assert torch.equal(one.grad, other.grad)


def test_weights_are_back_after_an_error():
    model = build("implicit")
    before = dict(model.named_parameters())
    copies = WeightCopies(model, torch.bfloat16)
    with pytest.raises(RuntimeError, match="dtype"), copies.in_place():
        model.elbo(torch.rand(3, 6))  # float32 samples, and no autocast
    after = dict(model.named_parameters())
    assert before.keys() == after.keys()
    assert all(after[name] is weight for name, weight in before.items())


def test_copies_follow_weights_that_were_changed_between_epochs():
    model = build("implicit")
    copies = WeightCopies(model, torch.bfloat16)
    with torch.no_grad():
        model.encoder.head.weight.fill_(3.0)
    with copies.in_place():
        assert (model.encoder.head.weight == 3).all()


def test_nothing_is_copied_in_float32_nor_in_layers_that_need_it():
    assert WeightCopies(build("implicit"), torch.float32).copies == []

    class Narrow(Float32Layer, nn.Linear):
        pass

    assert WeightCopies(nn.Sequential(Units(3), Narrow(3, 2)), torch.bfloat16).copies == []


def test_layers_that_are_not_trained_keep_no_gradient():
    """As in DEC, whose decoder is left alone after pretraining."""
    model, x = build("normal"), torch.rand(40, 6)
    model.decoder.requires_grad_(requires_grad=False)
    before = model.decoder.head.weight.clone()
    settings = Stage(
        "train", 1, 16, 1.0, "constant", LearningRate("constant"), None, torch.bfloat16
    )
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    list(fit(model, x, settings, Adam(trained, lr=0.1)))
    assert torch.equal(before, model.decoder.head.weight)
    assert model.decoder.head.weight.grad is None


def test_layers_that_share_a_weight_share_its_copy_and_both_gradients_count():
    one, two = nn.Linear(4, 4), nn.Linear(4, 4)
    two.weight = one.weight
    model, x = nn.Sequential(one, two), torch.rand(8, 4, dtype=torch.bfloat16)
    copies = WeightCopies(model, torch.bfloat16)
    with copies.in_place():
        assert two.weight is one.weight
        model(x).sum().backward()
    copies.take_gradients()
    assert two.weight is one.weight
    found = one.weight.grad
    one.weight.grad = None
    with torch.autocast("cpu", torch.bfloat16):
        model(x.float()).sum().backward()
    torch.testing.assert_close(found, one.weight.grad, rtol=0.02, atol=0.02)


def test_a_weight_that_another_module_uses_keeps_its_whole_gradient():
    """As in a tied autoencoder, whose decoder multiplies by the encoder's weight, transposed."""

    class Transposed(nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.weight = layer.weight

        def forward(self, x):
            return x @ self.weight

    torch.manual_seed(0)
    layer = nn.Linear(4, 3)
    model, x = nn.Sequential(layer, Transposed(layer)), torch.rand(8, 4)
    copies = WeightCopies(model, torch.bfloat16)
    gradients = []
    for in_place in (True, False):
        layer.weight.grad = None
        with copies.in_place() if in_place else nullcontext():
            with torch.autocast("cpu", torch.bfloat16):
                model(x).square().sum().backward()
            copies.take_gradients()
        gradients.append(layer.weight.grad)
    assert torch.equal(*gradients)
