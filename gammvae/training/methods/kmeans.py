"""scikit-learn's k-means, on samples or on the embeddings of an autoencoder.

References:
    Some methods for classification and analysis of multivariate observations (MacQueen, 1967)

Notation: ``N`` samples, ``B`` samples of a batch, ``K`` clusters, ``C`` features of the points.
"""

from numpy.typing import NDArray
from sklearn.cluster import KMeans

from gammvae.config.schema import Config
from gammvae.evaluation.assignments import Assignments
from gammvae.training.fitted_once import STARTS, FittedOnce, certain
from gammvae.training.workspace import Workspace

OPTIONS = ("space", "components", "starts")


class KMeansClusterer:
    """The clusters of k-means, as hard assignments.

    Args:
        config: Configuration of the run, with ``n_clusters``, ``seed`` and ``model.space``.
    """

    def __init__(self, config: Config) -> None:
        self.on_samples = config.model.space == "samples"
        self.kmeans = KMeans(
            config.n_clusters, n_init=config.model.starts or STARTS, random_state=config.seed
        )

    def fit(self, points: NDArray) -> Assignments:
        """Fits the centers to points ``(N, C)``."""
        self.kmeans.fit(points)
        return self.assign(points)

    def assign(self, points: NDArray) -> Assignments:
        """Assigns points ``(B, C)``.

        The points themselves are the embedding. If they are samples, which may have many features,
        the embedding is their distances to all centers.
        """
        labels = self.kmeans.predict(points)
        embedding = self.kmeans.transform(points) if self.on_samples else points
        return certain(labels, self.kmeans.n_clusters, embedding)


def method(work: Workspace) -> FittedOnce:
    """k-means instead of a mixture."""
    return FittedOnce(work, KMeansClusterer(work.config))
