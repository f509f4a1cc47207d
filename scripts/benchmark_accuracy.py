"""Clusters every dataset with every recipe over several seeds, and writes the table of accuracies.

    python scripts/benchmark_accuracy.py [--datasets mnist usps] [--recipes default] [--seeds 5 6]

Finished runs are kept under --folder and not run again, so that the same command goes on where it
was interrupted. The table, outputs/tables/accuracy.{csv,md}, is written anew after every run: a row
for every dataset and recipe of which a run lies in that folder, and between them the rows that it
had before, computed elsewhere. ACC, NMI and ARI are computed on all samples; the run of the highest
ELBO is named beside the mean because it could be chosen without classes. Baselines use the samples
and the autoencoder of the runs of recipe `vade`, which must be finished.
"""

import argparse
import csv
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import joblib
from baselines import BASELINES
from reuters21578 import FILE, reuters21578
from tqdm import tqdm

from gammvae.metrics import agreement
from gammvae.runs import RESULT
from gammvae.seeds import best_by_elbo, read_labels, statistics

TABLES = Path(__file__).parents[1] / "outputs" / "tables"
DATASETS = ("digits", "usps", "hhar", "reuters21578", "mnist", "fashion_mnist")
RECIPES = {
    "default": [],
    "plain": ["experiment=plain"],
    "vade": ["model=vade", "experiment=plain"],
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
}
TRAINED = RECIPES | ABLATIONS
EVERYTHING = (*RECIPES, *BASELINES, *ABLATIONS)
# Whose samples and plain Gaussian autoencoder the baselines work on.
BASIS = "vade"
COLUMNS = (
    *("dataset", "recipe", "seeds", "acc", "acc_std", "acc_min", "nmi", "nmi_std", "ari"),
    *("ari_std", "elbo_seed", "elbo_seed_acc", "seed_agreement", "seconds"),
    *("commit", "machine", "notes"),
)
WORDS = ("dataset", "recipe", "seeds", "commit", "machine", "notes")
# In the directory of a finished run: what it was computed with.
ORIGIN = "origin.json"


def command(given: Sequence[str], recipe: str, path: Path) -> list[str]:
    """What computes one run, in a process of its own, into ``path``, whose name holds the seed."""
    if recipe in BASELINES:
        script = Path(__file__).with_name("baselines.py")
        basis = path.parents[1] / BASIS / path.name
        return [sys.executable, str(script), recipe, str(basis), str(path)]
    settings = [*given, *TRAINED[recipe], path.name, f'run_dir="{path}"']
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


