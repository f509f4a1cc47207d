"""Compares ways to choose the number of clusters with the number of classes.

    python scripts/benchmark_number.py RUN [MORE_RUNS...] [--output FILE.md]

Every way chooses among 2 to 30 clusters (fewer if there are under 300 samples) of the same
autoencoder, that of a finished run, on at most 10,000 samples:

* the program's own choice (n_clusters=auto): stable clusters;
* on the same partitions of the neighbor graph: the highest agreement of subsamples (ARI), the
  highest modularity, the best predictability from the samples;
* on the posterior means: the highest silhouette of k-means, the gap statistic of k-means (ten
  uniform samples in the box of the principal components), the lowest BIC of a Gaussian mixture with
  full covariances, and the lowest BIC of the Gamma mixture that a run would start from.

Classes are read for their number, which is compared with the choices, and for the ARI of the chosen
partition. The last lines count how often each way finds it.

Takes two to five minutes per run with one thread. Needs finished runs with pretrain.pt, of datasets
with classes.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from benchmark_starts import pretrained
from numpy.typing import NDArray
from reporting import Report, Row, command_line, report_options
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from gammvae.config.candidates import AUTO, candidates
from gammvae.data.samples import subset
from gammvae.evaluation.assignments import SILHOUETTE_SAMPLES, silhouette
from gammvae.evaluation.predictability import predictability
from gammvae.initialization.manifold import first_resolution, manifold_points
from gammvae.initialization.number import SAMPLES, STARTS, Sampled, curve, verdict
from gammvae.initialization.prior import expected_statistics, posteriors
from gammvae.mixture.em import expectation_maximization, kmeans_labels
from gammvae.runs.directory import RunDirectory
from gammvae.training.workspace import Workspace

SEED = 0
REFERENCES, KMEANS_STARTS = 10, 3
GMM_FLOOR, EM_ITERATIONS, EM_TOL = 1e-4, 100, 1e-3
WAYS = (
    *("stable clusters", "agreement", "modularity", "predictability"),
    *("silhouette", "gap", "BIC, Gaussian", "BIC, Gamma"),
)
COLUMNS = ("dataset", "samples", "classes", *WAYS, "weakest", "ARI, chosen", "ARI, classes")


class Choices(NamedTuple):
    """The number of clusters that each way chooses, and the partitions of the neighbor graph.

    Attributes:
        by_way: Numbers by the name of the way.
        weakest: Recovery of the weakest cluster of the program's own choice.
        supported: Whether all of its clusters are stable.
        labels: Partitions ``(N,)`` by their number of clusters.
    """

    by_way: dict[str, int]
    weakest: float
    supported: bool
    labels: dict[int, NDArray[np.int64]]


def choices(work: Workspace, index: NDArray[np.int64]) -> Choices:
    """What all ways choose for some samples of a pretrained run.

    Args:
        work: The run.
        index: Indices of the samples.
    """
    tried = candidates(AUTO, len(index))
    points = manifold_points(work.model, work.x, index, SEED)
    resolution = first_resolution(work.config.init, work.filled)
    found = list(curve(points, tried, resolution, SEED))
    own = verdict(found)
    whole = Sampled(points, resolution, STARTS, max(tried), SEED, work.device)
    labels = {k: whole.partition(k).labels for k in tried}
    x = work.x[torch.from_numpy(index).to(work.device)]
    predicted = {k: predictability(x, labels[k], k) for k in tried}
    chosen = {
        "stable clusters": own.n_clusters,
        "agreement": best(tried, [one.agreement for one in found]),
        "modularity": best(tried, [one.modularity for one in found]),
        "predictability": best(tried, list(predicted.values())),
        **on_the_code(work, index, tried),
    }
    mine = next(one for one in found if one.n_clusters == own.n_clusters)
    return Choices(chosen, mine.weakest, own.supported, labels)


def best(tried: Sequence[int], values: Sequence[float]) -> int:
    """The number with the highest value, the smallest of equal ones."""
    return tried[int(np.argmax(values))]


def on_the_code(work: Workspace, index: NDArray[np.int64], tried: Sequence[int]) -> dict[str, int]:
    """What is chosen on the posterior means of some samples."""
    model, at = work.model, torch.from_numpy(index).to(work.device)
    model.prior.latents.standardize(posteriors(model, work.x, at).base_dist.loc)
    q_z = posteriors(model, work.x, at)
    code = q_z.mean.cpu().double().numpy()
    family, statistics = expected_statistics(q_z)
    shown = subset(len(code), SILHOUETTE_SAMPLES, SEED)
    kmeans = {k: KMeans(k, n_init=KMEANS_STARTS, random_state=SEED).fit(code) for k in tried}
    starts = {k: kmeans_labels(code, k, SEED) for k in tried}

    def bic(k: int) -> float:
        """Twice the bound, which the variational mixture has for a likelihood, and the penalty."""
        *_, fit = expectation_maximization(
            family, statistics, starts[k], k, max_iter=EM_ITERATIONS, tol=EM_TOL
        )
        parameters = k - 1 + k * statistics.shape[1]
        return float(parameters * np.log(len(code)) - 2 * len(code) * fit.bound)

    return {
        "silhouette": best(
            tried, [silhouette(code[shown], kmeans[k].labels_[shown]) or -1.0 for k in tried]
        ),
        "gap": gap(code, {k: np.log(one.inertia_) for k, one in kmeans.items()}),
        "BIC, Gaussian": best(tried, [-gaussian_bic(code, k) for k in tried]),
        "BIC, Gamma": best(tried, [-bic(k) for k in tried]),
    }


def gaussian_bic(code: NDArray, k: int) -> float:
    """BIC of a Gaussian mixture with full covariances."""
    floor = GMM_FLOOR * code.var()
    return float(GaussianMixture(k, random_state=SEED, reg_covar=floor).fit(code).bic(code))


def gap(code: NDArray, observed: dict[int, float]) -> int:
    """The smallest number whose gap is at least that of the next, less one standard error.

    References:
        Estimating the number of clusters in a data set via the gap statistic (Tibshirani, Walther
        and Hastie, 2001), section 3, with the references in the box of the principal components

    Args:
        code: Points ``(N, D)``.
        observed: Logarithm of the within-cluster sum of squares by number of clusters.
    """
    rng = np.random.default_rng(SEED)
    rotated = PCA().fit_transform(code)
    low, high = rotated.min(0), rotated.max(0)
    uniform = [rng.uniform(low, high, rotated.shape) for _ in range(REFERENCES)]
    expected = {
        k: [np.log(KMeans(k, n_init=1, random_state=SEED).fit(one).inertia_) for one in uniform]
        for k in observed
    }
    gaps = {k: np.mean(expected[k]) - value for k, value in observed.items()}
    error = {k: np.std(values) * (1 + 1 / REFERENCES) ** 0.5 for k, values in expected.items()}
    ks = list(observed)
    enough = [
        k for k, after in zip(ks, ks[1:], strict=False) if gaps[k] >= gaps[after] - error[after]
    ]
    return enough[0] if enough else ks[-1]


def rows(paths: Sequence[Path], keep: Callable[[dict[str, int]], None]) -> Iterator[Row]:
    """Yields a row for every run.

    Args:
        paths: Folders of finished runs.
        keep: Receives the error of every way.
    """
    for path in paths:
        work, classes = pretrained(RunDirectory(path))
        index = subset(len(work.x), SAMPLES, SEED)
        true, found = len(np.unique(classes)), choices(work, index)
        keep({way: k - true for way, k in found.by_way.items()})
        own = found.by_way["stable clusters"]
        scores = [
            f"{adjusted_rand_score(classes[index], found.labels[k]):.3f}"
            if k in found.labels
            else "-"
            for k in (own, true)
        ]
        mark = "" if found.supported else " *"
        name = work.config.dataset.name
        if work.config.dataset.path is not None:
            name = Path(work.config.dataset.path).stem
        numbers = [str(found.by_way[way]) for way in WAYS]
        numbers[0] += mark
        yield [name, f"{len(index):,}", str(true), *numbers, f"{found.weakest:.3f}", *scores]


def main() -> None:
    """Prints the table and the counts."""
    parser = command_line(__doc__, report_options())
    parser.add_argument("runs", nargs="+", type=Path, help="finished runs with pretrain.pt")
    arguments = parser.parse_args()
    report = Report(arguments, f"The number of clusters that each way chooses, seed {SEED}.")
    errors: list[dict[str, int]] = []
    report.table(COLUMNS, rows(arguments.runs, errors.append))
    report.paragraph(
        "\\* a cluster is unstable for every number: the program says that the data support none."
    )
    counted = [
        [
            way,
            *(str(sum(abs(one[way]) <= far for one in errors)) for far in (0, 1)),
            f"{np.mean([abs(one[way]) for one in errors]):.1f}",
        ]
        for way in WAYS
    ]
    report.paragraph(f"Of {len(errors)} datasets:")
    report.table(["way", "exact", "within one", "mean error"], counted)


if __name__ == "__main__":
    main()
