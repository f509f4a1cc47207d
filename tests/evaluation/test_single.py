import numpy as np
import pytest
import scipy.stats
import torch
from torch.distributions import Independent, Normal

from gammvae.evaluation.assignments import bounds, elbo_of
from gammvae.evaluation.single import elbo_of_each, quantile
from gammvae.model.building import build_model
from gammvae.model.log_gamma import LogGamma
from tests.conftest import TINY, compose_config

EPS = torch.linspace(-3, 3, 7)


@pytest.mark.parametrize("gain", [1.0, 8.0, -2.0])
def test_quantiles_of_log_gamma_are_scipys(gain):
    loc, scale = torch.tensor([[0.5] * 7, [-2.0] * 7]), torch.tensor([[0.3] * 7, [0.9] * 7])
    q = LogGamma(loc, scale, gain)
    found = quantile(Independent(q, 1), EPS).double().numpy()
    a = (gain / scale.double().numpy()) ** 2
    z = scipy.stats.gamma.ppf(scipy.stats.norm.cdf(EPS.double().numpy()), a)
    np.testing.assert_allclose(found, loc.numpy() + gain * np.log(z / a), rtol=1e-4, atol=1e-5)


def test_quantiles_of_normals_are_scipys():
    q = Normal(torch.full((2, 7), 0.5), torch.full((2, 7), 2.0))
    expected = scipy.stats.norm.ppf(scipy.stats.norm.cdf(EPS.numpy()), 0.5, 2.0)
    np.testing.assert_allclose(quantile(Independent(q, 1), EPS)[1].numpy(), expected, rtol=1e-4)


def model_and_samples(kind):
    config = compose_config(*TINY, f"model={kind}")
    x = torch.rand(60, 12)
    model = build_model(config, (12,), "normal")
    model.set_units(x)
    return model, x


@pytest.mark.parametrize("kind", ["gammvae", "vade"])
def test_the_elbo_of_a_sample_does_not_depend_on_the_others(kind):
    model, x = model_and_samples(kind)
    state = torch.get_rng_state()
    together = np.concatenate([*elbo_of_each(model, x, 0)])
    alone = [next(elbo_of_each(model, one[None], 0)).item() for one in x]
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", ["gammvae", "vade"])
def test_the_mean_over_seeds_is_that_of_independent_draws(kind):
    model, x = model_and_samples(kind)
    seeds = range(100)
    shared = np.stack([np.concatenate([*elbo_of_each(model, x, seed)]) for seed in seeds])
    single = np.stack([elbo_of(np.concatenate([*bounds(model, x, seed)])) for seed in seeds])
    error = np.sqrt((shared.var(0) + single.var(0)) / len(seeds))
    assert (np.abs(shared.mean(0) - single.mean(0)) < 5 * error + 1e-4).all()
    assert (shared.var(0) < single.var(0)).mean() > 0.9
