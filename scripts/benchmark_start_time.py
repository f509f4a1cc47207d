"""Measures how long the parts of the start on the neighbor graph take.

    python scripts/benchmark_start_time.py outputs/mnist/gammvae/seed=0 [RUN...] [--neighbors 40]

The start is computed on the features after pretraining. The parts are measured on one graph: that
of the fewest neighbors and the first resolution, or of the given ones. The last row is the search
over neighbors and resolutions as in a run, without the time for the points. CPU seconds are those
of all threads together.

Takes 77 seconds for the 70,000 samples of MNIST with one thread. Needs finished runs with
pretrain.pt, of datasets with classes.
"""

import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from benchmark_starts import pretrained
from numpy.typing import NDArray
from reporting import Report, Row, command_line, report_options

from gammvae.config.sections import InitConfig
from gammvae.data.samples import subset
from gammvae.evaluation.metrics import clustering_metrics
from gammvae.initialization.graph import Graph, graph_of, merge, refine
from gammvae.initialization.manifold import (
    ManifoldStart,
    Search,
    best_and_stability,
    first_resolution,
    manifold_points,
)
from gammvae.initialization.neighbors import neighbors
from gammvae.initialization.starts import KMeansStarts
from gammvae.runs.directory import RunDirectory

COLUMNS = ("part", "seconds", "CPU seconds")
Answer = TypeVar("Answer")


def timed(name: str, part: Callable[[], Answer]) -> tuple[Answer, Row]:
    """The answer of a part, and its row in the table."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = part()
    seconds = time.perf_counter() - wall, time.process_time() - cpu
    return answer, [name, *(f"{value:.2f}" for value in seconds)]


def parts_of_graph(
    points: NDArray, graph: Graph, init: InitConfig, n_clusters: int, seed: int
) -> Iterator[Row]:
    """Yields the rows of what is computed on one graph of points ``(N, P)``."""
    starts, row = timed("groups", lambda: list(KMeansStarts(points, n_clusters, init.n_init, seed)))
    yield row
    names = [np.unique(start.groups, return_inverse=True)[1] for start in starts]
    merged, row = timed(
        "merging",
        lambda: [
            merge(graph, groups, n_clusters, relative=number % 2 == 1)
            for number, groups in enumerate(names)
        ],
    )
    yield row
    draws = [np.random.default_rng(start.seed) for start in starts]
    found, row = timed(
        "refinement",
        lambda: [
            refine(graph, labels, n_clusters, rng)
            for labels, rng in zip(merged, draws, strict=True)
        ],
    )
    yield row
    _, row = timed("consensus", lambda: best_and_stability(graph, found, n_clusters, seed))
    yield row


def measure(report: Report, path: Path, given: Namespace) -> None:
    """Adds the table of one run to the report, and the figures of its start."""
    directory = RunDirectory(path)
    work, classes = pretrained(directory)
    config, device = work.config, work.x.device
    chosen = subset(len(work.x), config.init.max_samples, config.seed)
    resolution = first_resolution(config.init, work.filled)
    starts: list[ManifoldStart] = []

    def rows() -> Iterator[Row]:
        points, row = timed(
            "points", lambda: manifold_points(work.model, work.x, chosen, config.seed)
        )
        yield row
        search = Search(points, config.init, config.n_clusters, config.seed, device)
        n_neighbors = given.neighbors or search.neighbors[0]
        nearest, row = timed("neighbors", lambda: neighbors(points, n_neighbors, device))
        yield row
        graph, row = timed("graph", lambda: graph_of(nearest, given.resolution or resolution))
        yield row
        yield from parts_of_graph(points, graph, config.init, config.n_clusters, config.seed)
        start, row = timed("whole search", lambda: search(resolution))
        yield row
        starts.append(start)

    result = directory.read_result()
    report.paragraph(
        f"**{result['dataset']}**, seed {result['seed']}: {len(chosen)} samples, "
        f"{config.n_clusters} clusters, {config.init.n_init} starts"
    )
    report.table(COLUMNS, rows())
    start = starts[0]
    accuracy = clustering_metrics(classes[chosen], start.labels)["acc"]
    report.paragraph(
        f"The search ends at {start.n_neighbors} neighbors and resolution {start.resolution:g}, "
        f"with modularity {start.modularity:.6f}, ACC {accuracy:.4f} and an ARI of "
        f"{start.stability:.3f} between the halves of the starts."
    )


def main() -> None:
    """Prints the tables."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("runs", nargs="+", type=Path, help="finished runs")
    parser.add_argument("--neighbors", type=int, help="neighbors per point of the one graph")
    parser.add_argument("--resolution", type=float, help="resolution of the one graph")
    arguments = parser.parse_args()
    report = Report(
        arguments,
        "Times of the parts of the start on the neighbor graph, measured once.",
        ["numpy", "scipy", "scikit-learn"],
    )
    for path in arguments.runs:
        measure(report, path, arguments)


if __name__ == "__main__":
    main()
