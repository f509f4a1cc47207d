"""Variance, bias and cost of the ELBO's gradient by the four Gamma reparameterizations.

    python scripts/benchmark_gradients.py RUN [--draws 400] [--output FILE.md]

All samplers take the weights of one finished run of ``model=gammvae`` and one batch of its data,
and differentiate the reconstruction with respect to the encoder, again and again. A sampler's mean
gradient is compared with that of the implicit one, whose gradient is exact: their distance is given
in units of what the two means' own errors would lead to, so that 1 means no bias that can be seen.
Times are relative to the fastest, the median over draws, of forward and backward pass.
"""

import argparse
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from gammvae.cli.reuse import usable_config
from gammvae.model.distributions import GAMMA_REPARAMETERIZATIONS
from gammvae.model.vae import MixtureVAE
from gammvae.runs.directory import RunDirectory
from gammvae.training.baselines import experiment_for

BATCH = 256


class Gradients(NamedTuple):
    """Of many draws: their mean ``(P,)``, the trace of their covariance, the seconds of one."""

    mean: Tensor
    variance: float
    seconds: float


def gradients(model: MixtureVAE, x: Tensor, draws: int) -> Gradients:
    """Gradients of the mean reconstruction with respect to the encoder's parameters.

    Args:
        model: Its encoder's ``distribution`` is the sampler.
        x: A batch.
        draws: How often.
    """
    parameters = [one for one in model.encoder.parameters() if one.requires_grad]
    total = torch.zeros(sum(one.numel() for one in parameters), dtype=torch.float64)
    squares, seconds = torch.zeros_like(total), []
    for _ in range(draws):
        began = time.perf_counter()
        objective = model.decoder(model.encoder(x).rsample()).log_prob(x).mean()
        found = torch.autograd.grad(objective, parameters)
        seconds.append(time.perf_counter() - began)
        gradient = torch.cat([one.flatten() for one in found]).double()
        total += gradient
        squares += gradient**2
    mean = total / draws
    variance = (squares / draws - mean**2).sum().item() * draws / (draws - 1)
    return Gradients(mean, variance, statistics.median(seconds))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a finished run of model=gammvae")
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    directory = RunDirectory(arguments.run)
    config = usable_config(directory, {"device": "cpu"}, None)
    experiment = experiment_for(config.model)(config, directory)
    experiment.restore()
    x = experiment.x[torch.arange(BATCH)]
    found = {}
    for name, sampler in GAMMA_REPARAMETERIZATIONS.items():
        torch.manual_seed(0)
        # the floor of the concentration stays that of the run, so that all are given the same q
        cast(Any, experiment.model.encoder).distribution = sampler.distribution
        found[name] = gradients(experiment.model, x, arguments.draws)
    exact, fastest = found["implicit"], min(one.seconds for one in found.values())
    lines = [
        f"Gradient of the reconstruction with respect to the encoder: {arguments.draws} draws on "
        f"one batch of {BATCH},",
        f"weights of {config.dataset.name}, seed {config.seed}. Bias: see the script.",
        "",
        f"    $ python scripts/benchmark_gradients.py {arguments.run} --draws {arguments.draws}",
        "",
        "| reparameterization | variance / squared norm of the mean | bias | time |",
        "| --- | --- | --- | --- |",
    ]
    for name, one in found.items():
        noise = ((one.variance + exact.variance) / arguments.draws) ** 0.5
        bias = (one.mean - exact.mean).norm().item() / noise
        relative = one.variance / one.mean.square().sum().item()
        shown = "exact" if one is exact else f"{bias:.2f}"
        lines.append(f"| {name} | {relative:.4f} | {shown} | {one.seconds / fastest:.2f} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
