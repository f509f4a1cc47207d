"""Clusters every dataset with every recipe over several seeds, and writes the table of accuracies.

    python scripts/benchmark_accuracy.py [--datasets mnist usps] [--recipes default] [--seeds 5]

Finished runs are kept under --folder and not run again, so that the same command goes on where it
was interrupted. The table, outputs/tables/accuracy.{csv,md}, is written anew after every run and
holds whatever is finished. ACC, NMI and ARI are computed on all samples; the run of the highest
ELBO is named beside the mean because it could be chosen without classes. Baselines use the samples
and the autoencoder of the runs of recipe `vade`, which must be finished.
"""

import argparse
import csv
import gzip
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
from baselines import BASELINES, run_baseline
from sklearn.feature_extraction.text import TfidfVectorizer

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
    *("ari_std", "elbo_seed", "elbo_seed_acc", "seed_agreement", "seconds", "commit", "notes"),
)
WORDS, CLASSES = 2000, 10


def reuters21578(root: Path, folder: Path) -> list[str]:
    """Writes the documents of one of the ten most frequent topics as tf-idf, for dataset=file.

    Only documents of a single topic count. A stand-in for text, not Reuters-10k.

    Args:
        root: Folder of ``reuters21578.jsonl.gz`` with a document's ``text`` and ``labels`` a line.
        folder: Where the matrix and the topics are written.
    """
    path, topics = folder / "reuters21578.npz", folder / "reuters21578.txt"
    if not topics.exists():
        with gzip.open(root / "reuters21578.jsonl.gz", "rt") as file:
            documents = [json.loads(line) for line in file]
        single = [document for document in documents if len(document["labels"]) == 1]
        counts = Counter(document["labels"][0] for document in single)
        frequent = {topic for topic, _ in counts.most_common(CLASSES)}
        kept = [document for document in single if document["labels"][0] in frequent]
        vectorizer = TfidfVectorizer(max_features=WORDS, stop_words="english", sublinear_tf=True)
        matrix = vectorizer.fit_transform(document["text"] for document in kept).tocsr()
        some = np.flatnonzero(matrix.getnnz(axis=1))  # documents with one of the words
        folder.mkdir(parents=True, exist_ok=True)
        scipy.sparse.save_npz(path, matrix[some].astype(np.float32))
        topics.write_text("".join(f"{kept[i]['labels'][0]}\n" for i in some))
    return [
        *("dataset=file", f"n_clusters={CLASSES}", f'dataset.path="{path.resolve()}"'),
        *("dataset.likelihood=normal", f'dataset.labels="{topics.resolve()}"'),
    ]


def run(dataset: str, given: Sequence[str], recipe: str, seed: int, folder: Path) -> None:
    """Computes one run unless it is finished, and notes the commit that it was computed with."""
    path, commits = folder / dataset / recipe / f"seed={seed}", folder / "commits.json"
    if (path / RESULT).exists():
        return
    print(f"+ {dataset}, {recipe}, seed {seed}", flush=True)
    computed_with = commit()  # files may change while it runs, the program has read its own
    if recipe in BASELINES:
        run_baseline(recipe, folder / dataset / BASIS / f"seed={seed}", path)
    else:
        settings = [*given, *TRAINED[recipe], f"seed={seed}", f'run_dir="{path}"']
        subprocess.run([sys.executable, "-m", "gammvae", "train", *settings], check=True)
    known = json.loads(commits.read_text()) if commits.exists() else {}
    known[str(path.relative_to(folder))] = computed_with
    commits.write_text(json.dumps(known, indent=1))


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


def row(dataset: str, recipe: str, paths: Sequence[Path], folder: Path) -> dict[str, Any]:
    """The line of the table for the finished runs of one recipe on one dataset."""
    results = [json.loads((path / RESULT).read_text()) for path in paths]
    figures, known = statistics(results), json.loads((folder / "commits.json").read_text())
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
        "commit": " ".join(sorted({known[str(path.relative_to(folder))] for path in paths})),
        "notes": "; ".join(results[0]["dataset_notes"]),
    }


def finished(folder: Path) -> Iterator[dict[str, Any]]:
    """A line for every recipe and dataset of which at least one run is finished."""
    for dataset in DATASETS:
        for recipe in EVERYTHING:
            paths = sorted(path.parent for path in (folder / dataset / recipe).glob(f"*/{RESULT}"))
            if paths:
                yield row(dataset, recipe, paths, folder)


def write(rows: Sequence[dict[str, Any]], machine: str) -> None:
    """Writes the table for programs and for readers."""
    with (TABLES / "accuracy.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: rounded(line[name]) for name in COLUMNS} for line in rows)
    lines = [
        "Means over seeds, all samples, classes seen by this table alone. Machine: " + machine,
        "",
        "    $ python scripts/benchmark_accuracy.py",
        "",
        "| dataset | recipe | seeds | ACC | lowest | NMI | ARI | ACC of the best ELBO | "
        "agreement of seeds (ARI) | seconds a run | commit |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for line in rows:
        spread = {
            name: f"{line[name]:.4f} +- {line[f'{name}_std']:.4f}" for name in ("acc", "nmi", "ari")
        }
        cells = [
            *(line["dataset"], line["recipe"], str(len(line["seeds"].split()))),
            *(spread["acc"], f"{line['acc_min']:.4f}", spread["nmi"], spread["ari"]),
            "-"
            if line["elbo_seed"] is None
            else f"{line['elbo_seed_acc']:.4f} (seed {line['elbo_seed']})",
            f"{line['seed_agreement']:.3f}",
            *(f"{line['seconds']:.0f}", line["commit"]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    notes = sorted({f"{line['dataset']}: {line['notes']}" for line in rows if line["notes"]})
    lines += ["", *(f"* {note}" for note in notes)]
    (TABLES / "accuracy.md").write_text("\n".join(lines) + "\n")


def rounded(value: Any) -> Any:  # noqa: ANN401 - numbers and text
    """Numbers with four digits."""
    return f"{value:.4f}" if isinstance(value, float) else value


def main() -> None:
    """Runs what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=DATASETS)
    parser.add_argument("--recipes", nargs="+", choices=EVERYTHING, default=[*RECIPES, *BASELINES])
    parser.add_argument("--seeds", type=int, default=5, help="how many, counted from 0")
    parser.add_argument("--folder", type=Path, default=TABLES.parent / "accuracy")
    parser.add_argument("--root", type=Path, help="folder of reuters21578.jsonl.gz")
    parser.add_argument("--machine", default="not described")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for dataset in arguments.datasets:
        given = [f"dataset={dataset}"]
        if dataset == "reuters21578":
            if arguments.root is None:
                print("reuters21578 is left out: --root FOLDER says where its file is")
                continue
            given = reuters21578(arguments.root, arguments.folder)
        for recipe in arguments.recipes:
            for seed in range(arguments.seeds):
                run(dataset, given, recipe, seed, arguments.folder)
                write(list(finished(arguments.folder)), arguments.machine)


if __name__ == "__main__":
    main()
