"""``GammMVAE``: the methods of ``gammvae train`` as a scikit-learn estimator.

Notation: ``N`` samples, ``F`` features, ``K`` clusters, ``D`` latent features.
"""

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    ClusterMixin,
    TransformerMixin,
)
from sklearn.utils import ClassifierTags, Tags, check_array, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from gammvae.config.composition import search_path
from gammvae.config.ranges import MOST_SEED
from gammvae.estimators.attributes import attributes_of
from gammvae.estimators.fitted import FittedRun, TemporaryFolder
from gammvae.estimators.fitting import fit_run
from gammvae.estimators.generating import decoded, drawn
from gammvae.estimators.samples import Matrix, check_rows, write_samples
from gammvae.estimators.settings import check_name, deviating, overrides, parameter
from gammvae.evaluation.assignments import Assignments
from gammvae.evaluation.single import elbo_of_each
from gammvae.runs.trained import Trained

OWN = ("n_clusters", "random_state", "device", "verbose", "model", "config_dir")


class GammMVAE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """Deep clustering, with the results of ``gammvae train`` for the same data and settings.

    Every setting of ``gammvae train`` that is not about files is a parameter, with two underscores
    for a dot: ``GammMVAE(10, train__updates=2000, init="kmeans")``. They can be set and searched
    like scikit-learn's parameters of parts, as in ``set_params(train__updates=500)``. Those that
    are not given have the defaults of ``gammvae train dataset=file``.

    ``model`` names a method: ``"gammvae"``, ``"vade"``, ``"dec"``, ``"kmeans"`` or another of
    ``gammvae train``. Only ``"gammvae"`` and ``"vade"`` have a mixture, from which
    ``score_samples``, ``score``, ``inverse_transform`` and ``sample`` follow.

    An interrupt, as by Ctrl-C, during joint training ends ``fit`` with a warning and leaves the
    model of the last checkpoint, which is a few seconds old.

    Args:
        n_clusters: Number of clusters, ``K``; ``"auto"``, or a text such as ``"range(2,16)"``, has
            the data choose it.
        random_state: Seed of the run, and of ``sample``; ``None`` draws one.
        device: Where to compute: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"`` or ``"mps"``.
        verbose: Whether ``fit`` shows progress bars and the log.
        model: The method.
        config_dir: Folder with YAML files of your own, whose names can then be used as ``model``,
            ``architecture``, ``augmentation`` and so on.
        settings: Settings of ``gammvae train`` by name.

    Attributes:
        n_clusters_: ``K``.
        choice_: How the data have chosen ``K``, as in ``clusters.json``; ``None`` if it was given.
        labels_: Cluster of every training sample, ``(N,)``.
        cluster_sizes_: Number of training samples in every cluster, ``(K,)``.
        elbo_: Mean ELBO of the training samples in nats, as the run reports it; ``None`` if the
            method has no bound.
        history_: Figures of every epoch, as in ``metrics.jsonl``.
        result_: Figures of the run, as in ``result.json``.
        weights_: Weights of the components, ``(K,)``; this and the next two only with a mixture.
        means_: Means of the components, ``(K, D)``.
        cluster_centers_: Decoded means of the components, ``(K, F)``, in the units of the data.
        n_features_in_: ``F``.
        feature_names_in_: Names of the features ``(F,)``, if ``X`` has names.
    """

    def __init__(
        self,
        n_clusters: int | str = 8,
        *,
        random_state: int | np.random.RandomState | None = 0,
        device: str = "auto",
        verbose: bool = False,
        model: str = "gammvae",
        config_dir: str | Path | None = None,
        **settings: Any,  # noqa: ANN401 - of the types of the settings
    ) -> None:
        self.n_clusters = n_clusters
        self.random_state = random_state
        self.device = device
        self.verbose = verbose
        self.model = model
        self.config_dir = config_dir
        self._settings = {parameter(name): value for name, value in settings.items()}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters of the constructor and all settings that were given."""
        return {name: getattr(self, name) for name in OWN} | self._settings

    def set_params(self, **params: Any) -> Self:  # noqa: ANN401 - of the types of the settings
        """Sets parameters of the constructor or settings; ``fit`` refuses unknown ones."""
        for name, value in params.items():
            if name in OWN:
                setattr(self, name, value)
            else:
                self._settings = self._settings | {parameter(name): value}
        return self

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Trains on ``X`` ``(N, F)``: an array, a data frame or a sparse matrix.

        If it fails, the estimator stays as it was.

        Args:
            X: The samples.
            y: Not used.

        Raises:
            InputError: A setting or the data are invalid.
            DivergenceError: Training became non-finite.
            KeyboardInterrupt: It came before joint training.
        """
        before = self.__dict__.copy()
        try:
            return self._fit(X)
        except BaseException:  # an interrupt as well
            self.__dict__ = before
            raise

    def _fit(self, X: ArrayLike) -> Self:
        settings = self._words()
        x = self._validated(X, reset=True)
        folder = TemporaryFolder()
        names = getattr(self, "feature_names_in_", None)
        words = [*write_samples(x, names, folder.path), *settings]
        run = fit_run(words, folder, verbose=self.verbose)
        for file in folder.path.glob("samples.*"):
            file.unlink()
        return self._keep(run)

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """The cluster ``(N,)`` of each row of ``X`` ``(N, F)``."""
        return self._assigned(X).labels

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """``q(c|x)`` ``(N, K)`` for the rows of ``X`` ``(N, F)``; 0 and 1 if the method is hard."""
        return self._assigned(X).responsibilities

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """The embedding ``(N, D)`` of ``X`` ``(N, F)``: the means of ``q(z|x)``."""
        return self._assigned(X).embedding

    def inverse_transform(self, X: ArrayLike) -> NDArray:
        """Decodes embeddings ``(N, D)`` to means of ``p(x|z)`` ``(N, F)``, in the data's units.

        Where preprocessing cannot be inverted, they are as the model sees samples.

        Raises:
            InputError: The method has no mixture.
        """
        trained = self._trained()
        return decoded(trained, check_array(X, dtype=np.float32))

    def score_samples(self, X: ArrayLike) -> NDArray[np.float32]:
        """The ELBO ``(N,)`` of each row of ``X`` ``(N, F)``, in nats.

        All rows share the draws of ``z``, so a row's value does not depend on the others.

        Raises:
            InputError: The method has no mixture.
        """
        trained, x = self._trained(), self._validated(X, reset=False)
        samples = self._run.samples(x, self.device)
        return np.concatenate([*elbo_of_each(trained.model, samples, trained.config.seed)])

    def score(self, X: ArrayLike, y: object = None) -> float:
        """The mean of ``score_samples``; ``y`` is not used."""
        return float(self.score_samples(X).mean(dtype=np.float64))

    def sample(
        self,
        n_samples: int = 1,
        *,
        cluster: int | None = None,
        min_posterior: float = 0.0,
        temperature: float = 1.0,
    ) -> tuple[NDArray, NDArray[np.int64]]:
        """Draws samples ``(n, F)`` in the units of the data, and their clusters ``(n,)``.

        With a ``cluster``, they are those of ``gammvae sample`` with the seed of the run.

        Args:
            n_samples: ``n``.
            cluster: The component to draw from; ``None`` draws components by their weights.
            min_posterior: Posterior of the component that a draw of ``z`` must exceed.
            temperature: Factor on the variance of every latent feature.

        Raises:
            InputError: The method has no mixture, an argument is out of range, or too few draws
                exceed ``min_posterior``.
        """
        trained, seed = self._trained(), self.random_state
        return drawn(trained, n_samples, cluster, min_posterior, temperature, seed)

    def save(self, path: str | Path) -> None:
        """Writes the run to a new folder, as ``gammvae train`` does.

        Raises:
            InputError: The folder holds something, or ``fit`` was interrupted.
        """
        check_is_fitted(self)
        self._run.save(path)

    @classmethod
    def load(
        cls, path: str | Path, *, device: str = "auto", config_dir: str | Path | None = None
    ) -> Self:
        """Reads a finished run of ``gammvae train`` or of ``save``.

        The parameters are those with which ``fit`` repeats the run on the same samples.

        Args:
            path: Folder of the run.
            device: Where to compute.
            config_dir: Folder with YAML files of your own. A run that names code of yours, such as
                an architecture, is refused unless a file in it names the same.

        Raises:
            InputError: The folder holds no finished run, is damaged, or names other code.
        """
        run = FittedRun.copied(path, config_dir)
        config, facts = run.config, run.facts
        loaded = cls(
            config.n_clusters,
            random_state=config.seed,
            device=device,
            model=config.model.name,
            config_dir=config_dir,
        )
        loaded.set_params(**deviating(config, loaded._words(), config_dir))
        if len(facts.shape) > 1:
            loaded.set_params(dataset__shape=list(facts.shape))
        loaded.n_features_in_ = run.result["features"]
        if facts.names:
            loaded.feature_names_in_ = np.array(facts.names, dtype=object)
        return loaded._keep(run)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_run")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = []
        # scikit-learn's checks with sparse samples read them of all that have predict_proba
        tags.classifier_tags = ClassifierTags()
        return tags

    def _words(self) -> list[str]:
        for name in self._settings:
            check_name(name)
        seed = self.random_state
        if not isinstance(seed, int | np.integer):
            seed = check_random_state(seed).randint(MOST_SEED)
        own = {name: getattr(self, name) for name in ("model", "n_clusters", "device")}
        words = overrides(own | {"seed": seed, "report": False} | self._settings)
        return [*search_path(self.config_dir), *words]

    def _validated(self, X: ArrayLike, *, reset: bool) -> Matrix:
        check_rows(X)
        least = 2 if reset else 1
        return validate_data(
            *(self, X),
            reset=reset,
            accept_sparse="csr",
            dtype=[np.float64, np.float32],
            ensure_min_samples=least,
            ensure_min_features=least,
        )

    def _keep(self, run: FittedRun) -> Self:
        self._run = run
        self.__dict__.update(attributes_of(run, self.device))
        return self

    def _trained(self) -> Trained:
        check_is_fitted(self)
        return self._run.trained(self.device)

    def _assigned(self, X: ArrayLike) -> Assignments:
        check_is_fitted(self)
        parts = self._run.assigned(self._validated(X, reset=False), self.device)
        return Assignments(*map(np.concatenate, zip(*parts, strict=True)))
