import math

import pytest
import torch

from gammvae.model.latents import (
    LOG_SCALE_RANGE,
    MAX_CONCENTRATION,
    MIN_COMPONENT_CONCENTRATION,
    bounded,
    unbounded,
)
from gammvae.model.log_gamma import GAMMA_REPARAMETERIZATIONS
from tests.model.test_vae import FAMILIES, build, latents_of


def test_bounded_stays_inside_and_never_loses_the_gradient():
    h = torch.linspace(-30, 30, 101, dtype=torch.float64, requires_grad=True)
    value = bounded(h, -2.0, 9.0)
    value.sum().backward()
    assert value.min() > -2
    assert value.max() < 9
    assert (h.grad > 0).all()
    assert bounded(torch.tensor(3.5), -2.0, 9.0).item() == pytest.approx(3.5)


def test_unbounded_is_the_inverse_of_bounded():
    value = torch.linspace(-1.99, 8.99, 50, dtype=torch.float64)
    torch.testing.assert_close(bounded(unbounded(value, -2.0, 9.0), -2.0, 9.0), value)
    assert unbounded(torch.tensor([-1e9, 1e9]), -2.0, 9.0).isfinite().all()


@pytest.mark.parametrize("family", FAMILIES)
def test_standardized_features_are_the_same_for_encoder_and_decoder(family):
    """Mean 0 and variance 1, while what the decoder reads of a location does not change."""
    model, x = build(family), 10 * torch.rand(500, 6)
    latents = model.prior.latents
    with torch.no_grad():
        before = model.encoder(x).base_dist
        read = latents.read(before.loc)
        for _ in range(2):  # it may be done again
            latents.standardize(model.encoder(x).base_dist.loc)
            after = model.encoder(x).base_dist
            torch.testing.assert_close(after.loc.mean(0), torch.zeros(2), atol=1e-4, rtol=0)
            torch.testing.assert_close(after.loc.var(0, correction=0), torch.ones(2))
            torch.testing.assert_close(latents.read(after.loc), read, atol=1e-4, rtol=1e-4)
    if family == "normal":
        torch.testing.assert_close(after.scale * latents.spread, before.scale, rtol=1e-3, atol=0)


def test_features_that_do_not_vary_keep_a_finite_scale():
    latents = latents_of("normal")
    latents.standardize(torch.tensor([[1.0, 5.0], [2.0, 5.0]]))
    assert latents.spread.tolist() == pytest.approx([0.5, math.exp(LOG_SCALE_RANGE[0])])
    q = latents.posterior(torch.tensor([[1.5, 5.0]]), torch.zeros(1, 2))
    assert q.loc.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("family", FAMILIES)
def test_outliers_have_a_finite_bound(family):
    model, x = build(family), torch.rand(20, 6)
    x[0] = 1e6
    elbo = model.elbo(x)
    assert (elbo.kl_z + elbo.kl_c).isfinite().all()
    assert elbo.q_c.probs.isfinite().all()
    assert elbo.kl_z[0] > 10 * elbo.kl_z[1:].max()


@pytest.mark.parametrize("name", GAMMA_REPARAMETERIZATIONS)
def test_concentrations_are_bounded_in_posterior_and_prior(name):
    latents = latents_of(name)
    extreme = torch.tensor([[-1e3, 1e3]])
    posterior, component = (
        make(torch.zeros(1, 2), extreme).concentration
        for make in (latents.posterior, latents.component)
    )
    floor = GAMMA_REPARAMETERIZATIONS[name].min_concentration
    for found, low in ((posterior, floor), (component, MIN_COMPONENT_CONCENTRATION)):
        # 1e-4: rounding of exponentials in float32
        assert found.min() >= low * (1 - 1e-4)
        assert found.max() <= MAX_CONCENTRATION * (1 + 1e-4)
