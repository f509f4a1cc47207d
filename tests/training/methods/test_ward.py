import numpy as np
import torch
from scipy.sparse.csgraph import connected_components
from sklearn.cluster import AgglomerativeClustering
from sklearn.datasets import load_digits, make_blobs, make_swiss_roll
from sklearn.metrics import adjusted_rand_score

from gammvae.initialization.graph import neighbor_graph
from gammvae.training.methods.ward import ward_partition

CPU = torch.device("cpu")


def test_among_all_points_the_partition_is_wards():
    points = load_digits().data[:300] / 16
    expected = AgglomerativeClustering(10, linkage="ward").fit_predict(points)
    assert adjusted_rand_score(expected, ward_partition(points, 10, 299, CPU)) == 1


def parts(points, labels):
    """Number of connected parts that each cluster has in the neighbor graph."""
    weights = neighbor_graph(points, 10).weights
    assert connected_components(weights)[0] == 1
    inside = [np.flatnonzero(labels == one) for one in range(6)]
    return [connected_components(weights[rows][:, rows])[0] for rows in inside]


def test_only_neighbors_are_merged():
    roll = make_swiss_roll(900, noise=0.1, random_state=0)[0]
    assert parts(roll, ward_partition(roll, 6, 10, CPU)) == [1] * 6
    assert max(parts(roll, ward_partition(roll, 6, 899, CPU))) > 1  # across the turns of the roll


def test_more_groups_than_clusters_are_merged():
    points, group = make_blobs(300, 5, centers=6, cluster_std=0.1, random_state=0)
    labels = ward_partition(points, 3, 10, CPU)  # a graph of six parts
    assert len(np.unique(labels)) == 3
    assert all(len(np.unique(labels[group == one])) == 1 for one in range(6))
