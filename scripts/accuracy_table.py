"""Writes the tables of accuracies from the figures of single runs.

``outputs/tables/accuracy_runs.csv`` has a line for every run, including runs computed on other
machines, whose folders are not available. ``accuracy.{csv,md}`` have a row for every dataset and
recipe. ``accuracy_pairs.md`` compares every recipe with the default on the same seeds.
"""

import csv
import json
import re
import shlex
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import reporting
from reporting import TABLES, Row, document

from gammvae.evaluation.metrics import agreement
from gammvae.runs.contents import RESULT
from gammvae.system.writing import write_text
from gammvae.tables.formats import Entry
from gammvae.tables.results import figures
from gammvae.tables.seeds import best_by_elbo, labels_of_run, statistics

# File in the directory of a finished run with the machine and commit that computed it.
ORIGIN = "origin.json"
RUN_COLUMNS = (
    *("dataset", "recipe", "seed", "acc", "nmi", "ari", "elbo", "seconds"),
    *("commit", "machine", "notes"),
)
COLUMNS = (
    *("dataset", "recipe", "seeds", "acc", "acc_std", "acc_min", "nmi", "nmi_std", "ari"),
    *("ari_std", "elbo_seed", "elbo_seed_acc", "seed_agreement", "seconds"),
    *("commit", "machine", "notes"),
)
READER_COLUMNS = (
    *("dataset", "recipe", "seeds", "ACC", "lowest", "NMI", "ARI", "ACC of the best ELBO"),
    *("agreement of seeds (ARI)", "seconds a run", "machine", "commit"),
)
PAIR_COLUMNS = ("dataset", "recipe", "seeds", "ACC", "default", "difference")
WORDS = ("dataset", "recipe", "seeds", "commit", "machine", "notes")

Line = dict[str, Any]


def read(path: Path) -> list[Line]:
    """The lines of an existing table; an empty list if the file does not exist."""
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


def write(name: str, columns: Sequence[str], lines: Sequence[Line]) -> None:
    """Writes a CSV table, with numbers rounded to four digits."""
    with (TABLES / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: rounded(line[name]) for name in columns} for line in lines)


def rounded(value: Any) -> Any:  # noqa: ANN401 - numbers and text
    """Formats numbers with four decimal digits, whole numbers without any."""
    if not isinstance(value, float):
        return value
    return f"{value:.0f}" if value.is_integer() else f"{value:.4f}"


def run_line(path: Path) -> Line:
    """The figures of the finished run in ``.../DATASET/RECIPE/seed=SEED``."""
    result = json.loads((path / RESULT).read_text())
    known = figures(result)
    return {
        **{"dataset": path.parts[-3], "recipe": path.parts[-2], "seed": float(result["seed"])},
        **{name: known.get(name) for name in ("acc", "nmi", "ari", "elbo", "seconds")},
        **json.loads((path / ORIGIN).read_text()),
        # remove the machine's paths
        "notes": re.sub(r"/\S*/", "", "; ".join(result["dataset_notes"])),
    }


def row(lines: Sequence[Line], folder: Path) -> Line:
    """The table row of one dataset and recipe, from the lines of its runs."""
    results = [
        {
            "metrics": {name: line[name] for name in ("acc", "nmi", "ari", "elbo")},
            "seconds": {"all": line["seconds"]},
        }
        for line in lines
    ]
    found = statistics(results)
    dataset, recipe = lines[0]["dataset"], lines[0]["recipe"]
    chosen = lines[best_by_elbo(results)] if lines[0]["elbo"] is not None else None
    paths = [folder / dataset / recipe / f"seed={line['seed']:.0f}" for line in lines]
    at_hand = len(paths) > 1 and all((path / ORIGIN).exists() for path in paths)
    return {
        **{"dataset": dataset, "recipe": recipe, "notes": lines[0]["notes"]},
        "seeds": " ".join(f"{line['seed']:.0f}" for line in lines),
        **{name: found["mean"][name] for name in ("acc", "nmi", "ari", "seconds")},
        **{f"{name}_std": found["std"][name] for name in ("acc", "nmi", "ari")},
        "acc_min": found["min"]["acc"],
        "elbo_seed": chosen and chosen["seed"],
        "elbo_seed_acc": chosen and chosen["acc"],
        "seed_agreement": agreement([labels_of_run(path) for path in paths]) if at_hand else None,
        **{
            name: "; ".join(sorted({line[name] for line in lines}))
            for name in ("commit", "machine")
        },
    }


def rows(runs: Sequence[Line], folder: Path) -> dict[tuple[str, str], Line]:
    """All rows: those of the given runs, and those of older runs that are only in the table."""
    groups: dict[tuple[str, str], list[Line]] = defaultdict(list)
    for line in runs:
        groups[line["dataset"], line["recipe"]].append(line)
    known = {(line["dataset"], line["recipe"]): line for line in read(TABLES / "accuracy.csv")}
    return known | {key: row(lines, folder) for key, lines in groups.items()}


