import math

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from torch.distributions import Independent, Normal

from gammvae.initialization.prior import (
    expected_statistics,
    fit_mixture,
    posteriors,
    set_prior,
    starting_labels,
)
from gammvae.mixture.em import expectation_maximization
from gammvae.model.distributions import pairwise_kl
from gammvae.model.log_gamma import LogGamma
from tests.model.test_vae import build

N, K = 600, 3


def posterior(family, sharpness=1.0):
    """Posteriors around three well-separated centers, and the center of each."""
    rng = np.random.default_rng(0)
    labels = rng.integers(K, size=N)
    centers = np.array([[1.0, 1.0], [6.0, 1.0], [1.0, 8.0]])[labels]
    mean = torch.tensor(centers * rng.uniform(0.8, 1.25, size=(N, 2)), dtype=torch.float32)
    width = torch.tensor(rng.uniform(0.05, 0.2, size=(N, 2)) / sharpness, dtype=torch.float32)
    if family == "normal":
        return Independent(Normal(mean, mean * width), 1), labels
    return Independent(LogGamma(mean, mean * width, 4.0), 1), labels


@pytest.mark.parametrize("family", ["gamma", "normal"])
def test_expected_statistics_against_monte_carlo(family):
    q_z, _ = posterior(family)
    kind, statistics = expected_statistics(q_z)
    n = 20_000
    z = q_z.sample((n,))[:, :5].double()  # (n, 5, 2)
    samples = np.stack([kind.statistics(draw.numpy()) for draw in z])  # (n, 5, 4)
    standard_error = samples.std(0) / math.sqrt(n)
    # 40 comparisons: 4.5 standard errors
    assert (np.abs(samples.mean(0) - statistics[:5]) < 4.5 * standard_error).all()


@pytest.mark.parametrize("family", ["gamma", "normal"])
def test_statistics_do_not_depend_on_the_chunks(family, monkeypatch):
    q_z, _ = posterior(family)
    _, at_once = expected_statistics(q_z)
    monkeypatch.setattr("gammvae.initialization.prior.rows_per_chunk", lambda _: 7)
    np.testing.assert_array_equal(expected_statistics(q_z)[1], at_once)


@pytest.mark.parametrize("family", ["implicit", "normal"])
def test_the_bound_of_em_is_the_models(family):
    """EM's bound plus the entropy of q(z|x) is minus both KL terms, computed by torch."""
    model, x = build(family), torch.rand(200, 6)
    q_z = posteriors(model, x, torch.arange(len(x)))
    labels = np.random.default_rng(0).integers(K, size=len(x))
    fit, *_ = fit_mixture(q_z, iter([labels]), K, max_iter=5, tol=0)
    set_prior(model, fit)
    with torch.no_grad():
        elbo = model.elbo(x)
    latent = -(elbo.kl_z + elbo.kl_c).mean().item()
    assert fit.bound + q_z.entropy().mean().item() == pytest.approx(latent, abs=1e-3)
    best = model.assign(q_z).probs.detach().numpy()[np.arange(len(x)), fit.labels]
    assert (best > model.assign(q_z).probs.detach().numpy().max(1) - 1e-3).all()


@pytest.mark.parametrize("family", ["gamma", "normal"])
@pytest.mark.parametrize("seed", range(3))
def test_no_iteration_lowers_the_bound(family, seed):
    q_z, _ = posterior(family)
    kind, statistics = expected_statistics(q_z)
    labels = np.random.default_rng(seed).integers(4, size=N)
    fits = list(expectation_maximization(kind, statistics, labels, 4, max_iter=60, tol=0))
    assert len(fits) > 10
    assert np.diff([fit.bound for fit in fits]).min() > -1e-9


@pytest.mark.parametrize("family", ["gamma", "normal"])
@pytest.mark.parametrize("start", ["kmeans", "gmm"])
def test_separated_clusters_are_found(family, start):
    q_z, labels = posterior(family)
    starts = starting_labels(start, q_z.mean.double().numpy(), K, n_init=3, seed=0)
    fit, start, history = fit_mixture(q_z, starts, K, max_iter=100, tol=1e-6)
    assert adjusted_rand_score(labels, start) > 0.99
    assert adjusted_rand_score(labels, fit.labels) > 0.99
    assert len(history) == 3
    assert fit.bound == max(reached.bound for reached in history)


