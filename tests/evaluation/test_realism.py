import math

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

from gammvae.errors import InputError
from gammvae.evaluation import realism
from gammvae.evaluation.realism import Judge, log_likelihood, memorized, within
from gammvae.tables.summary import judgement
from tests.model.test_vae import FAMILIES, build, log_evidence


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def slow_within(samples, manifold):
    """The definition, sample by sample; k-th neighbors by sorting."""
    between = np.linalg.norm(manifold[:, None] - manifold[None], axis=-1)
    radii = np.sort(between, axis=1)[:, realism.NEIGHBORS]
    distance = np.linalg.norm(samples[:, None] - manifold[None], axis=-1)
    return (distance <= radii).any(1).mean()


def test_precision_and_recall_are_those_of_the_definition(rng):
    real, generated = rng.normal(size=(700, 3)), rng.normal(0.8, 0.7, size=(600, 3))
    assert within(generated, real) == pytest.approx(slow_within(generated, real), abs=1e-12)
    assert within(real, generated) == pytest.approx(slow_within(real, generated), abs=1e-12)


def test_collapse_and_noise_are_told_apart(rng):
    real = rng.normal(size=(500, 2))
    collapsed, noise = 0.05 * rng.normal(size=(500, 2)), rng.uniform(-9, 9, size=(500, 2))
    assert within(collapsed, real) > 0.95
    assert within(real, collapsed) < 0.1
    assert within(noise, real) < 0.3


def test_copies_are_exposed(rng):
    real = rng.normal(size=(800, 4))
    copies = real[:100] + 1e-4 * rng.normal(size=(100, 4))
    assert memorized(real, real[:300], copies)["copies"] == 1
    new = rng.normal(size=(2000, 4))
    found = memorized(real, real, new)
    assert found["copies"] < 0.03  # .01 expected, 2,000 draws
    assert found["distance"] == pytest.approx(found["real_distance"], rel=0.1)


@pytest.mark.parametrize("doubled", [0.02, 0.5, 1.0])
def test_copies_are_exposed_among_samples_that_have_exact_doubles(rng, doubled):
    once = rng.normal(size=(600, 20)).astype(np.float32)
    real = np.concatenate([once, once[: round(doubled * len(once))]])
    new = rng.normal(size=(2000, 20)).astype(np.float32)
    assert memorized(real, real, real[:300])["copies"] == 1
    found = memorized(real, real, new)
    assert found["copies"] < 0.03  # .01 expected, 2,000 draws
    assert found["real_distance"] == pytest.approx(found["distance"], rel=0.1)


def test_a_real_sample_that_is_not_searched_has_its_nearest_neighbor(rng):
    x = rng.normal(size=(400, 3))
    found = memorized(x[:200], x[200:], x[200:])
    assert found["real_distance"] == found["distance"]


def test_the_judge_learns_classes_of_any_type():
    x, y = make_blobs(600, 8, centers=3, random_state=0)
    names = np.array(["a", "b", "c"])[y]
    judge = Judge(1000 * x + 5e4, names, seed=0)
    assert judge.accuracy == 1
    assert judge.features(1000 * x + 5e4).shape == (600, 256)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_likelihood_is_that_of_quadrature(family, monkeypatch):
    """4,000 draws of one latent feature: the bound is tight to its Monte Carlo error."""
    monkeypatch.setattr(realism, "DRAWS", 4000)
    model = build(family, features=4, latent_dim=1)
    x = torch.rand(2, 4)
    with torch.no_grad():
        expected = np.mean([log_evidence(model, one[None], family) for one in x])
    found = log_likelihood(model, x, seed=0)
    assert found["log_likelihood"] == pytest.approx(expected, abs=0.05)


def test_the_likelihoods_standard_error_is_that_over_samples(monkeypatch):
    """Halves of the samples have means that lie apart as the error says."""
    monkeypatch.setattr(realism, "ESTIMATED", 2000)
    model, x = build("implicit"), torch.rand(2000, 6)
    whole = log_likelihood(model, x, seed=0)
    parts = [log_likelihood(model, part, seed=0) for part in x.split(100)]
    means = np.array([part["log_likelihood"] for part in parts])
    errors = np.array([part["log_likelihood_error"] for part in parts])
    assert whole["log_likelihood"] == pytest.approx(means.mean(), abs=0.05)
    # of 20 standard deviations' ratio: the relative standard error is 1 / sqrt(38)
    assert means.std(ddof=1) == pytest.approx(errors.mean(), rel=4 / math.sqrt(38))
    assert whole["log_likelihood_error"] == pytest.approx(errors.mean() / math.sqrt(20), rel=0.1)


def test_the_likelihood_stands_with_its_standard_error():
    text = judgement({"samples": 9, "log_likelihood": -105.25, "log_likelihood_error": 1.5})
    assert "-105.2500 ± 1.5000" in text
    assert "-105.2500" in judgement({"samples": 9, "log_likelihood": -105.25})


def test_everything_is_judged(monkeypatch):
    monkeypatch.setattr(realism, "COMPARED", 90)
    monkeypatch.setattr(realism, "MIN_POSTERIOR", 0.2)
    monkeypatch.setattr(realism, "FEWEST", 10)
    model, x = build("implicit"), torch.rand(120, 6)
    labels = np.arange(120) % 3
    found = realism.realism(model, x, np.array(["x", "y", "z"])[labels], labels, 0)
    assert found["samples"] >= 90
    assert len(found["agreement_by_cluster"]) == 3
    names = ("agreement", "judge_accuracy", "precision", "recall", "real_precision", "copies")
    assert all(0 <= found[name] <= 1 for name in names)
    assert math.isfinite(found["log_likelihood"])
    unlabelled = realism.realism(model, x, None, labels, 0)
    assert "agreement" not in unlabelled
    assert 0 <= unlabelled["precision"] <= 1


def test_a_cluster_without_samples_of_its_own_cannot_be_judged():
    model = build("normal")
    with torch.no_grad():
        model.prior.logits[2] = -50
    with pytest.raises(InputError, match="generation=true cannot judge cluster 2: too few of its"):
        realism.generate(model, 0)
