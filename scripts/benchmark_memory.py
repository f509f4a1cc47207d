"""Measures the peak memory of training for one epoch on a large file.

    python scripts/benchmark_memory.py [--gigabytes 10] [--features 784] [--folder FOLDER]

The file is sparse: it has samples at its beginning and zeros after them, so that it takes little
disk space. Training runs in a separate process, whose peak resident memory is measured.

Takes 26 minutes for 10 GB with one thread (outputs/tables/memory.md). Needs 0.1 GB of disk space
and a file system that supports sparse files.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from reporting import Report, command_line, report_options

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


def main() -> None:
    """Prints the table."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("--gigabytes", type=float, default=10.0, help="size of the file in GB (10)")
    parser.add_argument("--features", type=int, default=784, help="number of features (784)")
    parser.add_argument("--folder", default=None, help="folder for the temporary file")
    parser.add_argument("overrides", nargs="*", help="further settings of gammvae train")
    arguments = parser.parse_args()
    report = Report(arguments, "Memory of one epoch of training on a large file; seed 0.")
    n_samples = int(arguments.gigabytes * 1e9 / 4 / arguments.features)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        make(folder / "x.npy", n_samples, arguments.features)
        size = (folder / "x.npy").stat()
        command = [
            *(sys.executable, "-m", "gammvae", "train", "dataset=file", "n_clusters=10"),
            *(f"dataset.path={folder}/x.npy", f"run_dir={folder}/run"),
            *("pretrain.epochs=0", "train.epochs=1", "init.n_init=1", *arguments.overrides),
        ]
        began = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - began
        result = json.loads((folder / "run" / "result.json").read_text())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    rows = [
        ["samples", f"{n_samples:,} of {arguments.features} features"],
        ["file", f"{size.st_size / 1e9:.2f} GB, {size.st_blocks * 512 / 1e9:.2f} GB on disk"],
        ["peak resident memory", f"{peak / 1e9:.2f} GB"],
        ["one epoch of SGVB", f"{result['seconds']['train']:.0f} s"],
        ["whole run", f"{seconds:.0f} s"],
        ["device", f"{result['device']}, {result['threads']} threads, {result['precision']}"],
    ]
    report.table(["figure", "value"], rows)


if __name__ == "__main__":
    main()