def test_components_are_as_wide_as_the_posteriors_demand():
    """Point embeddings would give a narrower component than wide posteriors do."""
    wide, labels = posterior("gamma", sharpness=0.25)
    sharp = Independent(LogGamma(wide.base_dist.loc, wide.base_dist.scale / 100, 4.0), 1)
    wide_fit, *_ = fit_mixture(wide, iter([labels]), K, max_iter=1, tol=0)
    sharp_fit, *_ = fit_mixture(sharp, iter([labels]), K, max_iter=1, tol=0)
    assert (wide_fit.parameters[1] > sharp_fit.parameters[1]).all()
    components, narrow = (
        Independent(LogGamma(*map(torch.from_numpy, fit.parameters), 4.0), 1)
        for fit in (wide_fit, sharp_fit)
    )
    q_z = wide
    index = torch.arange(N), torch.from_numpy(labels)
    assert pairwise_kl(q_z, components)[index].mean() < pairwise_kl(q_z, narrow)[index].mean()


def test_starts_differ_and_repeat():
    embedding = np.random.default_rng(0).gamma(2.0, size=(300, 2))
    first = list(starting_labels("kmeans", embedding, 8, n_init=3, seed=5))
    again = list(starting_labels("kmeans", embedding, 8, n_init=3, seed=5))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert adjusted_rand_score(first[0], first[1]) < 1


def test_an_empty_cluster_leaves_a_finite_prior():
    model = build("implicit", n_clusters=4)
    q_z, labels = posterior("gamma")
    fit, *_ = fit_mixture(q_z, iter([labels]), 4, max_iter=3, tol=0)
    set_prior(model, fit)
    assert all(parameter.isfinite().all() for parameter in model.prior.parameters())
    # a hundredth of a sample, next to one part in K each
    assert model.prior().weights.probs.min().item() == pytest.approx(0.01 / N, rel=0.01)


def test_posteriors_of_all_samples_are_the_encoders():
    model, x = build("implicit"), torch.rand(5000, 6)
    q_z = posteriors(model, x, torch.arange(len(x)))
    assert q_z.batch_shape == (5000,)
    alone = model.encoder(x[4990:])
    for name in ("loc", "scale", "gain"):
        found = getattr(q_z.base_dist, name)[4990:]
        torch.testing.assert_close(found, getattr(alone.base_dist, name))


def test_posteriors_of_some_samples_are_theirs():
    model, x = build("implicit"), torch.rand(500, 6)
    index = torch.tensor([499, 3, 77])
    some, all_of_them = posteriors(model, x, index), posteriors(model, x, torch.arange(500))
    torch.testing.assert_close(some.mean, all_of_them.mean[index])


@pytest.mark.parametrize("start", ["kmeans", "gmm"])
def test_starts_can_be_held(start):
    """Where q(c|x) is held, the labels become indices of torch's."""
    (labels,) = starting_labels(start, np.random.default_rng(0).normal(size=(50, 3)), 4, 1, 0)
    assert labels.dtype == np.int64


def test_no_start_is_refused():
    q_z, _ = posterior("gamma")
    with pytest.raises(ValueError, match="at least one partition"):
        fit_mixture(q_z, iter([]), K, max_iter=3, tol=0)


@pytest.mark.parametrize("start", ["kmeans", "gmm"])
def test_what_is_warned_of_at_every_start_is_said_once(start, caplog):
    z = torch.eye(2).repeat(20, 1) + 1
    q_z = Independent(Normal(z, torch.full_like(z, 0.1)), 1)
    fit_mixture(q_z, starting_labels(start, z.double().numpy(), K, 5, 0), K, max_iter=3, tol=0)
    (record,) = caplog.records
    assert record.getMessage().startswith("init: Number of distinct clusters (2) found smaller")
