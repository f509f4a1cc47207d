"""Clusters every dataset with every recipe over several seeds, and writes the table of accuracies.

    python scripts/benchmark_accuracy.py [--datasets mnist usps] [--recipes default] [--seeds 5 6]

Finished runs are kept under --folder and not run again, so that the same command goes on where it
was interrupted. After every run the tables outputs/tables/accuracy*.{csv,md} are written anew, as
accuracy_table.py says. ACC, NMI and ARI are computed on all samples; the run of the highest ELBO is
named beside the mean because it could be chosen without classes. Recipes that need the same
autoencoder pretrain it once.

Takes from less than a second (k-means) to half an hour (the default on Fashion-MNIST) a run; the
seconds of every run are in outputs/tables/accuracy_runs.csv, which add up to 20 hours.
Needs the datasets, which are downloaded if they are missing; umap-learn for the recipe N2D.
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
from reporting import TABLES, command_line, commit, machine_option
from reuters21578 import FILE, reuters21578
from tqdm import tqdm

DATASETS = ("digits", "usps", "hhar", "reuters21578", "mnist", "fashion_mnist")
RECIPES = {
    "default": [],
    "plain": ["experiment=plain"],
    "vade": ["model=vade", "experiment=plain"],
    "k-means": ["model=kmeans"],
    "PCA + GMM": ["model=gmm"],
    "AE + k-means": ["model=ae_kmeans", "experiment=plain"],
    "AE + GMM": ["model=ae_gmm", "experiment=plain"],
    "VAE + GMM": ["model=vae_gmm", "experiment=plain"],
    "N2D": ["model=n2d", "experiment=plain"],
    "DEC": ["model=dec", "experiment=plain"],
    "IDEC": ["model=idec", "experiment=plain"],
}
# One thing changed in the default, to see what it is worth.
ABLATIONS = {
    "kmeans start": ["init=kmeans"],
    "no augmentation": ["augmentation=none"],
    "one round": ["train.rounds=1"],
    "no agreement": ["train.agreement=0"],
    "released after 0.7": ["train.anchored=0.7"],
    "never held": ["train.anchored=0"],
    "kl_weight 4": ["train.kl_weight=4"],
    "gaussian family": ["model=vade"],
    "no covariances": ["init.covariances=null"],
}
EVERYTHING = RECIPES | ABLATIONS


def command(given: Sequence[str], recipe: str, path: Path) -> list[str]:
    """What computes one run, in a process of its own, into ``path``, whose name holds the seed."""
    where = [f'run_dir="{path}"', f'pretrained="{path.parents[2] / ".pretrained"}"']
    settings = [*given, *EVERYTHING[recipe], path.name, "report=false", *where]
    return [sys.executable, "-m", "gammvae", "train", *settings]


def run(given: Sequence[str], recipe: str, path: Path, threads: int, machine: str) -> None:
    """Computes one run unless it is finished, and notes what it was computed with."""
    if (path / ORIGIN).exists():
        return
    name = " ".join(path.parts[-3:])
    tqdm.write(f"+ {name}")
    # Files may change while it runs: the program has read its own.
    origin = {"commit": commit(), "machine": machine}
    done = subprocess.run(
        command(given, recipe, path),
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.DEVNULL,  # a run keeps its own log
        stderr=subprocess.PIPE,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}:\n{done.stderr}")
    (path / ORIGIN).write_text(json.dumps(origin))


def parse() -> argparse.Namespace:
    """The command line."""
    parser = command_line(__doc__, machine_option())
    parser.add_argument("--datasets", nargs="*", choices=DATASETS, default=DATASETS)
    parser.add_argument(
        "--also",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "SETTING"),
        help="a dataset of your own: its name and what gammvae train takes to read it",
    )
    parser.add_argument("--recipes", nargs="+", choices=EVERYTHING, default=[*RECIPES])
    parser.add_argument("--seeds", nargs="+", type=int, default=[*range(5)], help="0 1 2 3 4")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, sharing the cores")
    parser.add_argument("--folder", type=Path, default=TABLES.parent / "accuracy", help="of runs")
    parser.add_argument("--root", type=Path, help=f"folder of {FILE}")
    return parser.parse_args()


def settings(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """What ``gammvae train`` is told to read each dataset."""
    given = {name: [f"dataset={name}"] for name in arguments.datasets}
    if "reuters21578" in given:
        given["reuters21578"] = reuters21578(arguments.root, arguments.folder)
    return given | {name: rest for name, *rest in arguments.also}


def main() -> None:
    """Runs what is missing."""
    arguments = parse()
    if "reuters21578" in arguments.datasets and arguments.root is None:
        print(f"reuters21578 is left out: --root FOLDER says where {FILE} is")
        arguments.datasets = [name for name in arguments.datasets if name != "reuters21578"]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    compute(settings(arguments), arguments)


def compute(given: Mapping[str, Sequence[str]], arguments: argparse.Namespace) -> None:
    """Runs all seeds of all datasets and recipes, and writes the table after each."""
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
        finally:  # a run that fails stops the others
            pool.shutdown(cancel_futures=True)


if __name__ == "__main__":
    main()
