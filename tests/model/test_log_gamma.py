import math

import numpy as np
import pytest
import scipy.stats
import torch
from scipy.integrate import quad
from scipy.special import gammainccinv, gammaincinv, polygamma
from torch.distributions import Gamma, Normal

from gammvae.model.log_gamma import (
    GAMMA_REPARAMETERIZATIONS,
    LogGamma,
    NormalToGamma,
    WilsonHilferty,
    log_quantile,
)

SAMPLERS = {name: entry.distribution for name, entry in GAMMA_REPARAMETERIZATIONS.items()}
OWN = [sampler for sampler in SAMPLERS.values() if sampler is not LogGamma]
# How far each sampler is from the Gamma distribution, Kolmogorov-Smirnov, at some concentrations.
# 0: exact. The published distances, rounded up.
DISTANCE = {
    "implicit": {0.1: 0.0, 0.5: 0.0, 1.0: 0.0, 5.0: 0.0, 100.0: 0.0},
    "marsaglia_tsang": {0.1: 0.0, 0.5: 0.0, 1.0: 0.0, 5.0: 0.0, 100.0: 0.0},
    "normal_to_gamma": {0.1: 0.0, 0.5: 0.0, 1.0: 0.0, 5.0: 0.0, 100.0: 0.0, 1e7: 0.0},
    "wilson_hilferty": {1.0: 0.014, 2.0: 0.004, 3.0: 0.002, 5.0: 0.0015, 100.0: 0.001},
    "wilson_hilferty_boosted": {0.05: 0.006, 0.1: 0.006, 0.5: 0.005, 1.0: 0.003, 5.0: 0.002},
}
CASES = [(name, alpha, d) for name, row in DISTANCE.items() for alpha, d in row.items()]


def float64(value):
    return torch.tensor(value, dtype=torch.float64)


def sampler_of(name, alpha, beta):
    """Of the logarithm of Gamma variables."""
    return SAMPLERS[name].of(Gamma(alpha, beta))


@pytest.mark.parametrize(("name", "alpha", "distance"), CASES)
def test_samples_follow_scipys_gamma(name, alpha, distance):
    n, beta = 200_000, 2.5
    z = sampler_of(name, float64(alpha), float64(beta)).rsample((n,)).exp().numpy()
    statistic = scipy.stats.kstest(z, scipy.stats.gamma(alpha, scale=1 / beta).cdf).statistic
    # 1.95 / sqrt(n): an exact sampler exceeds it once in a thousand seeds
    assert statistic < distance + 1.95 / math.sqrt(n)


@pytest.mark.parametrize("name", sorted(SAMPLERS.keys() - {"wilson_hilferty", "implicit"}))
@pytest.mark.parametrize("alpha", [0.02, 0.05, 0.1, 1.0, 5.0])
def test_float32_does_not_limit_the_logarithm_at_small_concentrations(name, alpha):
    """At 0.02, a sixth of the Gamma variables are smaller than every number of float32."""
    n = 200_000
    u = sampler_of(name, torch.tensor(alpha), torch.tensor(1.0)).rsample((n,))
    # in float64, where nothing underflows; the distribution function is a power below 1e-300
    z = u.double().numpy()
    found = np.where(z < -600, np.exp(alpha * z - math.lgamma(alpha + 1)), 0.0)
    found = np.where(z < -600, found, scipy.stats.gamma(alpha).cdf(np.exp(np.maximum(z, -600))))
    statistic = scipy.stats.kstest(found, scipy.stats.uniform.cdf).statistic
    approximate = 0.005 if name == "wilson_hilferty_boosted" else 0.0
    assert statistic < approximate + 1.95 / math.sqrt(n)


def test_torchs_own_sampler_is_limited_by_float32():
    tiny = torch.finfo(torch.float32).tiny
    u = sampler_of("implicit", torch.tensor(0.05), torch.tensor(1.0)).rsample((200_000,))
    below = scipy.stats.gamma(0.05).cdf(tiny)
    assert below == pytest.approx(0.013, abs=5e-4)
    standard_error = math.sqrt(below * (1 - below) / 200_000)
    share = (u <= math.log(tiny) + 1e-3).float().mean().item()
    assert share == pytest.approx(below, abs=4 * standard_error)


