"""Compares runs that differ only in their seed: spread, agreement, and the run of the best ELBO.

Classes are used only for the columns ACC, NMI and ARI, which never determine a choice.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gammvae.evaluation.metrics import agreement
from gammvae.runs.directory import RunDirectory
from gammvae.tables.results import figures
from gammvae.tables.summary import table

JUDGED = ("acc", "nmi", "ari")
FIGURES = (*JUDGED, "elbo", "silhouette", "assignment_entropy", "used_clusters", "seconds")
REDUCTIONS: dict[str, Callable[[NDArray], Any]] = {
    "mean": np.mean,
    "std": lambda values: values.std(ddof=len(values) > 1),
    "min": np.min,
}


def labels_of_run(path: Path) -> NDArray[np.int64]:
    """Cluster assignments ``(N,)`` of a finished run."""
    directory = RunDirectory(path)
    result = directory.read_result()
    return directory.read_assignments(result["samples"], result["n_clusters"])["labels"]


def best_by_elbo(results: Sequence[Mapping[str, Any]]) -> int:
    """Index of the run with the highest ELBO."""
    return int(np.argmax([result["metrics"]["elbo"] for result in results]))


def statistics(results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Mean, sample standard deviation and minimum of the figures that all runs have."""
    runs = [figures(result, FIGURES) for result in results]
    columns = {
        name: np.array([run[name] for run in runs], float)
        for name in runs[0]
        if all(name in run for run in runs)
    }
    return {
        kind: {name: float(reduce(values)) for name, values in columns.items()}
        for kind, reduce in REDUCTIONS.items()
    }


def compare_seeds(paths: Sequence[Path]) -> str:
    """A table of the runs' figures and statistics, the run of the best ELBO, and the agreement.

    Args:
        paths: Directories of at least two finished runs.
    """
    results = [RunDirectory(path).read_result() for path in paths]
    rows = {f"seed {result['seed']}": figures(result, FIGURES) for result in results}
    rows |= statistics(results)
    names = list(rows["mean"])
    header = ["", *(name.upper() if name in ("elbo", *JUDGED) else name for name in names)]
    text = table(
        header,
        [[row, *(shown(name, cells[name]) for name in names)] for row, cells in rows.items()],
    )
    agree = agreement([labels_of_run(path) for path in paths])
    chosen = ""
    if "elbo" in rows["mean"]:
        chosen = f"best ELBO: seed {results[best_by_elbo(results)]['seed']}; "
    numbers = [str(result["n_clusters"]) for result in results]
    differ = f"; they have {', '.join(numbers)} clusters" if len(set(numbers)) > 1 else ""
    return f"{text}\n{chosen}the {len(paths)} seeds agree to a mean ARI of {agree:.3f}{differ}"


def shown(name: str, value: float) -> str:
    """Formats a figure with a suitable number of digits."""
    digits = {"elbo": 2, "seconds": 0, "used_clusters": 1}.get(name, 4)
    return f"{value:.{digits}f}"
