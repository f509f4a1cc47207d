"""Measures the peak memory of training for one epoch on a large file, or of a default run.

    python scripts/benchmark_memory.py [--gigabytes 10] [--features 784] [--folder FOLDER]
    python scripts/benchmark_memory.py --dataset mnist

The file is sparse: it has samples at its beginning and zeros after them, so that it takes little
disk space. Training runs in a separate process, whose peak resident memory is measured.

Takes 26 minutes for 10 GB with one thread (outputs/tables/memory.md), and about as long as the run
with --dataset (outputs/tables/memory_mnist.md). Needs 0.1 GB of disk space and a file system that
supports sparse files, or the dataset.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from reporting import Report, Row, command_line, report_options

from gammvae.runs.contents import RESULT

WRITTEN = 20_000  # number of nonzero samples


def make(path: Path, n_samples: int, features: int) -> None:
    """Writes a float32 ``.npy`` file ``(n_samples, features)``: ten clusters, followed by zeros."""
    array = np.lib.format.open_memmap(path, "w+", np.float32, (n_samples, features))
    rng = np.random.default_rng(0)
    centers = rng.uniform(size=(10, features)).astype(np.float32)
    written = min(WRITTEN, n_samples)
    labels = rng.integers(10, size=written)
    noise = rng.uniform(-0.1, 0.1, size=(written, features)).astype(np.float32)
    array[:written] = np.clip(centers[labels] + noise, 0, 1)
    array.flush()


def run(settings: Sequence[str], folder: Path) -> list[Row]:
    """Runs ``gammvae train`` in a process of its own; returns the rows of the table about it."""
    words = [sys.executable, "-m", "gammvae", "train", *settings, f"run_dir={folder}"]
    began = time.perf_counter()
    subprocess.run(words, check=True)
    seconds = time.perf_counter() - began
    result = json.loads((folder / RESULT).read_text())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return [
        ["samples", f"{result['samples']:,} of {result['features']} features"],
        ["peak resident memory", f"{peak / 1e9:.2f} GB"],
        ["an epoch of SGVB", f"{result['seconds']['train'] / result['epochs']['train']:.0f} s"],
        ["whole run", f"{seconds:.0f} s"],
        ["device", f"{result['device']}, {result['threads']} threads, {result['precision']}"],
    ]


def main() -> None:
    """Prints the table."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("--gigabytes", type=float, default=10.0, help="size of the file in GB (10)")
    parser.add_argument("--features", type=int, default=784, help="number of features (784)")
    parser.add_argument("--dataset", help="the default recipe on a dataset instead of the file")
    parser.add_argument("--folder", default=None, help="folder for the temporary file")
    parser.add_argument("overrides", nargs="*", help="further settings of gammvae train")
    arguments = parser.parse_args()
    data = f"of {arguments.dataset}" if arguments.dataset else "on a large file, one epoch"
    report = Report(arguments, f"Memory of training {data}; seed 0.")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        rows: list[Row] = []
        settings = [f"dataset={arguments.dataset}"]
        if not arguments.dataset:
            path = folder / "x.npy"
            make(path, int(arguments.gigabytes * 1e9 / 4 / arguments.features), arguments.features)
            size = path.stat()
            on_disk = f"{size.st_blocks * 512 / 1e9:.2f} GB on disk"
            rows = [["file", f"{size.st_size / 1e9:.2f} GB, {on_disk}"]]
            settings = ["dataset=file", "n_clusters=10", f"dataset.path={path}"]
            settings += ["pretrain.epochs=0", "train.epochs=1", "init.n_init=1"]
        rows += run([*settings, *arguments.overrides], folder / "run")
    report.table(["figure", "value"], rows)


if __name__ == "__main__":
    main()
