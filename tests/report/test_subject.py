from types import SimpleNamespace

import numpy as np

from gammvae.evaluation.metrics import clustering_accuracy, match
from gammvae.report.subject import members


def subject(labels, responsibilities, embedding):
    arrays = {"labels": labels, "responsibilities": responsibilities, "embedding": embedding}
    return SimpleNamespace(arrays=arrays)


def test_typical_members_are_central_and_doubtful_ones_uncertain():
    labels = np.array([1, 0, 0, 0, 0, 1])
    embedding = np.array([[9.0], [0.1], [0.0], [-3.0], [3.2], [9.0]])
    responsibilities = np.array([[0, 1], [1, 0], [0.6, 0.4], [1, 0], [1, 0], [0, 1.0]])
    typical, doubtful = members(subject(labels, responsibilities, embedding), 0, 2)
    assert typical.tolist() == [1, 2]  # the mean is .075
    assert doubtful.tolist() == [2, 4]  # the uncertain one, then the farthest of the certain
    assert members(subject(labels, responsibilities, embedding), 1, 5)[0].tolist() == [0, 5]


def test_an_empty_cluster_has_no_members():
    labels = np.zeros(3, int)
    typical, doubtful = members(subject(labels, np.eye(3)[labels], np.ones((3, 2))), 2, 5)
    assert len(typical) == len(doubtful) == 0


def test_the_match_is_the_one_that_accuracy_counts():
    rng = np.random.default_rng(0)
    for n_classes, n_clusters in ((4, 4), (3, 5), (5, 3)):
        classes = np.array(list("abcde"))[rng.integers(0, n_classes, 200)]
        labels = rng.integers(0, n_clusters, 200)
        found = match(classes, labels, n_clusters)
        assert found.counts.sum() == 200
        matched = found.class_of[labels]
        right = (matched >= 0) & (found.classes[matched] == classes)
        assert right.mean() == clustering_accuracy(classes, labels)
        for row, cluster in enumerate(found.cluster_of):
            assert cluster < 0 or found.class_of[cluster] == row
