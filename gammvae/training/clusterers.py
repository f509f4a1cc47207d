"""Clusterers that are fitted once: k-means and Gaussian mixtures, on samples or on a code.

They are scikit-learn's, as anybody would use them. On a code they show what an autoencoder alone is
worth.

Letters: ``N`` samples, ``K`` clusters, ``F`` features of the points.
"""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from gammvae.config.schema import ModelConfig
from gammvae.data.warned import warned_once
from gammvae.errors import InputError
from gammvae.evaluation.assignments import Assignments

# Starts of which the best is kept, by inertia or likelihood.
STARTS = 10
# N2D's own settings.
UMAP_NEIGHBORS, UMAP_MIN_DIST = 20, 0.0
# Of the mean variance, added to all variances, as scikit-learn does for data of variance one.
REGULARIZATION = 1e-6


class Clusterer:
    """A map to other features, if there is one, and clusters in them.

    Args:
        config: Which: see ``conf/model/``.
        n_clusters: ``K``.
        seed: Of all that is random.

    References:
        Some methods for classification and analysis of multivariate observations (MacQueen, 1967)
        Maximum likelihood from incomplete data via the EM algorithm (Dempster et al., 1977)
        N2D: (not too) deep clustering via clustering the local manifold of an autoencoded embedding
        (McConville et al., 2020), https://arxiv.org/abs/1908.05968
    """

    def __init__(self, config: ModelConfig, n_clusters: int, seed: int) -> None:
        self.config, self.n_clusters, self.seed = config, n_clusters, seed
        self.map: Any = None
        self.clusters: Any = None
        if config.space == "umap":
            load_umap()  # refused before anything is trained

    def fit(self, points: NDArray) -> Assignments:
        """Fits both to points ``(N, F)``, and returns the clusters of these."""
        config, seed = self.config, self.seed
        if config.space == "umap":
            self.map = load_umap()(
                n_neighbors=UMAP_NEIGHBORS,
                n_components=self.n_clusters,
                min_dist=UMAP_MIN_DIST,
                random_state=seed,
                n_jobs=1,
            )
        elif config.components is not None and config.components < points.shape[1]:
            # N samples span N - 1 dimensions.
            components = max(1, min(config.components, len(points) - 1))
            self.map = PCA(components, random_state=seed)
        if self.map is not None:
            points = self.map.fit_transform(points)
        if config.clusterer == "gmm":
            points = points.astype(np.float64)  # covariances of narrow components need it
        if config.clusterer == "kmeans":
            self.clusters = KMeans(self.n_clusters, n_init=STARTS, random_state=seed)
        else:
            self.clusters = GaussianMixture(
                self.n_clusters,
                covariance_type=config.covariance,
                n_init=STARTS,
                random_state=seed,
                reg_covar=REGULARIZATION * float(points.var(0).mean()),
            )
        with warned_once(config.name):
            self.clusters.fit(points)
        return self._assign(points)

    def assign(self, points: NDArray) -> Assignments:
        """Clusters ``(B,)`` of points ``(B, F)``; those of k-means are certain.

        The embedding is what the clusters are found in; of k-means on samples, whose features may
        be many, the distances to all centers.
        """
        return self._assign(points if self.map is None else self.map.transform(points))

    def _assign(self, points: NDArray) -> Assignments:
        if self.config.clusterer == "kmeans":
            labels = self.clusters.predict(points)
            responsibilities = np.eye(self.n_clusters)[labels]
        else:
            responsibilities = self.clusters.predict_proba(points.astype(np.float64))
            labels = responsibilities.argmax(1)
        if self.config.clusterer == "kmeans" and self.config.space == "samples":
            points = self.clusters.transform(points)
        single = np.float32
        return Assignments(
            labels.astype(np.int64), responsibilities.astype(single), points.astype(single)
        )


def load_umap() -> Any:  # noqa: ANN401 - the class, of a package that need not be there
    """The class ``UMAP``.

    Raises:
        InputError: It is not installed.
    """
    try:
        return importlib.import_module("umap").UMAP
    except ImportError as error:
        raise InputError(
            "model.space=umap needs the package umap-learn: pip install 'gammvae[umap]'"
        ) from error
