import json

import numpy as np
import pytest

from gammvae.evaluation.metrics import agreement
from gammvae.tables.seeds import best_by_elbo, compare_seeds, statistics
from tests.conftest import a_result


def result(seed, elbo, acc=None):
    metrics = {"elbo": elbo, "silhouette": 0.1, "assignment_entropy": 0.2, "used_clusters": 3}
    if acc is not None:
        metrics |= {"acc": acc, "nmi": acc / 2, "ari": acc / 4}
    return a_result(seed=seed, metrics=metrics)


def write(folder, results, labels):
    paths = []
    for one, clusters in zip(results, labels, strict=True):
        path = folder / f"seed={one['seed']}"
        path.mkdir()
        (path / "config.yaml").write_text("")
        (path / "result.json").write_text(json.dumps(one))
        certain = np.eye(one["n_clusters"])[clusters]
        arrays = {"responsibilities": certain, "embedding": certain}
        np.savez(path / "assignments.npz", labels=np.array(clusters), **arrays)
        paths.append(path)
    return paths


def test_statistics_against_numpy():
    found = statistics([result(0, -5.0, 0.5), result(1, -3.0, 0.9), result(2, -4.0, 0.7)])
    assert found["mean"]["acc"] == pytest.approx(0.7)
    assert found["std"]["acc"] == pytest.approx(np.std([0.5, 0.9, 0.7], ddof=1))
    assert found["min"]["elbo"] == -5
    assert found["mean"]["seconds"] == 3


def test_the_elbo_chooses_whatever_the_accuracy_says():
    runs = [result(4, -5.0, 0.9), result(5, -3.0, 0.1), result(6, -4.0, 0.5)]
    assert best_by_elbo(runs) == 1
    swapped = [result(4, -5.0, 0.1), result(5, -3.0, 0.9), result(6, -4.0)]
    assert best_by_elbo(swapped) == 1


def test_comparison_names_spread_choice_and_agreement(tmp_path):
    labels = [[0, 0, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1]]
    runs = [result(0, -5.0, 0.5), result(1, -3.0, 0.9), result(2, -4.0, 0.7)]
    text = compare_seeds(write(tmp_path, runs, labels))
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert lines["mean"].split()[1] == "0.7000"
    assert lines["min"].split()[1] == "0.5000"
    expected = agreement([np.array(one) for one in labels])
    assert f"best ELBO: seed 1; the 3 seeds agree to a mean ARI of {expected:.3f}" in text


def test_different_numbers_of_clusters_are_told(tmp_path):
    runs = [result(0, -5.0), result(1, -3.0) | {"n_clusters": 3}]
    text = compare_seeds(write(tmp_path, runs, [[0, 1, 1, 1], [0, 1, 2, 1]]))
    assert text.endswith("; they have 2, 3 clusters")


def test_without_classes_no_accuracy_is_shown(tmp_path):
    runs = [result(0, -5.0), result(1, -3.0)]
    text = compare_seeds(write(tmp_path, runs, [[0, 1, 1, 1], [0, 1, 1, 1]]))
    assert "ACC" not in text
    assert "ELBO" in text


def test_agreement_of_equal_partitions_under_other_names_is_one():
    assert agreement([np.array([0, 0, 1, 2]), np.array([2, 2, 0, 1])]) == 1
    assert agreement([np.array([0, 1])]) == 1
