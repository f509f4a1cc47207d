"""Measures the time of training steps on random samples of MNIST's size, and of the program.

    python scripts/benchmark_speed.py [--device cpu] [--rounds 5] [--steps 20]

Variants take turns, so that a drift of the machine's speed affects all of them alike. Figures are
medians over rounds. "matrix products alone" is a lower bound for any implementation of the same
network in that precision: only the products of the forward and backward pass. With ClustPy
installed, an epoch of its VaDE is measured as well, on the CPU. The program is timed from its
start, in processes of its own, on the digits. benchmark_growth.py measures how times grow with the
data, and benchmark_start_time.py the start on the neighbor graph.

Takes three minutes on two idle cores (outputs/tables/speed.md), and far longer on busy ones. Needs
no data. With --output FILE.md, the figures are also written to FILE.csv.
"""

import csv
import io
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import torch
from reporting import Report, command_line, report_options
from speed_rounds import (
    BATCH,
    FEATURES,
    SAMPLES,
    Round,
    clustpy_pretraining,
    clustpy_vade,
    data_loader,
    evaluation,
    index,
    optimizer_alone,
    products,
    streamed,
    training,
    updates,
)

from gammvae.data.samples import Samples
from gammvae.devices import choose_device
from gammvae.system.writing import write_text
from gammvae.training.precision import choose_precision

ALONE = "matrix products alone"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
PARTS = ("plain", "compiled", "program")
COLUMNS = ("variant", "precision", "ms a step of 256", "s an epoch of 70,000", "ratio to products")

Name = tuple[str, str]


def measure(variants: dict[Name, Round], rounds: int, device: torch.device) -> dict[Name, float]:
    """Median seconds per round of each variant, after an unmeasured warmup round."""
    seconds: dict[Name, list[float]] = {name: [] for name in variants}
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


def variants_in(precision: str, x: torch.Tensor, from_file: Samples) -> dict[Name, Round]:
    """The variants of a training step in one precision, by name.

    Args:
        precision: Key of ``PRECISIONS``.
        x: Random samples ``(N, F)`` on the device.
        from_file: The same samples, streamed from a file.
    """
    dtype = PRECISIONS[precision]
    rounds = {
        ALONE: products(x, dtype),
        "pretraining": training(x, 0.0, dtype),
        "pretraining, augmented": training(x, 0.0, dtype, augmented=True),
        "SGVB": training(x, 1.0, dtype),
        "SGVB, held and augmented": training(x, 1.0, dtype, augmented=True),
        "SGVB, VaDE": training(x, 1.0, dtype, "model=vade"),
        "SGVB, implicit": training(x, 1.0, dtype, "model.reparameterization=implicit"),
        "SGVB, streamed from a file": training(from_file, 1.0, dtype),
    }
    if dtype != torch.float32:
        rounds["update and conversions"] = updates(x, dtype, compiled=False)
    return {(name, precision): once for name, once in rounds.items()}


def compiled_in(precision: str, x: torch.Tensor) -> dict[Name, Round]:
    """The compiled variants of a training step in one precision, by name."""
    dtype = PRECISIONS[precision]
    rounds = {
        "pretraining": training(x, 0.0, dtype, compiled=True),
        "SGVB": training(x, 1.0, dtype, compiled=True),
        "SGVB, held and augmented": training(x, 1.0, dtype, augmented=True, compiled=True),
        "SGVB, VaDE": training(x, 1.0, dtype, "model=vade", compiled=True),
    }
    if dtype != torch.float32:
        rounds["update and conversions"] = updates(x, dtype, compiled=True)
    return {(f"{name}, compiled", precision): once for name, once in rounds.items()}


def other_parts(x: torch.Tensor, from_file: Samples) -> dict[Name, Round]:
    """What a step consists of besides, and ClustPy's epochs if it is installed."""
    rounds = {
        "Adam alone": optimizer_alone(x),
        "Adam alone, subnormal moments": optimizer_alone(x, subnormal=True),
        "batches by index": index(x),
        "batches by DataLoader": data_loader(x),
        "batches streamed from a file": index(from_file),
        "evaluation": evaluation(x),
    }
    if find_spec("clustpy") and x.device.type == "cpu":
        rounds |= {
            "ClustPy's pretraining": clustpy_pretraining(x),
            "ClustPy's VaDE": clustpy_vade(x),
        }
    return {(name, "float32"): once for name, once in rounds.items()}