def test_wilson_hilferty_is_not_exact_where_its_docstring_says_so():
    for alpha, distance in ((1.0, 0.013), (2.0, 0.003), (3.0, 0.0015)):
        z = sampler_of("wilson_hilferty", float64(alpha), float64(1.0)).rsample((400_000,))
        statistic = scipy.stats.kstest(z.exp().numpy(), scipy.stats.gamma(alpha).cdf).statistic
        assert statistic == pytest.approx(distance, abs=1.95 / math.sqrt(400_000))


def test_the_map_from_normal_to_gamma_is_scipys_quantile():
    """As exactly as the docstring says, over all concentrations that a posterior may have."""
    alpha = torch.logspace(-1, 7, 81, dtype=torch.float64)[:, None]
    # beyond 4.5, scipy's function loses digits at concentrations above 1e5
    eps = torch.linspace(-4.4, 4.4, 401, dtype=torch.float64)[None]
    found = log_quantile(alpha, eps).numpy()
    a, e = np.broadcast_arrays(alpha.numpy(), eps.numpy())
    lower, upper = gammaincinv(a, scipy.stats.norm.cdf(e)), gammainccinv(a, scipy.stats.norm.sf(e))
    exact = np.log(np.where(e < 0, lower, upper))
    error = np.abs(found - exact)[np.isfinite(exact)]
    assert error.size > 0.99 * exact.size
    assert error.max() < 1e-8


