"""Measures training on a GPU in one call: steps, a whole run, and two runs beside each other.

    python scripts/benchmark_gpu.py [--dataset mnist] [--output FILE.md]

Steps are measured on random samples: plain, recorded as a CUDA graph, and compiled besides. Runs
are those of ``gammvae train`` with the default recipe. Without the data of MNIST, a file of as many
random images takes their place, which takes as long to train on; its accuracy means nothing.

Takes eight minutes on an H200, of which the run with compile=false takes three. Needs a GPU.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from benchmark_speed import ALONE, COLUMNS, PRECISIONS, Name, measure, rows
from reporting import Report, command_line, report_options
from speed_rounds import BATCH, CLUSTERS, FEATURES, SAMPLES, SHAPE, Round, products, training

from gammvae.devices import choose_device
from gammvae.training.precision import choose_precision

DEVICE, ROUNDS, STEPS = "cuda", 3, 100
PARTS = ("steps", "runs", "together")
# How a step is taken: the setting `compile` with which gammvae train takes it so.
WAYS = {"plain": "false", "recorded": "auto", "recorded and compiled": "true"}


def steps(x: torch.Tensor, precision: str) -> dict[Name, Round]:
    """Training steps in every way, by name.

    Args:
        x: Random samples ``(N, F)`` on the GPU.
        precision: Key of ``PRECISIONS``.
    """
    dtype = PRECISIONS[precision]
    rounds: dict[Name, Round] = {(ALONE, precision): products(x, dtype)}
    stages = (("pretraining", 0.0, False), ("SGVB", 1.0, False))
    for name, kl_weight, augmented in (*stages, ("SGVB, held and augmented", 1.0, True)):
        for way in WAYS if augmented else tuple(WAYS)[:2]:  # compiling takes long
            compiled, recorded = way.endswith("compiled"), way.startswith("recorded")
            rounds[f"{name}, {way}", precision] = training(
                x, kl_weight, dtype, compiled=compiled, recorded=recorded, augmented=augmented
            )
    return rounds


def random_images(folder: str) -> list[str]:
    """Writes random images of MNIST's size and number; returns the settings that train on them."""
    path = Path(folder) / "images.npy"
    rng = np.random.default_rng(0)
    # blurred spots at ten places, so that there are neighbors to find
    places = rng.uniform(6, 22, (CLUSTERS, 2))
    centers = places[rng.integers(CLUSTERS, size=SAMPLES)] + rng.normal(0, 1.5, (SAMPLES, 2))
    rows, columns = np.mgrid[: SHAPE[1], : SHAPE[2]]
    images = np.lib.format.open_memmap(path, "w+", np.float32, (SAMPLES, *SHAPE[1:]))
    for start in range(0, SAMPLES, 1000):
        row, column = centers[start : start + 1000].T[:, :, None, None]
        images[start : start + 1000] = np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 8)
    images.flush()
    shape = "[" + ",".join(map(str, SHAPE)) + "]"
    return [
        *("dataset=file", f"dataset.path={path}", f"dataset.shape={shape}", "recipe=images"),
        f"n_clusters={CLUSTERS}",
    ]


def seconds_of_runs(settings: list[str], folder: str, compiled: str, together: int) -> list[str]:
    """A row with the seconds of runs that are started together.

    Args:
        settings: Which data to train on.
        folder: Folder for the runs.
        compiled: The setting ``compile``.
        together: Number of runs, which differ in their seeds.
    """
    runs = [Path(folder) / f"{compiled}-{together}-{seed}" for seed in range(together)]
    program = [sys.executable, "-m", "gammvae", "train", f"device={DEVICE}", "report=false"]
    own = [[f"run_dir={run}", f"seed={seed}"] for seed, run in enumerate(runs)]
    began = time.perf_counter()
    processes = [
        subprocess.Popen([*program, *settings, f"compile={compiled}", *words]) for words in own
    ]
    if any([process.wait() for process in processes]):  # waits for all of them
        raise SystemExit("benchmark_gpu.py: a run failed, see above")
    whole = time.perf_counter() - began
    result = json.loads((runs[0] / "result.json").read_text())
    memory = result["peak_memory_bytes"]
    stages = [f"{result['seconds'].get(name, 0):.1f}" for name in ("pretrain", "init", "train")]
    gib = [f"{memory.get(name, 0) / 2**30:.2f}" for name in ("host", "cuda")]
    return [str(together), compiled, f"{whole:.1f}", *stages, *gib]


def main() -> None:
    """Prints the tables."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("--dataset", help="dataset of gammvae train, such as mnist")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure")
    arguments: argparse.Namespace = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("this machine has no GPU that torch can use")
    device = choose_device(DEVICE)
    auto = str(choose_precision("auto", device)).removeprefix("torch.")
    report = Report(
        arguments,
        f"Training on a GPU: medians of {ROUNDS} rounds of {STEPS} steps; runs measured once.",
    )
    if "steps" in arguments.parts:
        torch.manual_seed(0)
        x = torch.rand(STEPS * BATCH, FEATURES, device=device)
        report.paragraph("Steps on random samples of MNIST's size:")
        report.table(COLUMNS, rows(measure(steps(x, auto), ROUNDS, device), STEPS))
    alone = [(compiled, 1) for compiled in WAYS.values()] if "runs" in arguments.parts else []
    cases = [*alone, *([("auto", 2)] if "together" in arguments.parts else [])]
    if not cases:
        return
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.dataset
        settings = [f"dataset={data}"] if data else random_images(folder)
        report.paragraph(f"Runs on {data or 'random images of the size and number of MNIST'}:")
        columns = ("runs", "compile", "seconds", "pretrain", "init", "train", "host GiB", "GPU GiB")
        report.table(
            columns,
            (seconds_of_runs(settings, folder, compiled, runs) for compiled, runs in cases),
        )


if __name__ == "__main__":
    main()
