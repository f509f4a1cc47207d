"""Realism of generated samples, measured by a classifier, nearest neighbors and likelihood.

Classes may be used here. They train the classifier ("judge"), never the model that is judged.

Notation: ``n`` samples, ``F`` features of the data, ``H`` features of the judge, ``S`` draws of z
per sample.
"""

import logging
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import sem
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPClassifier

from gammvae.data.samples import Samples, on_host, subset
from gammvae.errors import InputError
from gammvae.evaluation.generation import MIN_POSTERIOR, draw, sample_exactly
from gammvae.evaluation.metrics import match
from gammvae.model.vae import MixtureVAE

log = logging.getLogger(__name__)

# Numbers of real samples that train the judge, of samples compared by neighbors (both real and
# generated), of samples whose likelihood is estimated, and of draws of z for each of these.
JUDGED_BY, COMPARED, ESTIMATED, DRAWS = 30_000, 2000, 500, 100
# Number of training samples in which nearest neighbors are searched.
SEARCHED = 100_000
# The radius of a ball is the distance to this nearest neighbor. Minimum of samples per cluster.
NEIGHBORS, FEWEST = 3, 50


class Judge:
    """A small supervised classifier, and the features it has learned.

    Args:
        x: Real samples ``(n, F)``.
        y: Their classes ``(n,)``.
        seed: Seed of its weights and of the split into training and test samples.
    """

    def __init__(self, x: NDArray, y: NDArray, seed: int) -> None:
        self.center, self.scale = x.mean(0), float(x.std()) or 1.0
        parts = train_test_split(x, y, test_size=0.1, random_state=seed)
        self.network = MLPClassifier((256,), max_iter=20, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # full convergence is not needed
            self.network.fit(self._units(parts[0]), parts[2])
        self.accuracy = float((self.predict(parts[1]) == parts[3]).mean())

    def _units(self, x: NDArray) -> NDArray:
        return (x - self.center) / self.scale

    def predict(self, x: NDArray) -> NDArray:
        """Classes ``(n,)`` of samples ``(n, F)``."""
        return self.network.predict(self._units(x))

    def features(self, x: NDArray) -> NDArray:
        """Activations of its hidden layer, ``(n, H)``."""
        return np.maximum(self._units(x) @ self.network.coefs_[0] + self.network.intercepts_[0], 0)


def realism(
    model: MixtureVAE,
    x: Samples,
    classes: NDArray | None,
    labels: NDArray[np.int64],
    seed: int,
) -> dict[str, Any]:
    """Measures the realism of samples drawn from all clusters in proportion to their weights.

    * ``agreement``: share of generated samples that the judge assigns to the class matched to their
      cluster, for all clusters and for each, along with the judge's own accuracy.
    * ``precision``: share of generated samples inside the nearest-neighbor balls of real ones.
      ``recall``: share of real samples inside the balls of generated ones. Both are measured in the
      judge's features, or in the data's if there are no classes. ``real_precision`` and
      ``real_recall`` compare real samples with other real samples.
    * ``distance``: median distance from generated samples to the nearest training sample.
      ``real_distance``: the same from real samples to the nearest different one. ``copies``: share
      of generated samples that are closer than 99 % of the real ones; a value far above .01
      indicates memorized samples.
    * ``log_likelihood``: lower bound on the mean of ``log p(x)`` in nats, by importance sampling.
      ``log_likelihood_error``: its standard error over the samples used for the estimate.

    As usual in clustering, the model was trained on all samples, so none of them was held out.

    Args:
        model: A trained model.
        x: All samples ``(N, F)``, preprocessed as for the model.
        classes: Classes ``(N,)`` or ``None``.
        labels: Clusters ``(N,)``.
        seed: Seed of all random choices.

    References:
        Improved precision and recall metric for assessing generative models (Kynkaanniemi et al.,
        2019), https://arxiv.org/abs/1904.06991
        Importance weighted autoencoders (Burda et al., 2016), https://arxiv.org/abs/1509.00519
    """
    generated, origin = generate(model, seed)
    log.info("generation: %d samples drawn", len(generated))
    figures: dict[str, Any] = {"samples": len(generated), "min_posterior": MIN_POSTERIOR}
    features: Callable[[NDArray], NDArray] = np.asarray
    if classes is not None:
        chosen = subset(len(x), JUDGED_BY, seed)
        judge = Judge(on_host(x, chosen), classes[chosen], seed)
        log.info("generation: accuracy of the judge %.1f %% on real samples", 100 * judge.accuracy)
        figures |= agreement(judge, generated, origin, classes, labels, len(model.prior.logits))
        features = judge.features
    chosen = np.random.default_rng(seed).permutation(len(x))[: 2 * len(generated)]
    real, other = np.array_split(on_host(x, chosen), 2)
    balls = [features(one).astype(np.float64) for one in (real, other, generated)]
    figures |= {
        "precision": within(balls[2], balls[0]),
        "recall": within(balls[0], balls[2]),
        "real_precision": within(balls[1], balls[0]),
        "real_recall": within(balls[0], balls[1]),
        **memorized(on_host(x, subset(len(x), SEARCHED, seed)), real, generated),
        **log_likelihood(model, x, seed),
        "draws": DRAWS,
    }
    return figures


@torch.no_grad()
def generate(model: MixtureVAE, seed: int) -> tuple[NDArray, NDArray[np.int64]]:
    """Samples ``(n, F)`` of all clusters in proportion to their weights, and their clusters.

    Raises:
        InputError: Too few draws of a cluster have a posterior above ``MIN_POSTERIOR``.
    """
    weights = model.prior().weights.probs.cpu().numpy()
    sizes = np.maximum(FEWEST, np.round(weights * COMPARED)).astype(int)
    parts = []
    for cluster, size in enumerate(sizes.tolist()):
        try:
            parts.append(draw(model, cluster, size, MIN_POSTERIOR, 1.0, seed).x.cpu().numpy())
        except InputError as error:
            raise InputError(
                f"generation=true cannot judge cluster {cluster}: too few of its draws have a "
                f"posterior above {MIN_POSTERIOR}"
            ) from error
    return np.concatenate(parts), np.repeat(np.arange(len(sizes)), sizes)


def agreement(
    judge: Judge,
    generated: NDArray,
    origin: NDArray[np.int64],
    classes: NDArray,
    labels: NDArray[np.int64],
    n_clusters: int,
) -> dict[str, Any]:
    """Share of generated samples that the judge assigns to the class matched to their cluster.

    If there are more clusters than classes, clusters without a class are left out.
    """
    matching = match(classes, labels, n_clusters)
    expected = matching.class_of[origin]
    right = judge.predict(generated) == matching.classes[expected]
    by_cluster: Sequence[float | None] = [
        float(right[origin == cluster].mean()) if matching.class_of[cluster] >= 0 else None
        for cluster in range(n_clusters)
    ]
    return {
        "agreement": float(right[expected >= 0].mean()),
        "agreement_by_cluster": by_cluster,
        "judge_accuracy": judge.accuracy,
    }


def within(samples: NDArray, manifold: NDArray) -> float:
    """Share of samples that lie in the ball around at least one of a manifold's points.

    The radius of a ball is the distance to the ``NEIGHBORS``-th nearest other manifold point.
    """
    radii, _ = NearestNeighbors(n_neighbors=NEIGHBORS).fit(manifold).kneighbors()
    squares = (manifold**2).sum(1)
    inside = np.zeros(len(samples), bool)
    for part in np.array_split(np.arange(len(samples)), max(1, len(samples) // 500)):
        some = samples[part]
        distances = (some**2).sum(1)[:, None] + squares - 2 * some @ manifold.T
        inside[part] = (distances <= radii[:, -1] ** 2 + 1e-9).any(1)
    return float(inside.mean())


def memorized(x: NDArray, real: NDArray, generated: NDArray) -> dict[str, float]:
    """Compares distances to the nearest training sample, from generated and from real samples.

    Exact duplicates among the training samples count once. Otherwise the distance from a duplicated
    sample to the nearest other one would be zero, and no copy could be closer.

    Args:
        x: Training samples ``(N, F)``, at least two of them different.
        real: Some of the training samples, or similar samples, ``(n, F)``.
        generated: Generated samples ``(n, F)``.
    """
    distinct = np.unique(x, axis=0)
    everything = NearestNeighbors(n_neighbors=2).fit(distinct)
    distances, nearest = everything.kneighbors(real)
    itself = (distinct[nearest[:, 0]] == real).all(1)
    beside = np.where(itself, distances[:, 1], distances[:, 0])
    to_generated = everything.kneighbors(generated, n_neighbors=1)[0][:, 0]
    return {
        "distance": float(np.median(to_generated)),
        "real_distance": float(np.median(beside)),
        "copies": float((to_generated < np.percentile(beside, 1)).mean()),
    }


@torch.no_grad()
def log_likelihood(model: MixtureVAE, x: Samples, seed: int) -> dict[str, float]:
    r"""A lower bound on the mean of ``log p(x)``, tighter than the ELBO, and its standard error.

    .. math:: \mathbb{E} \log \frac{1}{S} \sum_s \frac{p(x|z_s) \, p(z_s)}{q(z_s|x)},
              \qquad z_s \sim q(z|x)

    The draws follow ``q(z|x)`` exactly, whatever sampler the model was trained with. The error is
    the standard error of the mean over samples, which includes the noise of the draws.
    """
    index = subset(len(x), ESTIMATED, seed)
    parts = []
    with torch.random.fork_rng([x.device] if x.device.type == "cuda" else []):
        torch.manual_seed(seed)
        for part in np.array_split(index, max(1, len(index) // 10)):
            samples = x[torch.from_numpy(part).to(x.device)]
            q_z = model.encoder(samples)
            z = sample_exactly(q_z.base_dist, DRAWS)
            decoded = model.decoder(z.flatten(0, 1))
            repeated = samples.expand(DRAWS, *samples.shape).flatten(0, 1)
            weights = (
                decoded.log_prob(repeated).unflatten(0, (DRAWS, len(part)))
                + model.prior().log_prob(z)
                - q_z.log_prob(z)
            )
            parts.append((weights.logsumexp(0) - math.log(DRAWS)).double().cpu().numpy())
    bounds = np.concatenate(parts)
    return {
        "log_likelihood": float(bounds.mean()),
        "log_likelihood_error": float(sem(bounds)),
    }
