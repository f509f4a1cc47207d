import tracemalloc

import numpy as np
import pytest
import scipy.stats
from scipy.special import digamma
from sklearn.mixture import GaussianMixture

from gammvae.mixture.em import (
    GammaFamily,
    LogGammaFamily,
    NormalFamily,
    expectation_maximization,
    fit_concentration,
    one_hot,
)
from tests.mixture.test_estimator import CONCENTRATIONS, RATES, known_mixture


def test_concentration_solves_its_equation():
    a = np.logspace(-2.5, 5, 60)
    solved = fit_concentration(np.log(a) - digamma(a), max_concentration=1e6)
    np.testing.assert_allclose(solved, a, rtol=1e-6)


def test_concentration_is_capped():
    assert fit_concentration(np.array([0.0, 1e-12]), 500.0).tolist() == [500.0, 500.0]


def test_weighted_fit_counts_a_sample_as_often_as_its_weight():
    x, _ = known_mixture(300)
    counts = np.random.default_rng(1).integers(0, 4, size=len(x))
    family = GammaFamily()
    weighted = counts @ family.statistics(x) / counts.sum()
    repeated = family.statistics(np.repeat(x, counts, axis=0)).mean(0)
    for ours, slow in zip(
        family.maximize(weighted[None]), family.maximize(repeated[None]), strict=True
    ):
        np.testing.assert_allclose(ours, slow)


def test_log_density_is_scipys():
    x, _ = known_mixture(50)
    family = GammaFamily()
    ours = family.log_density(family.statistics(x), (CONCENTRATIONS, RATES))
    for k in range(3):
        scipys = scipy.stats.gamma.logpdf(x, CONCENTRATIONS[k], scale=1 / RATES[k]).sum(1)
        np.testing.assert_allclose(ours[:, k], scipys)
    normal = NormalFamily()
    ours = normal.log_density(normal.statistics(x), (CONCENTRATIONS, RATES))
    for k in range(3):
        scipys = scipy.stats.norm.logpdf(x, CONCENTRATIONS[k], RATES[k]).sum(1)
        np.testing.assert_allclose(ours[:, k], scipys)
    for gain in (3.0, -3.0):
        log_gamma = LogGammaFamily(gain, 1e-3, 1e7)
        ours = log_gamma.log_density(log_gamma.statistics(x), (CONCENTRATIONS, RATES))
        for k in range(3):
            a = (gain / RATES[k]) ** 2
            inner = scipy.stats.loggamma.logpdf((x - CONCENTRATIONS[k]) / gain + np.log(a), a)
            np.testing.assert_allclose(ours[:, k], (inner - np.log(abs(gain))).sum(1))


@pytest.mark.parametrize("gain", [2.0, -2.0])
def test_logarithms_of_gamma_variables_are_fitted_as_these(gain):
    """The fit is that of exp(u / gain), in the units of u."""
    x, labels = known_mixture(1000)
    members = np.eye(3)[labels] / np.bincount(labels)
    gamma, log_gamma = GammaFamily(1e7), LogGammaFamily(gain, 1e-3, 1e7)
    concentration, rate = gamma.maximize(members.T @ gamma.statistics(x))
    location, scale = log_gamma.maximize(members.T @ log_gamma.statistics(gain * np.log(x)))
    np.testing.assert_allclose((gain / scale) ** 2, concentration)
    np.testing.assert_allclose(location, gain * np.log(concentration / rate))
    bounded = LogGammaFamily(gain, 5.0, 6.0)
    _, scale = bounded.maximize(members.T @ bounded.statistics(gain * np.log(x)))
    found = (gain / scale) ** 2
    assert found.min() >= 5 - 1e-9
    assert found.max() <= 6 + 1e-9


@pytest.mark.parametrize("family", [GammaFamily(), LogGammaFamily(4.0, 1.0, 1e7), NormalFamily()])
def test_em_does_not_depend_on_the_chunks_nor_on_how_labels_are_given(family, monkeypatch):
    x, _ = known_mixture(500)
    labels = np.random.default_rng(0).integers(4, size=len(x))
    arguments = family, family.statistics(x)
    *_, at_once = expectation_maximization(*arguments, labels, 4, max_iter=5, tol=0)
    monkeypatch.setattr("gammvae.mixture.em.RESPONSIBILITIES", 4 * 7)
    for start in (labels, one_hot(labels, 4)):
        *_, fit = expectation_maximization(*arguments, start, 4, max_iter=5, tol=0)
        assert fit.bound == pytest.approx(at_once.bound, abs=1e-9)
        np.testing.assert_array_equal(fit.labels, at_once.labels)
        np.testing.assert_allclose(fit.parameters, at_once.parameters, rtol=1e-9)


def test_memory_for_many_components_is_that_of_a_chunk(monkeypatch):
    monkeypatch.setattr("gammvae.mixture.em.RESPONSIBILITIES", 2**16)
    x, _ = known_mixture(2000)
    labels, family = np.arange(2000) % 1000, NormalFamily()
    statistics = family.statistics(x)
    tracemalloc.start()
    list(expectation_maximization(family, statistics, labels, 1000, max_iter=2, tol=0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2000 * 1000 * 8


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_normal_em_is_scikit_learns():
    x, labels = known_mixture(1000)
    family = NormalFamily()
    *_, fit = expectation_maximization(family, family.statistics(x), labels, 3, max_iter=50, tol=0)
    theirs = GaussianMixture(
        3,
        covariance_type="diag",
        reg_covar=0,
        tol=0,
        max_iter=500,
        means_init=[x[labels == k].mean(0) for k in range(3)],
    ).fit(x)
    assert fit.bound == pytest.approx(theirs.score(x), abs=1e-3)
