import pytest
import torch

from gammvae.training import precision
from gammvae.training.precision import choose_precision, deviation, faulty_layers
from tests.model.test_vae import build


@pytest.mark.parametrize(("bf16", "amx"), [(False, False), (True, False), (False, True)])
def test_auto_precision_follows_the_processor(bf16, amx, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    expected = torch.bfloat16 if bf16 or amx else torch.float32
    assert choose_precision("auto", torch.device("cpu")) == expected
    assert choose_precision("float32", torch.device("cpu")) == torch.float32
    assert choose_precision("bfloat16", torch.device("cpu")) == torch.bfloat16


@pytest.mark.parametrize(
    ("width", "expected"), [(300, torch.float32), (400, torch.bfloat16)]
)  # 90,000 and 160,000 weights
def test_small_networks_compute_in_float32_on_the_processor(width, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    model = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.ReLU())
    assert choose_precision("auto", torch.device("cpu"), model) == expected
    assert choose_precision("bfloat16", torch.device("cpu"), model) == torch.bfloat16
    assert choose_precision("auto", torch.device("cuda"), model) == torch.bfloat16


def test_convolutions_are_not_called_small_because_each_weight_is_used_often(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Linear(4, 4))
    assert choose_precision("auto", torch.device("cpu"), model) == torch.bfloat16


class Uninitialized(torch.nn.Linear):
    """Computes what it should in float32 alone."""

    def forward(self, x):
        h = super().forward(x)
        return h if h.dtype == torch.float32 else h * torch.tensor([1.0, torch.nan, *[1.0] * 98])


def test_every_layer_is_tried_in_the_shapes_of_training(monkeypatch):
    model, x, tried = build("implicit"), torch.rand(70, 6), []
    monkeypatch.setattr(
        precision, "deviation", lambda layer, shape, _: tried.append((layer, shape)) or 0.0
    )
    state = torch.get_rng_state()
    assert faulty_layers(model, x, 32, torch.bfloat16) == []
    assert torch.equal(torch.get_rng_state(), state)
    linear = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
    for size in (6, 32):  # 70 samples are two steps of 32 and one of 6
        shapes = [(size, layer.in_features) for layer in linear]
        assert {(layer, tuple(shape)) for layer, shape in tried if shape[0] == size} == set(
            zip(linear, shapes, strict=True)
        )


def test_bfloat16_is_what_it_should_be_in_linear_layers():
    assert faulty_layers(build("implicit"), torch.rand(70, 6), 32, torch.bfloat16) == []


def test_a_layer_that_is_wrong_in_bfloat16_is_found():
    model = build("implicit")
    model.decoder.body = torch.nn.Sequential(Uninitialized(2, 100), torch.nn.ReLU())
    model.decoder.head = torch.nn.Linear(100, 6)
    assert faulty_layers(model, torch.rand(70, 6), 32, torch.bfloat16) == ["decoder.body.0"]
    wrong = deviation(model.decoder.body[0], torch.Size([32, 2]), torch.bfloat16)
    assert not wrong <= precision.TOLERANCE