def test_the_gradient_of_the_map_is_that_of_its_values():
    alpha = torch.logspace(-1, 4, 200, dtype=torch.float64)
    a = alpha.clone().requires_grad_()
    generator = torch.Generator().manual_seed(0)
    u = NormalToGamma(0 * a, a.rsqrt(), 1.0).rsample(generator=generator)
    (found,) = torch.autograd.grad(u.sum(), a)
    eps = torch.randn(200, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    h = 1e-5 * alpha
    ends = [log_quantile(end, eps) - end.log() for end in (alpha + h, alpha - h)]
    expected = (ends[0] - ends[1]) / (2 * h)
    # torch's implicit gradient is accurate to 7.5e-4 of the derivative of log z
    scale = (1 / alpha + expected.abs()).numpy()
    assert (np.abs((found - expected).numpy()) < 2e-3 * scale).all()


# Bias of the gradient that the approximation itself leaves, relative.
GRADIENT_BIAS = {
    "implicit": 1e-3,  # torch's own gradient is accurate to 7.5e-4
    "marsaglia_tsang": 2e-3,
    "normal_to_gamma": 1e-3,
    "wilson_hilferty": 3e-2,
    "wilson_hilferty_boosted": 1.5e-2,
}


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("alpha", [0.5, 3.0, 8.0])
def test_gradients_are_the_derivatives_of_the_moments(name, alpha):
    """E[z] = a/b and E[log z] = psi(a) - log b, differentiated by a and by b."""
    if alpha < GAMMA_REPARAMETERIZATIONS[name].min_concentration:
        pytest.skip("outside the sampler's range")
    n, beta = 200_000, 1.7
    a = torch.full((n,), alpha, dtype=torch.float64, requires_grad=True)
    b = torch.full((n,), beta, dtype=torch.float64, requires_grad=True)
    u = sampler_of(name, a, b).rsample()
    expected = {
        "z": (u.exp(), 1 / beta, -alpha / beta**2),
        "log z": (u, polygamma(1, alpha), -1 / beta),
    }
    for value, by_a, by_b in expected.values():
        gradients = torch.autograd.grad(value.sum(), (a, b), retain_graph=True)
        for gradient, truth in zip(gradients, (by_a, by_b), strict=True):
            standard_error = gradient.std().item() / math.sqrt(n)
            tolerance = 4 * standard_error + GRADIENT_BIAS[name] * abs(truth)
            assert gradient.mean().item() == pytest.approx(truth, abs=tolerance)


def test_the_gradient_of_wilson_hilferty_is_bounded():
    a = torch.full((10**6,), 1.0, requires_grad=True)
    (gradient,) = torch.autograd.grad(WilsonHilferty(0 * a, a, 1.0).rsample().sum(), a)
    assert gradient.isfinite().all()
    assert gradient.abs().max() < 200


@pytest.mark.parametrize("name", SAMPLERS)
def test_shapes_support_and_expand(name):
    q = SAMPLERS[name](torch.zeros(4, 1), torch.full((3,), 0.3), 1.0)
    assert (q.batch_shape, q.event_shape) == ((4, 3), ())
    u = q.rsample((1000,))
    assert u.shape == (1000, 4, 3)
    assert u.isfinite().all()
    assert q.sample((5,)).shape == (5, 4, 3)
    wider = q.expand((5, 4, 3))
    assert type(wider) is SAMPLERS[name]
    assert wider.rsample((2,)).shape == (2, 5, 4, 3)


@pytest.mark.parametrize("sampler", SAMPLERS.values())
def test_a_generator_decides_the_samples(sampler):
    q = sampler(torch.zeros(4), torch.full((4,), 0.8), 1.0)
    first = q.rsample(generator=torch.Generator().manual_seed(7))
    torch.rand(3)
    assert torch.equal(first, q.rsample(generator=torch.Generator().manual_seed(7)))
    assert not torch.equal(first, q.rsample(generator=torch.Generator().manual_seed(8)))


@pytest.mark.parametrize("sampler", OWN)
def test_only_the_sampler_differs_from_the_exact_distribution(sampler):
    parameters = torch.tensor([0.5, -3.0]), torch.tensor([0.2, 1.0]), torch.tensor(2.0)
    ours, exact, u = sampler(*parameters), LogGamma(*parameters), torch.tensor([0.7, -4.0])
    assert torch.equal(ours.log_prob(u), exact.log_prob(u))
    assert torch.equal(ours.entropy(), exact.entropy())
    assert torch.equal(ours.mean, exact.mean)
    assert torch.equal(ours.variance, exact.variance)


@pytest.mark.parametrize("gain", [0.7, 4.0, -4.0])
@pytest.mark.parametrize("scale", [0.3, 2.0])
def test_it_is_scipys_loggamma_shifted_and_scaled(gain, scale):
    q = LogGamma(float64(1.5), float64(scale), gain)
    alpha = (gain / scale) ** 2
    assert q.concentration.item() == pytest.approx(alpha)
    base = scipy.stats.loggamma(alpha, loc=-math.log(alpha))  # of zeta / alpha
    for u in (-3.0, 0.0, 1.5, 4.0):
        expected = base.logpdf((u - 1.5) / gain) - math.log(abs(gain))
        assert q.log_prob(float64(u)).item() == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert q.mean.item() == pytest.approx(1.5 + gain * base.mean())
    assert q.variance.item() == pytest.approx(gain**2 * base.var())
    assert q.entropy().item() == pytest.approx(base.entropy() + math.log(abs(gain)), rel=1e-6)
    total, _ = quad(lambda u: math.exp(q.log_prob(float64(u)).item()), -80, 80, points=[0, 1.5, 5])
    assert total == pytest.approx(1, abs=1e-6)


def test_its_exponential_is_torchs_gamma():
    gamma = Gamma(float64([0.5, 3.0, 900.0]), float64([2.0, 0.1, 30.0]))
    u = float64([-1.0, 2.0, 3.4])
    expected = gamma.log_prob(u.exp()) + u  # the Jacobian
    torch.testing.assert_close(LogGamma.of(gamma).log_prob(u), expected)


def test_it_tends_to_the_normal_distribution_and_its_skewness_is_of_the_order_of_the_gain():
    location, scale = float64(0.5), float64(0.7)
    u = torch.linspace(-2, 3, 50, dtype=torch.float64)
    near, normal = LogGamma(location, scale, 1e4), Normal(location, scale)
    torch.testing.assert_close(near.log_prob(u), normal.log_prob(u), atol=1e-3, rtol=0)
    for gain in (7.0, -7.0):
        alpha = (gain / 0.7) ** 2
        skewness = math.copysign(1, gain) * scipy.stats.loggamma(alpha).stats("s")
        assert skewness == pytest.approx(-0.7 / gain, rel=0.02)


@pytest.mark.parametrize("scale", [1e-3, 1e-2, 1.0])
def test_float32_is_enough_at_high_concentrations(scale):
    """The largest concentration here is 1.6e7, where the terms of the density are about 3e8."""
    q, wide = (LogGamma(*(kind(v) for v in (0.5, scale)), 4.0) for kind in (torch.tensor, float64))
    u = 0.5 + scale * torch.linspace(-4, 4, 41)
    difference = q.log_prob(u) - wide.log_prob(u.double()).float()
    assert difference.abs().max() < 1e-3
    assert q.mean.item() == pytest.approx(wide.mean.item(), abs=1e-6)