def rows(seconds: dict[Name, float], steps: int) -> Iterator[list[str]]:
    """Yields a table row for every variant."""
    for (name, precision), value in seconds.items():
        yield [
            name,
            precision,
            f"{1000 * value / steps:.2f}",
            f"{value * SAMPLES / BATCH / steps:.2f}",
            f"{value / seconds[ALONE, precision]:.2f}",
        ]


def program_rows() -> Iterator[list[str]]:
    """Yields rows with the seconds of the program's parts, each in a process of its own."""
    program = [sys.executable, "-m", "gammvae"]
    yield ["gammvae --help", f"{timed([*program, '--help'])[0]:.1f}"]
    with tempfile.TemporaryDirectory() as folder:
        settings = ["dataset=digits", "device=cpu", "seed=0", "compile=false"]
        short = ["experiment=smoke", f"run_dir={folder}/short"]
        whole, first = timed([*program, "train", *settings, *short, "report=false"])
        yield ["from the start of gammvae train to the end of the first epoch", f"{first:.1f}"]
        yield ["gammvae train experiment=smoke report=false", f"{whole:.1f}"]
        whole, _ = timed([*program, "train", *settings, f"run_dir={folder}/run"])
        yield ["gammvae train dataset=digits", f"{whole:.1f}"]
        yield ["gammvae evaluate", f"{timed([*program, 'evaluate', f'{folder}/run'])[0]:.1f}"]
        yield ["gammvae report", f"{timed([*program, 'report', f'{folder}/run'])[0]:.1f}"]


def timed(command: list[str]) -> tuple[float, float]:
    """Seconds until a program ends, and until it prints a line about the first epoch, or 0."""
    began, first = time.perf_counter(), 0.0
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if not first and "pretrain epoch 1/" in line:
                first = time.perf_counter() - began
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return time.perf_counter() - began, first


def keep(path: Path | None, figures: list[list[str]]) -> None:
    """Writes the figures beside the report as CSV: variant, precision, unit and value."""
    if path is not None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(figures)
        write_text(path.with_suffix(".csv"), text.getvalue())


def measured_steps(
    device: torch.device, parts: list[str], precisions: list[str], rounds: int, steps: int
) -> Iterator[list[str]]:
    """Yields the rows of all variants of a step, measured in turns."""
    torch.manual_seed(0)
    # the variants share one function, which is compiled for each of them
    torch._dynamo.config.recompile_limit = 64
    x = torch.rand(steps * BATCH, FEATURES).to(device)
    with tempfile.TemporaryDirectory() as folder:
        from_file = streamed(x, folder)
        variants = other_parts(x, from_file)
        for precision in dict.fromkeys(precisions):
            variants |= variants_in(precision, x, from_file)
            if "compiled" in parts:
                variants |= compiled_in(precision, x)
        yield from rows(measure(variants, rounds, device), steps)


def main() -> None:
    """Prints the tables."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (auto)")
    parser.add_argument("--rounds", type=int, default=5, help="number of measured rounds (5)")
    parser.add_argument("--steps", type=int, default=20, help="batches of 256 per round (20)")
    words = "what to measure: plain steps, compiled steps, the program (all)"
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help=words)
    arguments = parser.parse_args()
    device, rounds, steps = choose_device(arguments.device), arguments.rounds, arguments.steps
    auto = str(choose_precision("auto", device)).removeprefix("torch.")
    report = Report(
        arguments,
        f"Time of a step of training, medians of {rounds} rounds of {steps} steps; seed 0.\n"
        f"Device {device}, where precision=auto is {auto}.",
        packages=["clustpy"] if find_spec("clustpy") else [],
    )
    figures = [["what", "precision", "unit", "value"]]
    if {"plain", "compiled"} & {*arguments.parts}:
        table = list(measured_steps(device, arguments.parts, ["float32", auto], rounds, steps))
        report.table(COLUMNS, table)
        figures += ([name, precision, "ms a step", ms] for name, precision, ms, *_ in table)
    if "program" in arguments.parts:
        report.paragraph("Seconds of the program on the digits, measured once:")
        table = list(program_rows())
        report.table(["command", "seconds"], table)
        figures += ([name, "", "s", value] for name, value in table)
    keep(arguments.output, figures)


if __name__ == "__main__":
    main()
