import numpy as np
import pytest
import scipy.stats
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from gammvae.mixture.estimator import GammaMixture

WEIGHTS = np.array([0.5, 0.3, 0.2])
CONCENTRATIONS = np.array([[2.0, 9.0], [20.0, 1.5], [60.0, 40.0]])
RATES = np.array([[1.0, 3.0], [2.0, 0.5], [3.0, 10.0]])


def known_mixture(n_samples=4000, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, size=n_samples, p=WEIGHTS)
    return rng.gamma(CONCENTRATIONS[labels], 1 / RATES[labels]), labels


@pytest.mark.parametrize(("a", "b"), [(0.4, 2.0), (3.0, 0.1), (200.0, 5.0)])
def test_one_component_is_scipys_maximum_likelihood_fit(a, b):
    x = np.random.default_rng(0).gamma(a, 1 / b, size=(500, 1))
    mixture = GammaMixture(1).fit(x)
    concentration, _, scale = scipy.stats.gamma.fit(x, floc=0)
    assert mixture.concentrations_[0, 0] == pytest.approx(concentration, rel=1e-5)
    assert mixture.rates_[0, 0] == pytest.approx(1 / scale, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("init_params", ["kmeans", "random"])
def test_no_iteration_lowers_the_likelihood(seed, init_params):
    x, _ = known_mixture(500, seed)
    mixture = GammaMixture(5, init_params=init_params, tol=0, random_state=seed).fit(x)
    assert len(mixture.lower_bounds_) > 5
    assert np.diff(mixture.lower_bounds_).min() > -1e-9


def test_known_mixture_is_recovered():
    x, labels = known_mixture(8000)
    mixture = GammaMixture(3, n_init=3, tol=1e-8, max_iter=2000, random_state=0).fit(x)
    order = np.argsort(mixture.concentrations_[:, 0])
    # relative standard error of a concentration from n samples is about sqrt(2/n): 4 of the
    # smallest component's (1600 samples)
    np.testing.assert_allclose(mixture.weights_[order], WEIGHTS, atol=0.03)
    np.testing.assert_allclose(mixture.concentrations_[order], CONCENTRATIONS, rtol=0.15)
    np.testing.assert_allclose(mixture.rates_[order], RATES, rtol=0.15)
    truth = GammaMixture(3, init_params=labels, max_iter=1).fit(x)
    assert mixture.lower_bound_ >= truth.lower_bound_
    assert adjusted_rand_score(labels, mixture.labels_) > 0.9


def test_given_labels_make_the_first_m_step():
    x, labels = known_mixture(500)
    mixture = GammaMixture(3, init_params=labels, max_iter=1).fit(x)
    np.testing.assert_allclose(mixture.weights_, np.bincount(labels) / 500)
    concentration, _, scale = scipy.stats.gamma.fit(x[labels == 1, 0], floc=0)
    assert mixture.concentrations_[1, 0] == pytest.approx(concentration, rel=1e-5)
    assert mixture.rates_[1, 0] == pytest.approx(1 / scale, rel=1e-5)


def test_the_best_of_several_starts_is_kept():
    x, _ = known_mixture(300)
    random = np.random.RandomState(3)
    alone = [GammaMixture(4, init_params="random", random_state=random).fit(x) for _ in range(6)]
    together = GammaMixture(
        4, init_params="random", n_init=6, random_state=np.random.RandomState(3)
    ).fit(x)
    bounds = [mixture.lower_bound_ for mixture in alone]
    assert together.lower_bound_ == max(bounds)
    assert max(bounds) > min(bounds)


def test_prediction_agrees_with_the_fit_and_with_bayes():
    x, _ = known_mixture(500)
    mixture = GammaMixture(3, random_state=0).fit(x)
    np.testing.assert_array_equal(mixture.predict(x), mixture.labels_)
    np.testing.assert_array_equal(clone(mixture).fit_predict(x), mixture.labels_)
    resp = mixture.predict_proba(x)
    np.testing.assert_allclose(resp.sum(1), 1)
    np.testing.assert_array_equal(resp.argmax(1), mixture.labels_)
    density = sum(
        mixture.weights_[k]
        * scipy.stats.gamma.pdf(x, mixture.concentrations_[k], scale=1 / mixture.rates_[k]).prod(1)
        for k in range(3)
    )
    np.testing.assert_allclose(mixture.score_samples(x), np.log(density))
    assert mixture.score(x) == pytest.approx(mixture.lower_bound_)


def test_information_criteria_count_the_parameters():
    x, _ = known_mixture(500)
    mixture = GammaMixture(3, random_state=0).fit(x)
    log_likelihood, parameters = 500 * mixture.score(x), 2 + 6 + 6
    assert mixture.aic(x) == pytest.approx(2 * parameters - 2 * log_likelihood)
    assert mixture.bic(x) == pytest.approx(parameters * np.log(500) - 2 * log_likelihood)


def test_bic_finds_the_number_of_components():
    x, _ = known_mixture(2000)
    bic = [GammaMixture(k, n_init=2, random_state=0).fit(x).bic(x) for k in (1, 2, 3, 5)]
    assert np.argmin(bic) == 2


def test_samples_follow_the_fitted_mixture():
    x, _ = known_mixture(2000)
    mixture = GammaMixture(3, random_state=0).fit(x)
    sample, labels = mixture.sample(20_000)
    np.testing.assert_allclose(np.bincount(labels) / 20_000, mixture.weights_, atol=0.015)
    for k in range(3):
        part = sample[labels == k, 0]
        law = scipy.stats.gamma(mixture.concentrations_[k, 0], scale=1 / mixture.rates_[k, 0])
        assert scipy.stats.kstest(part, law.cdf).pvalue > 1e-3


def test_an_empty_component_breaks_nothing():
    x, _ = known_mixture(200)
    mixture = GammaMixture(4, init_params=np.zeros(200, dtype=int)).fit(x)
    np.testing.assert_allclose(mixture.weights_, [1, 0, 0, 0])
    assert np.isfinite(mixture.concentrations_).all()
    assert np.isfinite(mixture.score_samples(x)).all()
    assert mixture.sample(10)[0].shape == (10, 2)


def test_a_constant_feature_breaks_nothing():
    x, labels = known_mixture(500)
    x = np.column_stack([x, np.full(500, 3.0)])
    mixture = GammaMixture(3, random_state=0).fit(x)
    np.testing.assert_allclose(mixture.concentrations_[:, 2], mixture.max_concentration)
    np.testing.assert_allclose(mixture.concentrations_[:, 2] / mixture.rates_[:, 2], 3.0)
    assert np.isfinite(mixture.score_samples(x)).all()
    assert adjusted_rand_score(labels, mixture.labels_) > 0.6
    assert np.diff(mixture.lower_bounds_).min() > -1e-6


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_duplicated_points_break_nothing():
    x = np.repeat([[1.0, 2.0], [5.0, 0.5]], 20, axis=0)
    mixture = GammaMixture(4, random_state=0).fit(x)
    assert np.isfinite(mixture.score_samples(x)).all()
    assert len(np.unique(mixture.labels_[:20])) == len(np.unique(mixture.labels_[20:])) == 1
    assert mixture.labels_[0] != mixture.labels_[20]


@pytest.mark.parametrize("smallest", [1e-10, 1e-150, 1e-300, 5e-324])
def test_tiny_values_break_nothing(smallest):
    x, _ = known_mixture(200)
    x[:5] = smallest
    mixture = GammaMixture(3, random_state=0).fit(x)
    assert np.isfinite(mixture.lower_bounds_).all()
    assert np.diff(mixture.lower_bounds_).min() > -1e-6
    assert np.isfinite(mixture.predict_proba(x)).all()
    assert np.isfinite(mixture.concentrations_).all()
    assert np.isfinite(mixture.rates_).all()


def test_the_fit_does_not_depend_on_the_scale_of_a_feature():
    x, _ = known_mixture(500)
    first = GammaMixture(3, random_state=0).fit(x)
    second = GammaMixture(3, random_state=0).fit(x * [1e6, 1e-6])
    np.testing.assert_array_equal(first.labels_, second.labels_)
    np.testing.assert_allclose(first.concentrations_, second.concentrations_, rtol=1e-6)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, "n_components must be a whole number of at least 1, got 0"),
        ({"n_components": 11}, "n_components=11 must not exceed n_samples=10"),
        ({"max_iter": 0}, "max_iter must be a whole number of at least 1"),
        ({"n_init": 0}, "n_init must be a whole number of at least 1"),
        ({"tol": -1.0}, "tol must not be negative, got -1.0"),
        ({"init_params": "kmean"}, "init_params must be 'kmeans', 'random' or labels"),
        ({"init_params": [0] * 9}, r"labels must have shape \(10,\), got \(9,\)"),
        ({"init_params": [1] * 10}, r"labels must lie in 0 .. 0, got 1 .. 1"),
        ({"init_params": [0.5] * 10}, "labels must be integers, got float64"),
        (
            {"max_concentration": 0.0},
            "max_concentration must be above 0.001 and at most 1e\\+07, got 0.0",
        ),
    ],
)
def test_parameters_out_of_range_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        GammaMixture(**parameters).fit(np.ones((10, 2)))


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_data_outside_the_support_are_refused(value):
    x = np.ones((10, 2))
    x[3, 1] = value
    with pytest.raises(ValueError, match=r"must be positive|NaN|infinity"):
        GammaMixture().fit(x)


