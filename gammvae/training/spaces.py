"""The space of a clusterer: samples or embeddings, possibly mapped to fewer dimensions.

Notation: ``N`` samples, ``F`` features, ``C`` components.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from gammvae.config.schema import Config
from gammvae.errors import InputError

# Values of model.space that are a UMAP projection, and N2D's own settings of it.
PROJECTED = ("umap", "samples_umap")
UMAP_NEIGHBORS, UMAP_MIN_DIST = 20, 0.0
# UMAP is far slower than all else in a run of many samples.
UMAP_SAMPLES = 100_000


class Space:
    """A map to fewer dimensions by UMAP or PCA; the identity if none is configured.

    Args:
        config: Configuration of the run, with ``model.space`` and ``model.components``.

    Raises:
        InputError: The package that the map needs is not installed.

    References:
        N2D: (not too) deep clustering via clustering the local manifold of an autoencoded embedding
        (McConville et al., 2020), https://arxiv.org/abs/1908.05968
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.map: Any = None
        if config.model.space in PROJECTED:
            load_umap(config.model.space)  # fails before anything is trained

    @property
    def max_samples(self) -> int:
        """Largest number of samples to which the map is fitted."""
        most = self.config.init.max_samples
        return min(most, UMAP_SAMPLES) if self.config.model.space in PROJECTED else most

    def fit(self, points: NDArray) -> NDArray:
        """Fits the map to points ``(N, F)``, and returns the mapped points ``(N, C)``."""
        model, seed = self.config.model, self.config.seed
        if model.space in PROJECTED:
            components = self.config.n_clusters
            self.map = load_umap(model.space)(
                n_neighbors=UMAP_NEIGHBORS,
                n_components=components,
                # its usual start needs more samples than eigenvectors
                init="spectral" if len(points) > components + 1 else "random",
                min_dist=UMAP_MIN_DIST,
                random_state=seed,
                n_jobs=1,
            )
        elif model.components is not None and model.components < points.shape[1]:
            # N samples span N - 1 dimensions.
            components = max(1, min(model.components, len(points) - 1))
            self.map = PCA(components, random_state=seed)
        with same_threads():
            return points if self.map is None else self.map.fit_transform(points)

    def __call__(self, points: NDArray) -> NDArray:
        """Maps other points ``(B, F)`` into the fitted space, ``(B, C)``."""
        with same_threads():
            return points if self.map is None else self.map.transform(points)


@contextmanager
def same_threads() -> Iterator[None]:
    """Leaves the number of torch's threads as it was; UMAP sets that of the OpenMP they share."""
    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def load_umap(space: str) -> Any:  # noqa: ANN401 - the class, of a package that need not be there
    """Imports the class ``UMAP``.

    Args:
        space: The setting ``model.space`` that needs it, for the message.

    Raises:
        InputError: The package umap-learn is not installed.
    """
    try:
        return importlib.import_module("umap").UMAP
    except ImportError as error:
        raise InputError(
            f"model.space={space} needs the package umap-learn: pip install 'gammvae[umap]'"
        ) from error
