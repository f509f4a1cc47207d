import dataclasses
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse

from gammvae.config.published import AboutConfig
from gammvae.data.dataset import Dataset
from gammvae.data.rows import SparseRows
from gammvae.data.training_data import choose_likelihood, load_data
from gammvae.errors import InputError
from tests.conftest import compose_config

GOOD = Dataset(np.linspace(0, 1, 20, dtype=np.float32).reshape(5, 4), np.arange(5), (1, 2, 2))


def with_value(value):
    x = GOOD.x.copy()
    x[3, 2] = value
    return replace(GOOD, x=x)


def mine(dataset, *overrides, **changes):
    """The configuration of a dataset whose loader returns the given one."""
    global GIVEN
    GIVEN = dataset
    config = compose_config("dataset=digits", *overrides).dataset
    loader = {"_target_": f"{__name__}.given"}
    plain = {"name": "mine", "loader": loader, "about": AboutConfig(), **changes}
    return dataclasses.replace(config, **plain)


def given() -> Dataset:
    """A user's own loader."""
    return GIVEN


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (with_value(1.5), r"values from 0 to 1.5: a bernoulli likelihood needs values in \[0, 1\]"),
        (with_value(-0.1), "values from -0.1 to 1"),
    ],
)
def test_a_bernoulli_likelihood_needs_values_between_0_and_1(dataset, message):
    with pytest.raises(InputError, match=message):
        load_data(mine(dataset), "none", "cpu")
    assert load_data(mine(dataset), "minmax", "cpu").facts.likelihood == "bernoulli"
    assert load_data(mine(dataset, likelihood="normal"), "none", "cpu").facts.likelihood == "normal"


@pytest.mark.parametrize(
    ("preprocess", "low", "high", "expected"),
    [
        ("none", 0, 1, "bernoulli"),
        ("none", 0, 1.001, "normal"),
        ("none", -0.001, 1, "normal"),
        ("minmax", 0, 1, "bernoulli"),
        ("l2", 0, 1, "normal"),
        ("tfidf", 0, 1, "normal"),
        ("standardize", -np.inf, np.inf, "normal"),
    ],
)
def test_the_likelihood_follows_from_range_and_preprocessing(preprocess, low, high, expected):
    likelihood, reason = choose_likelihood("auto", preprocess, low, high)
    assert likelihood == expected
    assert reason.startswith(f"likelihood {expected}, because")
    assert choose_likelihood("normal", preprocess, low, high) == ("normal", "")


def test_units_that_suit_no_likelihood_are_pointed_out():
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    wild = Dataset(x * np.float32([1, 1, 1, 5000]), None, (4,))
    bytes_ = Dataset(np.clip(np.abs(x) * 200, 0, 255), None, (2, 2))
    normal = {"likelihood": "normal"}
    assert load_data(mine(Dataset(x, None, (4,)), **normal), "none", "cpu").notes == ()
    assert "preprocess=standardize" in load_data(mine(wild, **normal), "none", "cpu").notes[0]
    assert load_data(mine(wild, **normal), "standardize", "cpu").notes == ()
    bytes_.x[0, 0], bytes_.x[0, 1] = 0, 255
    assert "preprocess=minmax" in load_data(mine(bytes_, **normal), "none", "cpu").notes[0]


def test_the_digest_sees_every_part_of_the_data_and_not_the_preprocessing():
    digests = {
        GOOD.digest,
        with_value(0.25).digest,
        replace(GOOD, y=np.arange(5)[::-1]).digest,
        replace(GOOD, y=None).digest,
        replace(GOOD, shape=(4,)).digest,
    }
    assert len(digests) == 5
    assert replace(GOOD, x=GOOD.x.copy(), notes=("other",)).digest == GOOD.digest
    assert load_data(mine(GOOD), "minmax", "cpu").digest == GOOD.digest


def auto(dataset):
    """Its configuration with the likelihood that suits it."""
    return mine(dataset, likelihood="auto")


FINE = np.random.default_rng(0).normal(size=(40, 3)) * 0.2 + 2e7


@pytest.mark.parametrize("preprocess", ["standardize", "minmax"])
def test_a_spread_below_the_precision_of_float32_is_kept_by_preprocessing(preprocess):
    data = load_data(auto(Dataset(FINE, None, (3,))), preprocess, "cpu")
    low, high = FINE.min(0), FINE.max(0)
    expected = (FINE - FINE.mean(0)) / FINE.std(0)
    if preprocess == "minmax":
        expected = (FINE - low) / (high - low)
    np.testing.assert_allclose(data.rows[0:40], expected, atol=1e-6)
    assert data.rows[0:40].dtype == np.float32
    assert not any("float32" in note for note in data.notes)


