"""Chooses a run's precision: what the hardware supports and computes correctly.

Notation: ``B`` batch, ``N`` samples, ``F`` features of the data.
"""

from typing import Any

import torch
from torch import Tensor, nn

from gammvae.data.samples import Samples
from gammvae.model.vae import MixtureVAE
from gammvae.training.together import shares

# Layers that compute in the lower precision, and how often each is tested, because faults come and
# go.
LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
TRIALS = 2
# Weights of a fully connected network below which converting numbers takes longer than bfloat16
# saves, on a processor with AMX.
FEW_WEIGHTS = 100_000
# Relative error. That of correct bfloat16 is at most 0.005, or 0.05 in layers of a few units.
TOLERANCE = 0.1


def choose_precision(
    name: str, device: torch.device, model: nn.Module | None = None
) -> torch.dtype:
    """The data type of the networks' arithmetic; ``auto`` is bfloat16 if the hardware has it.

    Other hardware emulates bfloat16, which is about fifteen times slower on a CPU with only AVX2.

    Args:
        name: The setting ``precision``.
        device: Device of the run.
        model: The model, whose networks may be too small to gain from it.
    """
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cpu" and model is not None and is_small(model):
        return torch.float32
    if device.type == "cuda":
        native = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        native = device.type == "cpu" and (
            torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        )
    return torch.bfloat16 if native else torch.float32


def is_small(model: nn.Module) -> bool:
    """Whether a model is fully connected and has few weights."""
    layers = [layer for layer in model.modules() if isinstance(layer, LAYERS)]
    weights = sum(layer.weight.numel() for layer in layers)
    return all(isinstance(layer, nn.Linear) for layer in layers) and weights < FEW_WEIGHTS


def faulty_layers(
    model: MixtureVAE, x: Samples, batch_size: int, precision: torch.dtype
) -> list[str]:
    """Names of the layers whose results in a precision differ too much from those in float32.

    Every layer is tested on random input of the shapes it has in training; the state of torch's
    generators is restored.

    Args:
        model: The model to be trained, on the device of ``x``.
        x: All samples, ``(N, F)``.
        batch_size: Samples per step, divided among the processes of the run; the last step of an
            epoch has the remaining samples.
        precision: Data type to test.
    """
    batches = min(batch_size, len(x)), len(x) % batch_size
    sizes = {rows.stop - rows.start for n in batches for rows in shares(n)} - {0}
    faulty = set()
    with torch.random.fork_rng([x.device] if x.device.type == "cuda" else []):
        for size in sorted(sizes):
            batch = x[torch.arange(size, device=x.device)]
            for layer, shape in input_shapes(model, batch).items():
                errors = [deviation(layer, shape, precision) for _ in range(TRIALS)]
                if not all(error <= TOLERANCE for error in errors):  # NaN fails as well
                    faulty.add(layer)
    return [name for name, layer in model.named_modules() if layer in faulty]


@torch.no_grad()
def input_shapes(model: MixtureVAE, x: Tensor) -> dict[nn.Module, torch.Size]:
    """The shape of every layer's input in a step on samples ``x`` ``(B, F)``."""
    shapes: dict[nn.Module, torch.Size] = {}

    def note(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        if isinstance(layer, LAYERS):
            shapes[layer] = given[0].shape

    with nn.modules.module.register_module_forward_pre_hook(note):
        model.elbo(x)
    return shapes


def deviation(layer: nn.Module, shape: torch.Size, precision: torch.dtype) -> float:
    """Relative error of a layer's output and gradients in a precision, compared with float32.

    The norm of the difference over the norm in float32; the largest for the output, the gradient by
    the input and the gradient by the weight.

    Args:
        layer: A layer with a weight.
        shape: Shape of its input.
        precision: Data type of its arithmetic.
    """
    weight: Any = layer.weight
    x = torch.rand(shape, device=weight.device, requires_grad=True)
    expected = layer(x)
    direction = torch.rand_like(expected)
    with torch.autocast(x.device.type, precision):
        found = layer(x)
    pairs = zip(
        (found, *torch.autograd.grad(found, (x, weight), direction.to(found.dtype))),
        (expected, *torch.autograd.grad(expected, (x, weight), direction)),
        strict=True,
    )
    errors = [(one - exact).norm() / exact.norm() for one, exact in pairs]
    return torch.stack(errors).max().item()
