"""The methods that need no deep clustering, on the samples and the autoencoder of a finished run.

    python scripts/baselines.py NAME FINISHED_RUN FOLDER

k-means is scikit-learn's with ten starts, on the samples or on an autoencoder's embeddings; the
Gaussian mixture has full covariances and works on principal components.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from gammvae.checkpoints import load_checkpoint
from gammvae.experiment import Experiment
from gammvae.initialization import posteriors
from gammvae.metrics import clustering_metrics
from gammvae.runs import ASSIGNMENTS, RESULT, RunDirectory

STARTS, COMPONENTS = 10, 50


def kmeans(experiment: Experiment) -> NDArray[np.int64]:
    """K-means on the samples."""
    return kmeans_of(samples(experiment), experiment)


def pca_gmm(experiment: Experiment) -> NDArray[np.int64]:
    """Gaussian mixture with full covariances on up to fifty principal components."""
    x, seed = samples(experiment), experiment.config.seed
    reduced = PCA(min(COMPONENTS, *x.shape), random_state=seed).fit_transform(x)
    gmm = GaussianMixture(experiment.config.n_clusters, n_init=STARTS, random_state=seed)
    return gmm.fit_predict(reduced / reduced.std())  # reg_covar is in units of the data


def ae_kmeans(experiment: Experiment) -> NDArray[np.int64]:
    """K-means on the embeddings of the autoencoder that the run was pretrained to."""
    return kmeans_of(embedding(experiment), experiment)


BASELINES: dict[str, Callable[[Experiment], NDArray[np.int64]]] = {
    "k-means": kmeans,
    "PCA + GMM": pca_gmm,
    "AE + k-means": ae_kmeans,
}


def kmeans_of(points: NDArray, experiment: Experiment) -> NDArray[np.int64]:
    """The best of ten k-means runs by their inertia."""
    config = experiment.config
    model = KMeans(config.n_clusters, n_init=STARTS, random_state=config.seed)
    return model.fit_predict(points).astype(np.int64)


def embedding(experiment: Experiment) -> NDArray:
    """Means of the posteriors of all samples, ``(N, D)``."""
    index = torch.arange(len(experiment.x), device=experiment.device)
    return posteriors(experiment.model, experiment.x, index).mean.cpu().numpy()


def pretrained(directory: RunDirectory) -> tuple[Experiment, NDArray]:
    """A finished run as it was after its first stage, and the classes of its samples.

    Raises:
        FileNotFoundError: Its weights of then are missing.
        ValueError: Its dataset has no classes to judge by.
    """
    experiment = Experiment(directory.read_config(), directory)
    if experiment.classes is None:
        raise ValueError(f"{directory.path}: its dataset has no classes to judge by")
    model, digest = experiment.model, experiment.digest
    if load_checkpoint(directory, "pretrain", model, None, digest) is None:
        raise FileNotFoundError(f"{directory / 'pretrain.pt'} is missing")
    return experiment, experiment.classes


def samples(experiment: Experiment) -> NDArray:
    """All samples ``(N, F)``."""
    return experiment.x[torch.arange(len(experiment.x), device=experiment.device)].cpu().numpy()


def run_baseline(name: str, trained: Path, path: Path) -> None:
    """Writes labels and figures of a baseline.

    Args:
        name: A key of ``BASELINES``.
        trained: A finished run, whose data, seed and autoencoder it uses.
        path: Where ``assignments.npz`` and ``result.json`` are written.
    """
    directory = RunDirectory(trained)
    experiment, classes = pretrained(directory)
    began = time.perf_counter()
    labels = BASELINES[name](experiment)
    seconds = {"fit": time.perf_counter() - began}
    if name.startswith("AE"):
        seconds["pretrain"] = directory.read_result()["seconds"]["pretrain"]
    path.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path / ASSIGNMENTS, labels=labels)
    result = {
        "seed": experiment.config.seed,
        "dataset_notes": list(experiment.notes),
        "metrics": clustering_metrics(classes, labels),
        "seconds": seconds,
    }
    (path / RESULT).write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    run_baseline(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
