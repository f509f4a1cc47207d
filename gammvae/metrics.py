"""Clustering accuracy, NMI and ARI: judges of a finished run, seen by nothing that trains."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix


def clustering_accuracy(labels_true: NDArray, labels_pred: NDArray) -> float:
    """The share of samples that agree under the best one-to-one match of clusters to classes.

    The Hungarian algorithm finds the match. With more clusters than classes, or fewer, the
    unmatched ones count as errors.

    Args:
        labels_true: Classes ``(N,)``, integers or strings.
        labels_pred: Clusters ``(N,)``.
    """
    contingency = contingency_matrix(labels_true, labels_pred)  # (classes, clusters)
    rows, columns = linear_sum_assignment(contingency, maximize=True)
    return float(contingency[rows, columns].sum() / len(labels_true))


def clustering_metrics(labels_true: NDArray, labels_pred: NDArray) -> dict[str, float]:
    """ACC and NMI in [0, 1] and ARI in [-0.5, 1] of clusters ``(N,)`` against classes ``(N,)``."""
    return {
        "acc": clustering_accuracy(labels_true, labels_pred),
        "nmi": float(normalized_mutual_info_score(labels_true, labels_pred)),
        "ari": float(adjusted_rand_score(labels_true, labels_pred)),
    }


def agreement(partitions: Sequence[NDArray]) -> float:
    """Mean ARI of every two of several partitions ``(N,)``, which needs no classes; 1 for one."""
    pairs = list(itertools.combinations(partitions, 2))
    return float(np.mean([adjusted_rand_score(*pair) for pair in pairs])) if pairs else 1.0


def used_clusters(counts: NDArray[np.int64]) -> int:
    """How many clusters hold at least 1 % of their fair share, given their sizes ``(K,)``."""
    return int((counts >= 0.01 * counts.sum() / len(counts)).sum())