def test_a_spread_that_float32_loses_is_said():
    wide = Dataset((FINE - 2e7) * 10 + 2e7, None, (3,), names=("a", "b", "c"))
    notes = load_data(auto(wide), "none", "cpu").notes
    assert "3 features, " in notes[-1]
    assert "of which float32 loses up to 0.995; preprocess=standardize shifts" in notes[-1]
    exact = Dataset(np.round(wide.x / 2) * 2, None, (3,))
    assert not any("float32" in note for note in load_data(auto(exact), "none", "cpu").notes)
    shifted = Dataset(np.random.default_rng(0).normal(size=(40, 3)) * 5 + 2e7, None, (3,))
    for name, said in {"l2": True, "tfidf": True, "standardize": False, "minmax": False}.items():
        notes = load_data(auto(shifted), name, "cpu").notes
        assert any("of which float32 loses" in note for note in notes) == said
    narrow = Dataset(FINE, None, (3,))
    with pytest.raises(InputError, match="40 samples that are equal when they are rounded to floa"):
        load_data(auto(narrow), "none", "cpu")
    assert np.ptp(load_data(auto(narrow), "standardize", "cpu").rows[0:40]) > 3


def test_classes_that_all_differ_are_remarked_on():
    assert "all 5 classes differ" in load_data(auto(GOOD), "none", "cpu").notes[-1]
    same = replace(GOOD, y=np.array([0, 1, 2, 3, 3]))
    assert not any("differ" in note for note in load_data(auto(same), "none", "cpu").notes)


@pytest.mark.parametrize("scale", [1e19, 1e37])
def test_values_whose_squares_overflow_are_refused_unless_they_are_scaled(scale):
    large = Dataset(np.float32(np.random.default_rng(0).normal(size=(30, 4)) * scale), None, (4,))
    with pytest.raises(InputError, match="the sum of 120 squares of these overflows float32; prep"):
        load_data(auto(large), "none", "cpu")
    for name, most in {"standardize": 5, "minmax": 1, "l2": 1}.items():
        rows = load_data(auto(large), name, "cpu").rows[0:30]
        assert np.abs(rows).max() <= most
        assert np.linalg.norm(rows) > 1
    load_data(auto(Dataset(large.x / np.float32(scale) * 1e15, None, (4,))), "none", "cpu")


def test_values_whose_squares_vanish_are_scaled_before():
    usual = np.random.default_rng(0).normal(2, [1, 3, 5, 0], size=(30, 4))
    small = Dataset(usual * 1e-200, None, (4,))
    for name in ("standardize", "l2"):
        expected = load_data(auto(Dataset(usual, None, (4,))), name, "cpu").rows[0:30]
        found = load_data(auto(small), name, "cpu").rows[0:30]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="equal when they are rounded to float32"):
        load_data(auto(small), "none", "cpu")


@pytest.mark.parametrize(
    "fill",
    [-9999, -999, 99999, 65535, 4294967295, 1e20, -32768, 9.969209968386869e36, 3.4e38, -2.5e31],
)
@pytest.mark.parametrize("sparse", [False, True])
def test_a_value_that_may_stand_for_a_missing_one_is_remarked_on(fill, sparse):
    x = np.random.default_rng(0).normal(size=(100, 3))
    x[7:20, 1] = fill
    rows = SparseRows(scipy.sparse.csr_matrix(x)) if sparse else x
    found = Dataset(rows, None, (3,), names=("a", "b", "c"))
    notes = load_data(auto(found), "standardize", "cpu").notes
    assert f"feature 'b' has a value far from all others, {fill:g} in 13 of 100" in notes[-1]


@pytest.mark.parametrize("kind", ["once", "near", "everywhere", "ordinary"])
def test_other_values_are_not_remarked_on(kind):
    x = np.random.default_rng(0).normal(size=(100, 2)) * 100
    if kind == "once":
        x[3, 0] = -9999
    if kind == "near":  # an ordinary value of counts that reach it
        x[:, 0] = np.linspace(0, 999, 100)
        x[90:, 0] = 999
    if kind == "everywhere":
        x[:, 0] = 9999
    notes = load_data(auto(Dataset(x, None, (2,))), "standardize", "cpu").notes
    assert not any("far from all others" in note for note in notes)


def test_a_fill_value_is_named_where_its_squares_overflow():
    x = np.random.default_rng(0).normal(size=(100, 3))
    x[7:20, 1] = 3.4e38
    with pytest.raises(InputError, match="overflows float32; .*; feature 1 has a value far from"):
        load_data(auto(Dataset(x, None, (3,))), "none", "cpu")
    for name in ("standardize", "minmax", "l2"):
        assert (
            "3.4e+38 in 13 of 100" in load_data(auto(Dataset(x, None, (3,))), name, "cpu").notes[-1]
        )


def test_constant_features_are_named_but_not_those_of_images():
    x = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
    x[:, 2] = 7
    for stored in (x, SparseRows(scipy.sparse.csr_array(x))):
        table = auto(Dataset(stored, None, (4,), names=("a", "b", "c", "d")))
        assert "feature 'c' has the same value in all" in load_data(table, "none", "cpu").notes[-1]
    x[:, 0] = 0
    two = load_data(auto(Dataset(x, None, (4,))), "standardize", "cpu").notes[-1]
    assert two.startswith("2 features, 0 for one, have the same value in all samples")
    image = load_data(auto(Dataset(x, None, (1, 2, 2))), "none", "cpu")
    assert not any("the same value" in note for note in image.notes)
