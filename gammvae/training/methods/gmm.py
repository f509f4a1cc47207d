"""scikit-learn's Gaussian mixture, on samples or on the embeddings of an autoencoder.

References:
    Maximum likelihood from incomplete data via the EM algorithm (Dempster et al., 1977)

Notation: ``N`` samples, ``B`` samples of a batch, ``K`` clusters, ``C`` features of the points.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from gammvae.config.schema import Config
from gammvae.errors import InputError
from gammvae.evaluation.assignments import Assignments
from gammvae.training.fitted_once import STARTS, FittedOnce
from gammvae.training.workspace import Workspace

OPTIONS = ("space", "covariance", "components", "starts")
# Share of the mean variance that is added to all variances; scikit-learn's default adds the same to
# data of unit variance.
REGULARIZATION = 1e-6


class GaussianClusterer:
    """Components of a Gaussian mixture as clusters.

    Args:
        config: Configuration of the run, with ``n_clusters``, ``seed`` and ``model.covariance``.

    Raises:
        InputError: ``model.covariance`` is not set.
    """

    def __init__(self, config: Config) -> None:
        self.mixture = GaussianMixture(
            config.n_clusters,
            covariance_type=config.model.covariance,
            n_init=config.model.starts or STARTS,
            random_state=config.seed,
        )
        if config.model.covariance is None:
            raise InputError(
                "model.covariance=null does not go with model.method=gmm: it must be full or diag"
            )

    def fit(self, points: NDArray) -> Assignments:
        """Fits the mixture to points ``(N, C)``."""
        points = points.astype(np.float64)  # covariances of narrow components need the digits
        variance = float(points.var(0).mean())
        self.mixture.set_params(reg_covar=REGULARIZATION * variance).fit(points)
        return self.assign(points)

    def assign(self, points: NDArray) -> Assignments:
        """Assigns points ``(B, C)``; the points themselves are the embedding."""
        responsibilities = self.mixture.predict_proba(points.astype(np.float64))
        labels = responsibilities.argmax(1)
        single = np.float32
        return Assignments(labels, responsibilities.astype(single), points.astype(single))


def method(work: Workspace) -> FittedOnce:
    """A Gaussian mixture that is fitted afterwards, instead of jointly with the networks."""
    return FittedOnce(work, GaussianClusterer(work.config))
