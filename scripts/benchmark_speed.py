"""Measures the time of a training step on random samples of MNIST's size.

    python scripts/benchmark_speed.py [--device cpu] [--rounds 5] [--steps 20]

Variants take turns, so that a drift of the machine's speed affects all of them alike. Figures are
medians over rounds. "matrix products alone" is a lower bound for any implementation of the same
network: only the matrix products of the forward and backward pass.

Takes a minute on two idle cores (outputs/tables/speed.md), and far longer on busy ones. Needs no
data.
"""

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from reporting import Report, command_line, report_options
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

from gammvae.config.schema import Config
from gammvae.config.typed import to_config
from gammvae.data.rows import MappedRows
from gammvae.data.samples import Samples, StreamedSamples
from gammvae.devices import choose_device
from gammvae.model.building import build_model, build_optimizer
from gammvae.training.loop import Epochs, Stage
from gammvae.training.precision import choose_precision

FEATURES, SAMPLES, BATCH = 784, 70_000, 256
BASE = "SGVB, float32"
Round = Callable[[], None]


def compose_config(*overrides: str) -> Config:
    """The configuration of ``gammvae train`` with the given overrides."""
    ConfigStore.instance().store(name="schema", node=Config)
    with initialize_config_module("gammvae.conf", version_base="1.3"):
        config = compose("train", overrides=["architecture=mlp", *overrides])
    return to_config(config)


def training(x: Samples, kl_weight: float, precision: torch.dtype, *overrides: str) -> Round:
    """One round of gammvae's training loop over ``x``."""
    config = compose_config(*overrides)
    model = build_model(config, (FEATURES,), "bernoulli").to(x.device)
    optimizer = build_optimizer(config, model)
    stage = Stage("benchmark", 1, BATCH, kl_weight, "constant", "constant", None, precision)
    bar = tqdm(disable=True)
    steps = math.ceil(len(x) / BATCH)

    epochs = Epochs(model, x, stage, optimizer)

    def once() -> None:
        epochs.run(None, kl_weight, [1.0] * steps, bar)

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
            x[batch]

    return once


def streamed(x: Tensor, folder: str) -> Samples:
    """The samples ``x``, saved to a ``.npy`` file and streamed from it."""
    path = Path(folder) / "x.npy"
    np.save(path, x.cpu().numpy())
    return StreamedSamples(MappedRows(path), x.device)


def products(x: Tensor, precision: torch.dtype) -> Round:
    """The matrix products of one training round over ``x``: 3 per layer, 2 for the first."""
    model = build_model(compose_config(), (FEATURES,), "bernoulli")
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


def measure(variants: dict[str, Round], rounds: int, device: torch.device) -> dict[str, float]:
    """Median seconds per round of each variant, after an unmeasured warmup round."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(rounds + 1):
        for name, once in variants.items():
            synchronize(device)
            began = time.perf_counter()
            once()
            synchronize(device)
            if number:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(values) for name, values in seconds.items()}


def synchronize(device: torch.device) -> None:
    """Waits until the device has finished all work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def rows(seconds: dict[str, float], steps: int) -> Iterator[list[str]]:
    """Yields a table row for every variant."""
    epoch = SAMPLES / BATCH / steps
    for name, value in seconds.items():
        yield [
            name,
            f"{1000 * value / steps:.2f}",
            f"{value * epoch:.2f}",
            f"{value / seconds[BASE]:.2f}",
        ]


def main() -> None:
    """Prints the table."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (auto)")
    parser.add_argument("--rounds", type=int, default=5, help="number of measured rounds (5)")
    parser.add_argument("--steps", type=int, default=20, help="batches of 256 per round (20)")
    arguments = parser.parse_args()
    device, rounds, steps = choose_device(arguments.device), arguments.rounds, arguments.steps
    auto = choose_precision("auto", device)
    report = Report(
        arguments,
        f"Time of a step of training, medians of {rounds} rounds of {steps} steps; seed 0.\n"
        f"Device {device}, where precision=auto is {str(auto).removeprefix('torch.')}.",
    )
    with tempfile.TemporaryDirectory() as folder:
        seconds = measure(all_variants(device, auto, steps, folder), rounds, device)
    columns = ["variant", "ms a step of 256", "s an epoch of 70,000", f"ratio to {BASE}"]
    report.table(columns, rows(seconds, steps))


def all_variants(
    device: torch.device, auto: torch.dtype, steps: int, folder: str
) -> dict[str, Round]:
    """All variants to measure, by name.

    Args:
        device: Device to compute on.
        auto: Precision that ``precision=auto`` chooses there; bfloat16 adds variants.
        steps: Number of steps per round.
        folder: Folder for the file that samples are streamed from.
    """
    torch.manual_seed(0)
    x = torch.rand(steps * BATCH, FEATURES).to(device)
    from_file = streamed(x, folder)
    variants = {
        BASE: training(x, 1.0, torch.float32),
        "pretraining, float32": training(x, 0.0, torch.float32),
        "SGVB, float32, Adam not fused": training(
            x, 1.0, torch.float32, "+optimizer.arguments.fused=false"
        ),
        "SGVB, float32, VaDE": training(x, 1.0, torch.float32, "model=vade"),
        "SGVB, float32, implicit": training(
            x, 1.0, torch.float32, "model.reparameterization=implicit"
        ),
        "matrix products alone, float32": products(x, torch.float32),
        "batches by index": index(x),
        "batches by DataLoader": data_loader(x),
        "batches streamed from a file": index(from_file),
        "SGVB, float32, streamed": training(from_file, 1.0, torch.float32),
    }
    if auto == torch.bfloat16:
        variants["SGVB, bfloat16"] = training(x, 1.0, torch.bfloat16)
        variants["pretraining, bfloat16"] = training(x, 0.0, torch.bfloat16)
        variants["matrix products alone, bfloat16"] = products(x, torch.bfloat16)
        variants["SGVB, bfloat16, streamed"] = training(from_file, 1.0, torch.bfloat16)
    return variants


if __name__ == "__main__":
    main()
