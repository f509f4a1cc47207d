"""``GammaMixture``: a mixture of Gamma distributions as a scikit-learn style estimator."""

import warnings
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from gammvae.mixture.arguments import check_values, check_whole
from gammvae.mixture.em import (
    MAX_CONCENTRATION,
    MIN_CONCENTRATION,
    Array,
    GammaFamily,
    MixtureFit,
    checked_labels,
    expectation_maximization,
    kmeans_labels,
)


class GammaMixture(DensityMixin, BaseEstimator):
    """A mixture of Gamma distributions with independent features, fitted by EM.

    Zeros, such as values below a detection limit, are no values of a Gamma variable. They are
    raised to the smallest positive training value of their feature, or to 1 if it has none, with a
    warning.

    Args:
        n_components: Number of components, ``K``.
        tol: EM stops when an iteration raises the mean log-likelihood by less than this, in nats.
        max_iter: Maximum number of EM iterations per start.
        n_init: Number of starts; the one with the highest likelihood is kept.
        init_params: ``"kmeans"``, ``"random"`` (random responsibilities), or labels ``(N,)`` in
            ``0 .. n_components - 1`` for a single start from these.
        max_concentration: Upper limit of the concentration, see ``GammaFamily``.
        random_state: Seed of the starts and of ``sample``.

    Attributes:
        weights_: Weights of the components, ``(K,)``.
        concentrations_: Concentrations of the components, ``(K, D)``.
        rates_: Rates of the components, ``(K, D)``.
        means_: Means of the components, ``(K, D)``.
        least_: Value to which zeros of every feature are raised, ``(D,)``.
        labels_: Cluster of every training sample, ``(N,)``.
        lower_bound_: Mean log-likelihood of the training data, in nats.
        lower_bounds_: Mean log-likelihood after every iteration of the best start, in nats.
        n_iter_: Number of iterations of the best start.
        converged_: Whether the best start stopped by ``tol``.
    """

    def __init__(
        self,
        n_components: int = 1,
        *,
        tol: float = 1e-4,
        max_iter: int = 200,
        n_init: int = 1,
        init_params: str | ArrayLike = "kmeans",
        max_concentration: float = 1e6,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.tol = tol
        self.max_iter = max_iter
        self.n_init = n_init
        self.init_params = init_params
        self.max_concentration = max_concentration
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: None = None) -> "GammaMixture":
        """Fits the mixture to ``X`` ``(N, D)``, whose entries must be positive.

        Raises:
            ValueError: ``X`` has an entry that is negative or not finite, or fewer samples than
                components, or a parameter is out of range.
        """
        X = self._validated(X, reset=True)
        self._check_parameters(len(X))
        self.least_ = np.where(X > 0, X, np.inf).min(0)
        self.least_[np.isinf(self.least_)] = 1.0  # of a feature that is always zero
        if zeros := int((X == 0).sum()):
            warnings.warn(
                f"X has {zeros} zeros, which are raised to the smallest positive value of their "
                "feature, or to 1 if it has none",
                stacklevel=2,
            )
        X = self._without_zeros(X)
        family = GammaFamily(self.max_concentration)
        statistics = family.statistics(X)
        best: list[MixtureFit] = []
        for start in self._starts(X):
            fits = list(
                expectation_maximization(
                    *(family, statistics, start, self.n_components),
                    max_iter=self.max_iter,
                    tol=self.tol,
                )
            )
            if not best or fits[-1].bound > best[-1].bound:
                best = fits
        fit = best[-1]
        self.weights_ = np.exp(fit.log_weights)
        self.concentrations_, self.rates_ = fit.parameters
        self.means_ = self.concentrations_ / self.rates_
        self.labels_ = fit.labels
        self.lower_bound_, self.lower_bounds_ = fit.bound, [f.bound for f in best]
        self.n_iter_, self.converged_ = fit.n_iter, fit.converged
        if not fit.converged:
            warnings.warn(
                f"EM did not converge in max_iter={self.max_iter} iterations: more, or a greater "
                "tol, let it",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

    def fit_predict(self, X: ArrayLike, y: None = None) -> NDArray[np.int64]:
        """Fits the mixture and returns ``labels_``."""
        return self.fit(X).labels_

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """The most probable component, ``(N,)``, of each row of ``X`` ``(N, D)``."""
        return self._log_joint(X).argmax(1)

    def predict_proba(self, X: ArrayLike) -> Array:
        """Responsibilities ``(N, K)`` for the rows of ``X`` ``(N, D)``."""
        log_joint = self._log_joint(X)
        return np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True))

    def score_samples(self, X: ArrayLike) -> Array:
        """Log density in nats, ``(N,)``, of each row of ``X`` ``(N, D)``."""
        return logsumexp(self._log_joint(X), axis=1)

    def score(self, X: ArrayLike, y: None = None) -> float:
        """Mean log density of ``X`` in nats per sample."""
        return float(self.score_samples(X).mean())

    def bic(self, X: ArrayLike) -> float:
        """Bayesian information criterion on ``X``; the lower the better."""
        log_density = self.score_samples(X)
        return float(self._n_parameters() * np.log(len(log_density)) - 2 * log_density.sum())

    def aic(self, X: ArrayLike) -> float:
        """Akaike information criterion on ``X``; the lower the better."""
        return float(2 * self._n_parameters() - 2 * self.score_samples(X).sum())

    def sample(self, n_samples: int = 1) -> tuple[Array, NDArray[np.int64]]:
        """Draws ``(n_samples, D)`` points and their components ``(n_samples,)``."""
        check_is_fitted(self)
        check_whole("n_samples", n_samples, least=1)
        random = check_random_state(self.random_state)
        labels = random.choice(self.n_components, size=n_samples, p=self.weights_)
        return random.gamma(self.concentrations_[labels], 1 / self.rates_[labels]), labels

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags

    def _n_parameters(self) -> int:
        return self.weights_.size - 1 + self.concentrations_.size + self.rates_.size

    def _log_joint(self, X: ArrayLike) -> Array:
        check_is_fitted(self)
        family = GammaFamily(self.max_concentration)
        X = self._without_zeros(self._validated(X, reset=False))
        statistics = family.statistics(X)
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights_)
        return log_weights + family.log_density(statistics, (self.concentrations_, self.rates_))

    def _validated(self, X: ArrayLike, *, reset: bool) -> Array:
        check_values(X)
        checked: Array = validate_data(self, X, dtype=np.float64, reset=reset)
        if (least := checked.min()) < 0:
            raise ValueError(
                f"Negative values in data passed to GammaMixture: X must be positive, got a "
                f"smallest value of {least}"
            )
        return checked

    def _without_zeros(self, X: Array) -> Array:
        return np.where(X == 0, self.least_, X)

    def _check_parameters(self, n_samples: int) -> None:
        for name in ("n_components", "max_iter", "n_init"):
            check_whole(name, getattr(self, name), least=1)
        if self.tol < 0:
            raise ValueError(f"tol must not be negative, got {self.tol}")
        if not MIN_CONCENTRATION < self.max_concentration <= MAX_CONCENTRATION:
            raise ValueError(
                f"max_concentration must be above {MIN_CONCENTRATION:g} and at most "
                f"{MAX_CONCENTRATION:g}, got {self.max_concentration}"
            )
        if n_samples < self.n_components:
            raise ValueError(
                f"n_components={self.n_components} must not exceed n_samples={n_samples}"
            )

    def _starts(self, X: Array) -> Iterator[NDArray]:
        if not isinstance(self.init_params, str):
            yield checked_labels(self.init_params, len(X), self.n_components)
            return
        if self.init_params not in ("kmeans", "random"):
            raise ValueError(
                f"init_params must be 'kmeans', 'random' or labels, got {self.init_params!r}"
            )
        random = check_random_state(self.random_state)
        for _ in range(self.n_init):
            if self.init_params == "kmeans":
                yield kmeans_labels(X, self.n_components, random.randint(2**31 - 1))
            else:
                yield random.dirichlet(np.ones(self.n_components), size=len(X))
