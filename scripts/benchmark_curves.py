"""Draws ACC, NMI and ELBO over the steps of joint training, for both families and several starts.

    python scripts/benchmark_curves.py [SETTING ...] [--datasets digits usps]
        [--starts kmeans manifold classes] [--updates 1500 6000] [--seeds 0 1]

Nothing is added to the method of the abstract (experiment=plain) but the start: k-means or a
Gaussian mixture of the embeddings, the partition of their neighbor graph (manifold), or the true
classes, which show where training goes from the best of all partitions. From these last two, the
mixture takes a single M-step. Other settings, such as architecture=small, apply to all runs.

The table has the figures right after the start and at the end, with several seeds their means and
standard deviations, and how the families differ; --picture FILE.svg draws the means of what lies
between. The figures of every run are also written as CSV beside --output. Finished runs are kept in
--folder and not repeated, so the same command continues an interrupted benchmark. Two run at a
time, with one thread each. The starts of a family share the pretrained autoencoder. With
device=cuda, runs are on the GPU.

Takes half a minute to two minutes per run with architecture=small, up to 20 minutes with the
networks of experiment=plain, and longer in proportion to --updates. Needs the datasets, which are
downloaded if they are missing.
"""

import argparse
import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from reporting import ROOT, Report, command_line, mean_and_deviation, report_options
from runs import Run, compose_config, finished

from gammvae.data.training_data import load_data
from gammvae.system.writing import write_text
from gammvae.tables.comparison import difference

DATASETS = ("digits", "usps", "hhar", "mnist", "fashion_mnist")
STARTS = ("kmeans", "gmm", "manifold", "classes")
# Lines of the families in the picture.
FAMILIES = {"gammvae": "-", "vade": "--"}
# Points of a line at most.
POINTS = 80
CURVES = ("acc", "nmi", "elbo")
COMPARED = (
    *("dataset", "start", "ACC, points (95 % interval)", "its rise (95 % interval)"),
    *("ELBO, nats (95 % interval)", "correlation of ACC, start and end"),
)
FIGURES = ("ACC %, start", "ACC %, end", "NMI %, start", "NMI %, end", "ELBO")


class Line(NamedTuple):
    """The runs of one line in the picture and one row of the table: one for each seed."""

    dataset: str
    start: str
    family: str
    runs: list[Run]

    @property
    def name(self) -> tuple[str, str, str]:
        """Dataset, start and family."""
        return self.dataset, self.start, self.family


def settings_of(start: str, dataset: str, folder: Path) -> list[str]:
    """The settings of a start; writes the classes to a file if they are the start."""
    if start != "classes":
        return [f"init={start}"]
    path = folder / f"{dataset} classes.npy"
    if not path.exists():
        config = compose_config(f"dataset={dataset}")
        classes = load_data(config.dataset, config.preprocess, "cpu").y
        assert classes is not None
        folder.mkdir(parents=True, exist_ok=True)
        np.save(path, np.unique(classes, return_inverse=True)[1])
    return ["init=labels", f'init.labels="{path.resolve()}"', "init.max_iter=1"]


def lines(arguments: argparse.Namespace) -> Iterator[Line]:
    """Makes the runs, two at a time, and yields the lines in the order of the table."""
    pretraining, training = arguments.updates
    common = [
        *("experiment=plain", "score_every=1", *arguments.settings),
        *(f"pretrain.updates={pretraining}", f"train.updates={training}"),
        f'pretrained="{arguments.folder / ".pretrained"}"',
    ]
    choices = list(itertools.product(arguments.datasets, arguments.starts, FAMILIES))
    starts = {
        (dataset, start): settings_of(start, dataset, arguments.folder)
        for dataset, start, _ in choices
    }
    name = " ".join((*arguments.settings, *map(str, arguments.updates)))
    with ThreadPoolExecutor(2) as pool:
        pending = [
            [
                pool.submit(
                    finished,
                    arguments.folder / name / dataset / f"{start} {family}" / str(seed),
                    [
                        *(f"dataset={dataset}", f"model={family}", f"seed={seed}"),
                        *(*starts[dataset, start], *common),
                    ],
                )
                for seed in arguments.seeds
            ]
            for dataset, start, family in choices
        ]
        try:
            for choice, runs in zip(choices, pending, strict=True):
                yield Line(*choice, [run.result() for run in runs])
        finally:  # a failed run cancels the others
            pool.shutdown(cancel_futures=True)


def course(run: Run, figure: str) -> NDArray[np.float64]:
    """A figure after every epoch ``(epochs,)``; scores have that of the start first."""
    return np.array([record[figure] for record in run.records if record.get(figure) is not None])


def figures(line: Line) -> NDArray[np.float64]:
    """``FIGURES`` of every run ``(runs, 5)``."""
    return np.array(
        [
            [100 * course(run, name)[place] for name in ("acc", "nmi") for place in (0, -1)]
            + [run.metrics["elbo"]]
            for run in line.runs
        ]
    )