def test_zeros_are_raised_to_the_smallest_positive_value_of_their_feature():
    x, _ = known_mixture(200)
    least = x.min(0)
    with_zeros = np.vstack([x, [[0, 5.0], [2.0, 0]]])
    raised = np.vstack([x, [[least[0], 5.0], [2.0, least[1]]]])
    mixture = GammaMixture(3, random_state=0)
    with pytest.warns(UserWarning, match="X has 2 zeros"):
        found = clone(mixture).fit(with_zeros)
    expected = mixture.fit(raised)
    np.testing.assert_array_equal(found.rates_, expected.rates_)
    np.testing.assert_array_equal(found.score_samples(with_zeros), expected.score_samples(raised))


@pytest.mark.filterwarnings("ignore:X has 4 zeros")
def test_a_feature_of_zeros_alone_breaks_nothing():
    mixture = GammaMixture().fit(np.array([[1.0, 0], [2, 0], [3, 0], [4, 0]]))
    assert np.isfinite(mixture.score_samples(np.array([[1.0, 0], [2, 0]]))).all()


@pytest.mark.filterwarnings("ignore:X has .* zeros")
@parametrize_with_checks([GammaMixture()])
def test_scikit_learns_conventions(estimator, check):
    check(estimator)


def test_what_is_no_number_or_too_few_iterations_is_said():
    x = np.random.default_rng(0).gamma(2.0, size=(60, 2))
    masked = np.ma.masked_array(x, np.arange(x.size).reshape(x.shape) < 2)
    with pytest.raises(ValueError, match="X is an array with 2 masked values"):
        GammaMixture(2).fit(masked)
    GammaMixture(2).fit(np.ma.masked_array(x))  # nothing is masked
    with pytest.raises(ValueError, match="n_components must be a whole number .* got 'auto'"):
        GammaMixture("auto").fit(x)
    with pytest.warns(ConvergenceWarning, match="did not converge in max_iter=1 iterations"):
        assert not GammaMixture(2, max_iter=1, random_state=0).fit(x).converged_
