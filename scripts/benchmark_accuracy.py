"""Measures the accuracy of every recipe on every dataset over several seeds.

    python scripts/benchmark_accuracy.py [--datasets mnist usps] [--recipes default] [--seeds 5 6]

Finished runs are kept in --folder and not repeated, so the same command continues an interrupted
benchmark. After every run, accuracy_table.py rewrites the tables outputs/tables/accuracy*.{csv,md}.
ACC, NMI and ARI are computed on all samples. The tables also show the ACC of the run with the
highest ELBO, which can be selected without classes. Recipes share the autoencoders that they have
in common.

Takes from less than a second (k-means) to half an hour (the default on Fashion-MNIST) per run.
outputs/tables/accuracy_runs.csv has the seconds of every run; they add up to 20 hours.
Needs the datasets, which are downloaded if they are missing, and umap-learn for the recipe N2D.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import joblib
from accuracy_table import ORIGIN, update
from reporting import TABLES, added_datasets, command_line, commit, machine_option
from reuters21578 import FILE, reuters21578
from tqdm import tqdm

DATASETS = ("digits", "usps", "hhar", "reuters21578", "mnist", "fashion_mnist")
RECIPES = {
    "default": [],
    "plain": ["experiment=plain"],
    "vade": ["model=vade", "experiment=plain"],
    "k-means": ["model=kmeans"],
    "PCA + GMM": ["model=gmm"],
    "spectral": ["model=spectral"],
    "Ward": ["model=ward"],
    "modularity": ["model=modularity"],
    "UMAP + k-means": ["model=umap_kmeans"],
    "AE + k-means": ["model=ae_kmeans", "experiment=plain"],
    "AE + GMM": ["model=ae_gmm", "experiment=plain"],
    "VAE + GMM": ["model=vae_gmm", "experiment=plain"],
    "N2D": ["model=n2d", "experiment=plain"],
    "DEC": ["model=dec", "experiment=plain"],
    "IDEC": ["model=idec", "experiment=plain"],
    "DCN": ["model=dcn", "experiment=plain"],
}
# Ablations: the default with one change.
ABLATIONS = {
    "kmeans start": ["init=kmeans"],
    "no augmentation": ["augmentation=none"],
    "one round": ["train.rounds=1"],
    "no agreement": ["train.agreement=0"],
    "held to the end": ["train.anchored=1"],
    "released after 0.7": ["train.anchored=0.7"],
    "never held": ["train.anchored=0"],
    "kl_weight 4": ["train.kl_weight=4"],
    "gaussian family": ["model=vade"],
    "no covariances": ["init.covariances=null"],
    # What small tables and the digits had before gammvae.config.sizing.
    "wide and long": [
        *("architecture=mlp", "optimizer.lr=0.001", "pretrain.updates=3000", "train.updates=3000")
    ],
    "slow and long": ["optimizer.lr=0.001", "pretrain.updates=8000", "train.updates=8000"],
}
EVERYTHING = RECIPES | ABLATIONS


def command(given: Sequence[str], recipe: str, path: Path) -> list[str]:
    """The command that computes one run into ``path``, whose last part is ``seed=SEED``."""
    where = [f'run_dir="{path}"', f'pretrained="{path.parents[2] / ".pretrained"}"']
    settings = [*given, *EVERYTHING[recipe], path.name, "report=false", *where]
    return [sys.executable, "-m", "gammvae", "train", *settings]


def run(given: Sequence[str], recipe: str, path: Path, threads: int, machine: str) -> None:
    """Computes one run unless it is finished, and stores its commit and machine."""
    if (path / ORIGIN).exists():
        return
    name = " ".join(path.parts[-3:])
    tqdm.write(f"+ {name}")
    # Before the run starts, since files of the checkout may change while it runs.
    origin = {"commit": commit(), "machine": machine}
    done = subprocess.run(
        command(given, recipe, path),
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.DEVNULL,  # the run has its own log
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}:\n{done.stderr}")
    (path / ORIGIN).write_text(json.dumps(origin))


def parse() -> argparse.Namespace:
    """Parses the command line."""
    parser = command_line(__doc__, machine_option(), added_datasets())
    parser.add_argument("--datasets", nargs="*", choices=DATASETS, default=DATASETS)
    parser.add_argument("--recipes", nargs="+", choices=EVERYTHING, default=[*RECIPES])
    parser.add_argument("--seeds", nargs="+", type=int, default=[*range(5)], help="0 1 2 3 4")
    parser.add_argument(
        "--jobs", type=int, default=1, help="number of simultaneous runs, which share the cores"
    )
    parser.add_argument(
        "--folder", type=Path, default=TABLES.parent / "accuracy", help="folder of the runs"
    )
    parser.add_argument("--root", type=Path, help=f"folder that contains {FILE}")
    return parser.parse_args()


def settings(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """The settings with which ``gammvae train`` reads each dataset."""
    given = {name: [f"dataset={name}"] for name in arguments.datasets}
    if "reuters21578" in given:
        given["reuters21578"] = reuters21578(arguments.root, arguments.folder)
    return given | {name: rest for name, *rest in arguments.also}


def main() -> None:
    """Computes all missing runs."""
    arguments = parse()
    if "reuters21578" in arguments.datasets and arguments.root is None:
        print(f"reuters21578 is left out: it needs --root FOLDER with {FILE}")
        arguments.datasets = [name for name in arguments.datasets if name != "reuters21578"]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    compute(settings(arguments), arguments)


def compute(given: Mapping[str, Sequence[str]], arguments: argparse.Namespace) -> None:
    """Computes all datasets, recipes and seeds, and writes the tables after each run."""
    threads = max(1, joblib.cpu_count() // arguments.jobs)
    with ThreadPoolExecutor(arguments.jobs) as pool:
        runs = [
            pool.submit(
                run,
                *(rest, recipe, arguments.folder / name / recipe / f"seed={seed}"),
                *(threads, arguments.machine),
            )
            for name, rest in given.items()
            for recipe in arguments.recipes
            for seed in arguments.seeds
        ]
        try:
            for done in tqdm(as_completed(runs), total=len(runs), unit="run", disable=None):
                done.result()
                update(arguments.folder, DATASETS, list(EVERYTHING))
        finally:  # a failed run cancels the others
            pool.shutdown(cancel_futures=True)


if __name__ == "__main__":
    main()
