"""Compares the partition at which q(c|x) was held with the clusters after it was let go.

    python scripts/benchmark_held.py [--folder outputs/accuracy] [--output FILE.md]

Reads the default's finished runs of benchmark_accuracy.py, in which q(c|x) is held for the first
part of training and then let go. Figures are means and standard deviations over the runs of a
dataset, of which there must be two.

Takes a few seconds per run. Needs the runs and their data.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from reporting import TABLES, Report, Row, command_line, report_options

from gammvae.cli.reuse import usable_config
from gammvae.evaluation.metrics import clustering_metrics
from gammvae.runs.contents import RESULT
from gammvae.runs.directory import RunDirectory
from gammvae.tables.comparison import difference
from gammvae.tables.formats import Entry
from gammvae.training.workspace import Workspace

COLUMNS = (
    *("dataset", "runs", "ACC %, held", "ACC %, let go", "NMI %, held", "NMI %, let go"),
    *("moved, %", "ELBO, held", "ELBO, let go"),
)


class Figures(NamedTuple):
    """Figures of a run with ``q(c|x)`` held and let go; scores and shares in percent."""

    acc_held: float
    acc: float
    nmi_held: float
    nmi: float
    moved: float
    elbo_held: float
    elbo: float


def figures(path: Path) -> tuple[str, Figures]:
    """The dataset of a run, and its figures.

    Raises:
        ValueError: ``q(c|x)`` was never let go, or the data have no classes.
    """
    directory = RunDirectory(path)
    work = Workspace(usable_config(directory, {}, None), directory)
    held, result = work.restore("train"), directory.read_result()
    metrics = result["metrics"]
    if held is None or work.classes is None or "moved" not in metrics:
        raise ValueError(f"{path}: nothing was held and let go, or there are no classes")
    before = clustering_metrics(work.classes, held.labels)
    name = result["dataset"]
    if work.config.dataset.path is not None:
        name = Path(work.config.dataset.path).stem
    return name, Figures(
        *(100 * before["acc"], 100 * metrics["acc"], 100 * before["nmi"], 100 * metrics["nmi"]),
        *(100 * metrics["moved"] / result["samples"], metrics["elbo_held"], metrics["elbo"]),
    )


def rows(found: dict[str, list[Figures]]) -> Iterator[Row]:
    """Yields a row of means and standard deviations for every dataset."""
    for name, runs in found.items():
        means, deviations = np.mean(runs, axis=0), np.std(runs, axis=0, ddof=1)
        yield [
            *(name, str(len(runs))),
            *(Entry(f"{m:.2f}", f"{d:.2f}") for m, d in zip(means, deviations, strict=True)),
        ]


def main() -> None:
    """Prints the table."""
    parser = command_line(__doc__, report_options())
    parser.add_argument(
        "--folder", type=Path, default=TABLES.parent / "accuracy", help="folder of the runs"
    )
    arguments = parser.parse_args()
    report = Report(arguments, "The held partition, and the clusters after q(c|x) was let go.")
    found: dict[str, list[Figures]] = defaultdict(list)
    for result in sorted(arguments.folder.glob(f"*/default/*/{RESULT}")):
        name, run = figures(result.parent)
        found[name].append(run)
    report.table(COLUMNS, rows(found))
    change = [np.mean([run.acc - run.acc_held for run in runs]) for runs in found.values()]
    one = difference(np.array(change))
    report.paragraph(
        f"Change of ACC, mean of {one.n} datasets: {one.mean:+.2f} points (95 % interval "
        f"{one.low:+.2f} to {one.high:+.2f}), lowest {min(change):+.2f}."
    )


if __name__ == "__main__":
    main()
