"""Clustering accuracy, NMI and ARI against classes: scores of finished runs, unused in training."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix


def clustering_accuracy(labels_true: NDArray, labels_pred: NDArray) -> float:
    """The share of samples that agree under the best one-to-one match of clusters to classes.

    The Hungarian algorithm finds the match. If there are more clusters than classes or fewer,
    samples of unmatched clusters or classes count as errors.

    Args:
        labels_true: Classes ``(N,)``, integers or strings.
        labels_pred: Clusters ``(N,)``.
    """
    contingency = contingency_matrix(labels_true, labels_pred)  # (classes, clusters)
    rows, columns = linear_sum_assignment(contingency, maximize=True)
    return float(contingency[rows, columns].sum() / len(labels_true))


class Matching(NamedTuple):
    """The best one-to-one match of clusters to classes.

    Attributes:
        classes: All classes, ``(C,)``, sorted.
        counts: Number of samples by class and cluster, ``(C, K)``.
        cluster_of: The matched cluster of every class, ``(C,)``; -1 if there is none.
        class_of: The matched class of every cluster, ``(K,)``, as an index into ``classes``; -1 if
            there is none.
    """

    classes: NDArray
    counts: NDArray[np.int64]
    cluster_of: NDArray[np.int64]
    class_of: NDArray[np.int64]


def match(labels_true: NDArray, labels_pred: NDArray, n_clusters: int) -> Matching:
    """The best one-to-one match of clusters to classes, as used by ``clustering_accuracy``.

    Args:
        labels_true: Classes ``(N,)``, integers or strings.
        labels_pred: Clusters ``(N,)`` in ``0 .. K - 1``.
        n_clusters: ``K``.
    """
    classes, index = np.unique(labels_true, return_inverse=True)
    counts = np.zeros((len(classes), n_clusters), np.int64)
    np.add.at(counts, (index, labels_pred), 1)
    rows, columns = linear_sum_assignment(counts, maximize=True)
    cluster_of, class_of = np.full(len(classes), -1), np.full(n_clusters, -1)
    cluster_of[rows], class_of[columns] = columns, rows
    return Matching(classes, counts, cluster_of, class_of)


def clustering_metrics(labels_true: NDArray, labels_pred: NDArray) -> dict[str, float]:
    """ACC and NMI in [0, 1] and ARI in [-0.5, 1] of clusters ``(N,)`` against classes ``(N,)``."""
    return {
        "acc": clustering_accuracy(labels_true, labels_pred),
        "nmi": float(normalized_mutual_info_score(labels_true, labels_pred)),
        "ari": float(adjusted_rand_score(labels_true, labels_pred)),
    }


def agreement(partitions: Sequence[NDArray]) -> float:
    """Mean ARI over all pairs of partitions ``(N,)``, without classes; 1 for one partition."""
    pairs = list(itertools.combinations(partitions, 2))
    return float(np.mean([adjusted_rand_score(*pair) for pair in pairs])) if pairs else 1.0


def used_clusters(counts: NDArray[np.int64]) -> int:
    """Number of clusters with at least 1 % of the average size, given the sizes ``(K,)``."""
    return int((counts >= 0.01 * counts.sum() / len(counts)).sum())
