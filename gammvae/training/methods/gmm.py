"""scikit-learn's Gaussian mixture, on samples or on the code of an autoencoder.

References:
    Maximum likelihood from incomplete data via the EM algorithm (Dempster et al., 1977)

Letters: ``N`` samples, ``B`` of them, ``K`` clusters, ``C`` features of the points.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from gammvae.config.schema import Config
from gammvae.errors import InputError
from gammvae.evaluation.assignments import Assignments
from gammvae.training.fitting import STARTS, FittedOnce
from gammvae.training.workspace import Workspace

OPTIONS = ("space", "covariance", "components")
# Of the mean variance, added to all variances, as scikit-learn does for data of variance one.
REGULARIZATION = 1e-6


class GaussianClusterer:
    """Components of a Gaussian mixture as clusters.

    Args:
        config: Number of clusters, seed and kind of covariances.

    Raises:
        InputError: The kind of covariances is not given.
    """

    def __init__(self, config: Config) -> None:
        self.mixture = GaussianMixture(
            config.n_clusters,
            covariance_type=config.model.covariance,
            n_init=STARTS,
            random_state=config.seed,
        )
        if config.model.covariance is None:
            raise InputError(
                "model.covariance=null does not go with model.method=gmm: it must be full or diag"
            )

    def fit(self, points: NDArray) -> None:
        """Fits the mixture to points ``(N, C)``."""
        points = points.astype(np.float64)  # covariances of narrow components need it
        variance = float(points.var(0).mean())
        self.mixture.set_params(reg_covar=REGULARIZATION * variance).fit(points)

    def assign(self, points: NDArray) -> Assignments:
        """Clusters of points ``(B, C)``, which are the embedding themselves."""
        responsibilities = self.mixture.predict_proba(points.astype(np.float64))
        labels = responsibilities.argmax(1)
        single = np.float32
        return Assignments(labels, responsibilities.astype(single), points.astype(single))


def method(work: Workspace) -> FittedOnce:
    """A Gaussian mixture that is fitted afterwards, in place of one that is trained along."""
    return FittedOnce(work, GaussianClusterer(work.config))
