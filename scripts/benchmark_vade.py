"""Compares our VaDE with ClustPy's on the same data, seeds, networks and numbers of epochs.

    pip install clustpy
    python scripts/benchmark_vade.py [--dataset digits] [--seeds 0 1 2 3 4] [--output FILE.md]

Both use 500-500-2000-10 networks, batches of 256 and Adam, and start from a Gaussian mixture on an
autoencoder's embeddings. Everything else has each program's default, ours with
``experiment=plain``.

Takes 200 seconds per run on digits with two busy cores (outputs/tables/vade.md), and half an hour
for five seeds of both. Needs ClustPy; runs on the CPU.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from reporting import Report, Row, command_line, report_options
from runs import compose_config

from gammvae.data.training_data import load_data
from gammvae.evaluation.metrics import clustering_metrics
from gammvae.tables.formats import Entry

EPOCHS = {"pretrain": 100, "train": 150}


class Outcome(NamedTuple):
    """Figures of one run."""

    acc: float
    nmi: float
    seconds: float


def theirs(dataset: str, seed: int) -> Outcome:
    """Runs ClustPy's VaDE."""
    from clustpy.deep import VaDE

    config = compose_config(f"dataset={dataset}")
    data = load_data(config.dataset, config.preprocess, "cpu")
    assert data.y is not None
    began = time.perf_counter()
    model = VaDE(
        config.n_clusters,
        pretrain_epochs=EPOCHS["pretrain"],
        clustering_epochs=EPOCHS["train"],
        random_state=seed,
        device="cpu",
    )
    labels = model.fit_predict(np.asarray(data.rows[0 : data.rows.shape[0]]))
    found = clustering_metrics(data.y, np.asarray(labels).astype(np.int64))
    return Outcome(found["acc"], found["nmi"], time.perf_counter() - began)


def ours(dataset: str, seed: int) -> Outcome:
    """Runs our VaDE."""
    with tempfile.TemporaryDirectory() as folder:
        epochs = [f"{stage}.epochs={number}" for stage, number in EPOCHS.items()]
        settings = ["model=vade", "experiment=plain", "architecture=mlp", "init=gmm", *epochs]
        command = [sys.executable, "-m", "gammvae", "train", f"dataset={dataset}", *settings]
        rest = [f"seed={seed}", "device=cpu", "report=false", f"run_dir={folder}/run"]
        subprocess.run([*command, *rest], check=True, capture_output=True)
        result = json.loads((Path(folder) / "run" / "result.json").read_text())
    metrics = result["metrics"]
    return Outcome(metrics["acc"], metrics["nmi"], sum(result["seconds"].values()))


def row(name: str, run: Callable[[str, int], Outcome], dataset: str, seeds: list[int]) -> Row:
    """The table row of one implementation: mean and standard deviation over seeds, mean seconds."""
    found = np.array([run(dataset, seed) for seed in seeds])
    mean, std = found.mean(0), found.std(0, ddof=len(found) > 1)
    figures = [Entry(f"{mean[i]:.4f}", f"{std[i]:.4f}") for i in range(2)]
    return [name, *figures, f"{mean[2]:.0f}"]


def main() -> None:
    """Prints the table."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("--dataset", default="digits", help="dataset of gammvae train (digits)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[*range(5)], help="0 1 2 3 4")
    arguments = parser.parse_args()
    report = Report(
        arguments,
        f"VaDE on {arguments.dataset}, {EPOCHS['pretrain']} + {EPOCHS['train']} epochs, seeds "
        f"{' '.join(map(str, arguments.seeds))}.",
        packages=["clustpy"],
    )
    runs = {"ClustPy": theirs, "gammvae, model=vade": ours}
    report.table(
        ["implementation", "ACC", "NMI", "seconds a run"],
        (row(name, run, arguments.dataset, arguments.seeds) for name, run in runs.items()),
    )


if __name__ == "__main__":
    main()