def commit() -> str:
    """The checked-out commit, with a + if files differ from it."""
    git = ["git", "-C", str(TABLES.parent)]
    name = subprocess.run([*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    changed = subprocess.run(
        [*git, "status", "--porcelain", "--", "../gammvae", "../conf"],
        capture_output=True,
        text=True,
    )
    return name.stdout.strip() + ("+" if changed.stdout.strip() else "")


def row(dataset: str, recipe: str, paths: Sequence[Path]) -> dict[str, Any]:
    """The line of the table for the finished runs of one recipe on one dataset."""
    results, origins = (
        [json.loads((path / name).read_text()) for path in paths] for name in (RESULT, ORIGIN)
    )
    figures = statistics(results)
    chosen = {"elbo_seed": None, "elbo_seed_acc": None}
    if recipe not in BASELINES:
        best = results[best_by_elbo(results)]
        chosen = {"elbo_seed": best["seed"], "elbo_seed_acc": best["metrics"]["acc"]}
    return {
        "dataset": dataset,
        "recipe": recipe,
        "seeds": " ".join(str(result["seed"]) for result in results),
        **{name: figures["mean"][name] for name in ("acc", "nmi", "ari", "seconds")},
        **{f"{name}_std": figures["std"][name] for name in ("acc", "nmi", "ari")},
        "acc_min": figures["min"]["acc"],
        **chosen,
        "seed_agreement": agreement([read_labels(path) for path in paths]),
        "commit": " ".join(sorted({origin["commit"] for origin in origins})),
        "machine": "; ".join(sorted({origin["machine"] for origin in origins})),
        # without the folders of the machine it ran on
        "notes": re.sub(r"/\S*/", "", "; ".join(results[0]["dataset_notes"])),
    }


def rows(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of all finished runs in the folder, and what else the table holds."""
    known = {(line["dataset"], line["recipe"]): line for line in earlier()}
    others = sorted({path.name for path in folder.iterdir() if path.is_dir()})
    for dataset in dict.fromkeys((*DATASETS, *others, *(dataset for dataset, _ in known))):
        for recipe in EVERYTHING:
            paths = sorted(path.parent for path in (folder / dataset / recipe).glob(f"*/{ORIGIN}"))
            if paths:
                yield row(dataset, recipe, paths)
            elif (dataset, recipe) in known:
                yield known[dataset, recipe]


def earlier() -> list[dict[str, Any]]:
    """The lines of the table as it stands."""
    path = TABLES / "accuracy.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            {
                name: value if name in WORDS else float(value) if value else None
                for name, value in line.items()
            }
            for line in csv.DictReader(file)
        ]


def shown(table: Sequence[dict[str, Any]]) -> str:
    """The command that computes all rows, whichever calls computed them one after another."""
    datasets, recipes = (dict.fromkeys(line[name] for line in table) for name in COLUMNS[:2])
    seeds = {int(seed) for line in table for seed in line["seeds"].split()}
    words = ["--datasets", *(name for name in datasets if name in DATASETS)]
    words += ["--recipes", *recipes, "--seeds", *map(str, sorted(seeds))]
    words += ["--root", "FOLDER"] if "reuters21578" in datasets else []
    for name in datasets:
        words += [] if name in DATASETS else ["--also", name, "SETTINGS"]
    return shlex.join(("python", "scripts/benchmark_accuracy.py", *words))


def write(table: Sequence[dict[str, Any]]) -> None:
    """Writes the table for programs and for readers."""
    with (TABLES / "accuracy.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: rounded(line[name]) for name in COLUMNS} for line in table)
    machines = list(dict.fromkeys(line["machine"] for line in table))
    lines = [
        "Means over seeds, all samples, classes seen by this table alone.",
        "",
        f"    $ {shown(table)}",
        "",
        "| dataset | recipe | seeds | ACC | lowest | NMI | ARI | ACC of the best ELBO | "
        "agreement of seeds (ARI) | seconds a run | machine | commit |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        *(markdown(line, machines) for line in table),
        "",
        *(f"{number}. {machine}" for number, machine in enumerate(machines, 1)),
        "",
    ]
    notes = sorted({f"{line['dataset']}: {line['notes']}" for line in table if line["notes"]})
    lines += [f"* {note}" for note in notes]
    (TABLES / "accuracy.md").write_text("\n".join(lines).strip() + "\n")


def markdown(line: dict[str, Any], machines: Sequence[str]) -> str:
    """One line for readers; machines by their number."""
    chosen = line["elbo_seed"]
    cells = [
        *(line["dataset"], line["recipe"], str(len(line["seeds"].split()))),
        *(spread(line, "acc"), f"{line['acc_min']:.4f}", spread(line, "nmi"), spread(line, "ari")),
        "-" if chosen is None else f"{line['elbo_seed_acc']:.4f} (seed {chosen:.0f})",
        f"{line['seed_agreement']:.3f}",
        *(f"{line['seconds']:.0f}", str(machines.index(line["machine"]) + 1), line["commit"]),
    ]
    return "| " + " | ".join(cells) + " |"


def spread(line: dict[str, Any], name: str) -> str:
    """Mean and standard deviation of a figure."""
    return f"{line[name]:.4f} +- {line[f'{name}_std']:.4f}"


def rounded(value: Any) -> Any:  # noqa: ANN401 - numbers and text
    """Numbers with four digits."""
    return f"{value:.4f}" if isinstance(value, float) else value


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="*", choices=DATASETS, default=DATASETS)
    parser.add_argument(
        "--also",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "SETTING"),
        help="a dataset of your own: its name and what gammvae train takes to read it",
    )
    parser.add_argument("--recipes", nargs="+", choices=EVERYTHING, default=[*RECIPES, *BASELINES])
    parser.add_argument("--seeds", nargs="+", type=int, default=[*range(5)])
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, sharing the cores")
    parser.add_argument("--folder", type=Path, default=TABLES.parent / "accuracy")
    parser.add_argument("--root", type=Path, help=f"folder of {FILE}")
    parser.add_argument("--machine", default="not described")
    return parser.parse_args()


def settings(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """What ``gammvae train`` is told to read each dataset."""
    given = {name: [f"dataset={name}"] for name in arguments.datasets}
    if "reuters21578" in given:
        given["reuters21578"] = reuters21578(arguments.root, arguments.folder)
    return given | {name: rest for name, *rest in arguments.also}


def main() -> None:
    """Runs what is missing: first what is trained, then what uses its autoencoders."""
    arguments = parse()
    if "reuters21578" in arguments.datasets and arguments.root is None:
        print(f"reuters21578 is left out: --root FOLDER says where {FILE} is")
        arguments.datasets = [name for name in arguments.datasets if name != "reuters21578"]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    given = settings(arguments)
    for stage in (TRAINED, BASELINES):
        recipes = [recipe for recipe in arguments.recipes if recipe in stage]
        compute(given, recipes, arguments)


def compute(
    given: Mapping[str, Sequence[str]], recipes: Sequence[str], arguments: argparse.Namespace
) -> None:
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
            for recipe in recipes
            for seed in arguments.seeds
        ]
        try:
            for done in tqdm(as_completed(runs), total=len(runs), unit="run", disable=None):
                done.result()
                write(list(rows(arguments.folder)))
        finally:  # a run that fails stops the others
            pool.shutdown(cancel_futures=True)


if __name__ == "__main__":
    main()