def row(line: Line) -> list[str]:
    """The row of the table."""
    *scores, elbo = figures(line).T
    texts = [*(mean_and_deviation(score, 1) for score in scores), mean_and_deviation(elbo)]
    return [*line.name, str(len(line.runs)), *texts]


def compared(found: Sequence[Line]) -> Iterator[list[str]]:
    """How the families differ with the same seeds, and how the end follows the start.

    A row for every dataset and start: means and 95 % intervals of Gamma minus normal, in ACC at
    the end, in its rise from the start and in the ELBO, and the correlation of ACC at the start
    with ACC at the end over the runs of both families.
    """
    pairs = zip(found[::2], found[1::2], strict=True)  # of ``FAMILIES``
    for ours, normal in pairs:
        one, other = figures(ours), figures(normal)
        less = one - other
        differences = map(difference, (less[:, 1], less[:, 1] - less[:, 0], less[:, 4]))
        texts = [f"{d.mean:+.2f} ({d.low:+.2f} to {d.high:+.2f})" for d in differences]
        starts, ends = np.concatenate((one, other)).T[:2]
        constant = not (np.ptp(starts) and np.ptp(ends))
        correlation = "-" if constant else f"{np.corrcoef(starts, ends)[0, 1]:.2f}"
        yield [ours.dataset, ours.start, *texts, correlation]


def rows_of_runs(found: Sequence[Line], seeds: Sequence[int]) -> Iterator[list[str]]:
    """The rows of the CSV file: one a run."""
    for line in found:
        for seed, values in zip(seeds, figures(line), strict=True):
            yield [*line.name, str(seed), *(f"{value:.3f}" for value in values)]


def draw(found: Sequence[Line], updates: int, path: Path) -> None:
    """Draws a column of three charts for every dataset, as SVG.

    Args:
        found: All lines.
        updates: Number of steps of joint training.
        path: File to write.
    """
    datasets, starts = (list(dict.fromkeys(line[i] for line in found)) for i in (0, 1))
    figure = Figure(figsize=(max(4, 3 * len(datasets)), 6.5), layout="constrained")
    axes = figure.subplots(len(CURVES), len(datasets), sharex=True, squeeze=False)
    for line in found:
        column = axes[:, datasets.index(line.dataset)]
        for axis, name in zip(column, CURVES, strict=True):
            values = np.mean([course(run, name) for run in line.runs], axis=0)
            end = updates / 1000
            # the ELBO has no figure before the first epoch
            steps = np.linspace(0 if name != "elbo" else end / len(values), end, len(values))
            shown = np.unique(np.linspace(0, len(values) - 1, POINTS).astype(int))
            style = {"color": f"C{starts.index(line.start)}", "linestyle": FAMILIES[line.family]}
            axis.plot(steps[shown], values[shown], label=f"{line.start}, {line.family}", **style)
            if name == "elbo":  # the first epochs are far below
                low, high = axis.get_ylim() if axis.lines[:-1] else (np.inf, -np.inf)
                axis.set_ylim(min(low, np.quantile(values, 0.1)), max(high, values.max() + 0.1))
    for axis, name in zip(axes[:, 0], CURVES, strict=True):
        axis.set_ylabel("ELBO, nats" if name == "elbo" else name.upper())
    for axis, dataset in zip(axes[0], datasets, strict=True):
        axis.set_title(dataset)
    for axis in axes[-1]:
        axis.set_xlabel("steps of joint training, thousands")
    columns = min(4, 2 * len(datasets))
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=columns
    )
    text = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "gammvae"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    write_text(path, text.getvalue())


def main() -> None:
    """Prints the table and draws the picture."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("settings", nargs="*", metavar="SETTING", help="of gammvae train")
    parser.add_argument("--datasets", nargs="+", choices=DATASETS, default=DATASETS)
    parser.add_argument("--starts", nargs="+", choices=STARTS, default=STARTS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument(
        "--updates",
        nargs=2,
        type=int,
        default=[1500, 6000],
        metavar=("PRETRAINING", "TRAINING"),
        help="approximate numbers of steps (1500 6000)",
    )
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="also draw the curves")
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "outputs" / "curves", help="folder of the runs"
    )
    arguments = parser.parse_args()
    report = Report(arguments, "Joint training from several starts, with nothing added.")
    found: list[Line] = []

    def rows() -> Iterator[list[str]]:
        for line in lines(arguments):
            found.append(line)
            yield row(line)

    report.table(("dataset", "start", "family", "seeds", *FIGURES), rows())
    if len(arguments.seeds) > 1:
        report.paragraph("Gamma minus normal, same seeds:")
        report.table(COMPARED, compared(found))
    if arguments.picture:
        draw(found, arguments.updates[1], arguments.picture)
    if arguments.output:
        text = io.StringIO()
        header = ("dataset", "start", "family", "seed", *FIGURES)
        runs = rows_of_runs(found, arguments.seeds)
        csv.writer(text, lineterminator="\n").writerows([header, *runs])
        write_text(arguments.output.with_suffix(".csv"), text.getvalue())


if __name__ == "__main__":
    main()