def update(folder: Path, datasets: Sequence[str], recipes: Sequence[str]) -> None:
    """Adds the finished runs of a folder to the figures of single runs, and writes all tables.

    Args:
        folder: Folder with runs in ``DATASET/RECIPE/seed=SEED``.
        datasets: Names of datasets in the order of the table; other datasets follow.
        recipes: Names of all recipes in the order of the table.
    """

    def place(line: Line) -> tuple[int, str, int]:
        name = line["dataset"]
        first = datasets.index(name) if name in datasets else len(datasets)
        return first, name, recipes.index(line["recipe"])

    known = read(TABLES / "accuracy_runs.csv")
    runs = {(line["dataset"], line["recipe"], line["seed"]): line for line in known}
    for path in folder.glob(f"*/*/*/{ORIGIN}"):
        line = run_line(path.parent)
        runs[line["dataset"], line["recipe"], line["seed"]] = line
    lines = sorted(runs.values(), key=lambda line: (place(line), line["seed"]))
    table = sorted(rows(lines, folder).values(), key=place)
    write("accuracy_runs.csv", RUN_COLUMNS, lines)
    write("accuracy.csv", COLUMNS, table)
    command = shown(table, datasets)
    write_text(TABLES / "accuracy.md", markdown(table, command))
    write_text(TABLES / "accuracy_pairs.md", pairs(lines, command))


def pairs(lines: Sequence[Line], command: str) -> str:
    """Markdown document that compares every recipe with the default over their common seeds."""
    known: dict[tuple[str, str], dict[float, float]] = defaultdict(dict)
    for line in lines:
        known[line["dataset"], line["recipe"]][line["seed"]] = line["acc"]
    compared = []
    for (dataset, recipe), found in known.items():
        default = known.get((dataset, "default"), {})
        common = [seed for seed in found if seed in default]
        if recipe == "default" or not common:
            continue
        mine, other = (np.mean([runs[seed] for seed in common]) for runs in (found, default))
        seeds = " ".join(f"{seed:.0f}" for seed in common)
        figures = [f"{mine:.4f}", f"{other:.4f}", f"{mine - other:+.4f}"]
        compared.append([dataset, recipe, seeds, *figures])
    title = "Every recipe beside the default: mean ACC over the seeds that both have."
    return document(title, command, reporting.markdown(PAIR_COLUMNS, compared))


def shown(table: Sequence[Line], own: Sequence[str]) -> str:
    """A single command that computes all rows, even if several commands did."""
    datasets, recipes = (dict.fromkeys(line[name] for line in table) for name in COLUMNS[:2])
    seeds = {int(seed) for line in table for seed in line["seeds"].split()}
    words = ["--datasets", *(name for name in datasets if name in own)]
    words += ["--recipes", *recipes, "--seeds", *map(str, sorted(seeds))]
    words += ["--root", "FOLDER"] if "reuters21578" in datasets else []
    for name in datasets:
        words += [] if name in own else ["--also", name, "SETTINGS"]
    return shlex.join(("python", "scripts/benchmark_accuracy.py", *words))


def markdown(table: Sequence[Line], command: str) -> str:
    """Markdown document with the table of accuracies."""
    machines = list(dict.fromkeys(line["machine"] for line in table))
    notes = sorted({f"{line['dataset']}: {line['notes']}" for line in table if line["notes"]})
    title = (
        "Means over seeds, computed on all samples. Classes are used only for scoring. The command"
        "\ncomputes all rows. accuracy_runs.csv has the figures of every run but the oldest ones."
    )
    return document(
        title,
        command,
        reporting.markdown(READER_COLUMNS, [cells(line, machines) for line in table]),
        "\n".join(f"{number}. {machine}" for number, machine in enumerate(machines, 1)),
        "\n".join(f"* {note}" for note in notes),
    )


def cells(line: Line, machines: Sequence[str]) -> Row:
    """One row of the Markdown table, with machines as numbers."""
    chosen, alike = line["elbo_seed"], line["seed_agreement"]
    numbers = [str(n) for n, machine in enumerate(machines, 1) if machine == line["machine"]]
    return [
        *(line["dataset"], line["recipe"], str(len(line["seeds"].split()))),
        *(spread(line, "acc"), f"{line['acc_min']:.4f}", spread(line, "nmi"), spread(line, "ari")),
        "-" if chosen is None else f"{line['elbo_seed_acc']:.4f} (seed {chosen:.0f})",
        "-" if alike is None else f"{alike:.3f}",
        *(f"{line['seconds']:.0f}", " ".join(numbers), line["commit"]),
    ]


def spread(line: Line, name: str) -> Entry:
    """Mean and standard deviation of a figure; only the figure for a single seed."""
    several = " " in line["seeds"]
    return Entry(f"{line[name]:.4f}", f"{line[f'{name}_std']:.4f}" if several else "")
