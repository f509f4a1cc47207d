import pytest

from gammvae.config.sizing import NARROW, SMALL_TABLE, WIDE, chosen_by_size, sized
from gammvae.model.building import build_model
from tests.conftest import compose_config

FILE = ("dataset=file", "n_clusters=3")
FORMER = {
    "architecture.hidden": WIDE,
    "optimizer.lr": 1e-3,
    "optimizer.mixture_lr": 1e-3,
    "pretrain.updates": 3000,
    "train.updates": 3000,
}
SMALL = {
    "architecture.hidden": NARROW,
    "optimizer.lr": 8e-3,
    "optimizer.mixture_lr": 8e-3,
    "pretrain.updates": 1000,
    "train.updates": 500,
}


@pytest.mark.parametrize(
    ("n_samples", "expected"),
    [(116, SMALL), (SMALL_TABLE // 10 - 1, SMALL), (SMALL_TABLE // 10, FORMER), (10**6, FORMER)],
)
def test_a_small_table_gets_a_narrow_network_and_few_steps(n_samples, expected):
    assert chosen_by_size(compose_config(*FILE), n_samples, 10) == expected


def test_a_small_table_has_fewer_values_than_the_narrow_network_has_weights():
    """Its weights are a constant and as many for each feature."""
    config = compose_config(*FILE, "architecture=small")

    def weights(n_features):
        model = build_model(config, (n_features,), "bernoulli")
        return sum(w.numel() for w in [*model.encoder.parameters(), *model.decoder.parameters()])

    assert 2 * weights(10) - weights(20) == SMALL_TABLE


@pytest.mark.parametrize(
    ("given", "hidden", "rate", "updates"),
    [
        ("architecture.hidden=[64,32]", [64, 32], 1e-3, (3000, 3000)),
        ("architecture=mlp", WIDE, 1e-3, (3000, 3000)),
        ("architecture=small", NARROW, 8e-3, (1000, 500)),
        ("optimizer.lr=0.002", NARROW, 2e-3, (3000, 3000)),
        ("optimizer=adamw", NARROW, 8e-3, (1000, 500)),
        ("optimizer=sgd", NARROW, 1e-3, (3000, 3000)),
        ("optimizer.mixture_lr=0.5", NARROW, 8e-3, (1000, 500)),
        ("pretrain.updates=7", NARROW, 8e-3, (7, 500)),
        ("train.updates=0", NARROW, 8e-3, (1000, 0)),
        ("recipe=images", NARROW, 8e-3, (8000, 8000)),
        ("experiment=plain", NARROW, 1e-3, (3000, 3000)),
    ],
)
def test_given_settings_are_kept_and_few_steps_need_the_higher_rate(given, hidden, rate, updates):
    config = sized(compose_config(*FILE, given), 116, 9)
    assert config.architecture.hidden == hidden
    assert config.optimizer.lr == rate
    assert (config.pretrain.updates, config.train.updates) == updates


def test_convolutions_keep_their_rate():
    config = sized(compose_config(*FILE, "architecture=conv"), 116, 9)
    assert (config.architecture.hidden, config.optimizer.lr) == ([], 1e-3)


def test_the_rate_of_digits_follows_the_network():
    rates = {
        name: sized(compose_config(f"architecture={name}"), 1797, 64).optimizer.lr
        for name in ("small", "mlp", "conv")
    }
    assert rates == {"small": 8e-3, "mlp": 1e-3, "conv": 1e-3}


def test_a_rate_given_for_the_networks_is_that_of_the_mixture():
    full = sized(compose_config(*FILE, "optimizer.lr=0.002"), 116, 9)
    assert full.optimizer.mixture_lr == full.optimizer.lr == 0.002
    assert full.architecture.hidden == NARROW


@pytest.mark.parametrize("dataset", ["mnist", "usps", "hhar", "stl10", "reuters10k"])
def test_networks_and_rates_of_benchmarks_do_not_depend_on_the_number_of_samples(dataset):
    config = compose_config(f"dataset={dataset}")
    assert set(chosen_by_size(config, 100, 10)) <= {"pretrain.updates", "train.updates"}
    assert sized(config, 100, 10) == sized(config, 10**6, 10)


def test_the_given_configuration_stays_unchanged():
    config = compose_config(*FILE)
    before = repr(config)
    sized(config, 116, 9)
    assert repr(config) == before
