"""How real generated samples are: judged by a classifier, by neighbors, by the likelihood.

Classes may be looked at here. They train the judge, never the model that is judged.

Letters: ``n`` samples, ``F`` features of the data, ``H`` of the judge, ``S`` draws of z a sample.
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

from gammvae.data.samples import Samples, subset
from gammvae.errors import InputError
from gammvae.evaluation.generation import MIN_POSTERIOR, draw, sample_exactly
from gammvae.evaluation.metrics import match
from gammvae.model.vae import MixtureVAE

log = logging.getLogger(__name__)

# Real samples that the judge is trained on, samples compared by neighbors (of either kind), samples
# whose likelihood is estimated, and draws of z for each.
JUDGED_BY, COMPARED, ESTIMATED, DRAWS = 30_000, 2000, 500, 100
# Training samples among which the nearest is looked for.
SEARCHED = 100_000
# Neighbors whose distance is the radius of a sample's ball; of a cluster at least so many samples.
NEIGHBORS, FEWEST = 3, 50


class Judge:
    """A small supervised classifier, and the features it has learned.

    Args:
        x: Real samples ``(n, F)``.
        y: Their classes ``(n,)``.
        seed: Of its weights and of the samples that it is tested on.
    """

    def __init__(self, x: NDArray, y: NDArray, seed: int) -> None:
        self.center, self.scale = x.mean(0), float(x.std()) or 1.0
        parts = train_test_split(x, y, test_size=0.1, random_state=seed)
        self.network = MLPClassifier((256,), max_iter=20, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it need not be the best judge
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
    """Figures of samples that are drawn from all clusters in their proportions.

    * ``agreement``: the share of generated samples that the judge gives the class that their
      cluster is matched to, of all and by cluster, beside the judge's own accuracy.
    * ``precision``: the share of generated samples that lie within the reach of real ones,
      ``recall``: the share of real ones within the reach of generated ones, in the judge's
      features (without classes, in the samples' own); ``real_...``: of real against other real.
    * ``distance``: the median from generated samples to the nearest real one, ``real_distance``:
      from real samples to the nearest that differs from them; ``copies``: the share of generated
      samples closer than all but 1 % of the real. Far above .01 it exposes memorized samples.
    * ``log_likelihood``: a lower bound on the mean of ``log p(x)`` in nats, by importance sampling,
      ``log_likelihood_error``: its standard error over the samples that it is estimated from.

    The model was trained on all samples, as clustering does, so none of them was held out.

    Args:
        model: A trained model.
        x: All samples ``(N, F)``, as the model sees them.
        classes: ``(N,)`` or ``None``.
        labels: Clusters ``(N,)``.
        seed: Of all that is random.

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
        judge = Judge(rows(x, chosen), classes[chosen], seed)
        log.info("generation: the judge is right for %.1f %% of real samples", 100 * judge.accuracy)
        figures |= agreement(judge, generated, origin, classes, labels, len(model.prior.logits))
        features = judge.features
    chosen = np.random.default_rng(seed).permutation(len(x))[: 2 * len(generated)]
    real, other = np.array_split(rows(x, chosen), 2)
    balls = [features(one).astype(np.float64) for one in (real, other, generated)]
    figures |= {
        "precision": within(balls[2], balls[0]),
        "recall": within(balls[0], balls[2]),
        "real_precision": within(balls[1], balls[0]),
        "real_recall": within(balls[0], balls[1]),
        **memorized(rows(x, subset(len(x), SEARCHED, seed)), real, generated),
        **log_likelihood(model, x, seed),
        "draws": DRAWS,
    }
    return figures


def rows(x: Samples, index: NDArray) -> NDArray:
    """Some samples on the host, ``(n, F)``."""
    return x[torch.from_numpy(index).to(x.device)].cpu().numpy()


@torch.no_grad()
def generate(model: MixtureVAE, seed: int) -> tuple[NDArray, NDArray[np.int64]]:
    """Samples ``(n, F)`` of all clusters in proportion to their weights, and their clusters.

    Raises:
        InputError: Hardly any draw of a cluster is surely its own.
    """
    weights = model.prior().weights.probs.cpu().numpy()
    sizes = np.maximum(FEWEST, np.round(weights * COMPARED)).astype(int)
    parts = []
    for cluster, size in enumerate(sizes.tolist()):
        try:
            parts.append(draw(model, cluster, size, MIN_POSTERIOR, 1.0, seed).x.cpu().numpy())
        except InputError as error:
            raise InputError(
                f"generation=true cannot judge cluster {cluster}: too few of its draws are surely "
                f"its own, with a posterior above {MIN_POSTERIOR}"
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
    """How often the judge gives a generated sample the class that its cluster is matched to.

    Clusters beyond the number of classes have no class and are left out.
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
    """The share of samples that lie in the ball around one of a manifold's points.

    A ball reaches to its center's ``NEIGHBORS``-th neighbor among the manifold's points.
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
    """Distances to the nearest training samples, of generated and of other training samples.

    Exact doubles among the training samples count as one: else the distance to the nearest other
    would be zero wherever there are some, and no copy could be closer.

    Args:
        x: Training samples ``(N, F)``, at least two of them different.
        real: Some of them, or others like them, ``(n, F)``.
        generated: Samples ``(n, F)``.
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

    The draws are exact ones of ``q(z|x)``, whatever sampler the model was trained with. The error
    is that of the mean over samples, and has in it what the draws of each add.
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
