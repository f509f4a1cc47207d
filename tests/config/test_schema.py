import dataclasses
import math
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from gammvae.cli.catalog import USERS_OWN
from gammvae.config.ranges import REPARAMETERIZATIONS, RULES
from gammvae.config.schema import Config
from gammvae.config.sections import StageConfig
from gammvae.config.sizing import sized
from gammvae.errors import InputError
from gammvae.model.building import assembled, build_model, build_optimizer, number_of_epochs
from gammvae.model.log_gamma import GAMMA_REPARAMETERIZATIONS
from gammvae.model.networks import DECODERS
from gammvae.training.schedules import KL_SCHEDULES, SCHEDULES
from gammvae.training.stages import optimizer_settings
from tests.conftest import compose_config

CONF = Path(__file__).parents[2] / "conf"


def names(group):
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@pytest.mark.parametrize("architecture", names("architecture"))
@pytest.mark.parametrize("model", names("model"))
@pytest.mark.parametrize("dataset", names("dataset"))
def test_every_combination_composes_and_builds(dataset, model, architecture):
    overrides = ["n_clusters=3"] if dataset in USERS_OWN else []
    config = compose_config(
        f"dataset={dataset}", f"model={model}", f"architecture={architecture}", *overrides
    )
    assert config.architecture.name == architecture
    assert config.n_clusters == config.dataset.n_clusters
    built = build_model(sized(config, 100, 20), (1, 5, 4), "normal")
    assert len(built.prior.logits) == config.n_clusters


@pytest.mark.parametrize("optimizer", names("optimizer"))
def test_every_optimizer_gives_the_mixture_its_own_rate_and_no_decay(optimizer):
    config = compose_config("dataset=mnist", f"optimizer={optimizer}", "optimizer.mixture_lr=0.5")
    model = build_model(config, (1, 5, 4), "normal")
    networks, mixture = build_optimizer(config.optimizer, model).param_groups
    assert networks["lr"] == config.optimizer.lr
    assert mixture["lr"] == 0.5
    assert mixture["weight_decay"] == 0
    parameters = {id(p) for group in (networks, mixture) for p in group["params"]}
    assert parameters == {id(p) for p in model.parameters()}
    assert {id(p) for p in mixture["params"]} == {id(p) for p in model.prior.parameters()}


def test_a_weight_that_encoder_and_decoder_share_is_trained_once():
    config = compose_config("dataset=mnist")
    model = build_model(config, (1, 5, 4), "normal")
    model.encoder.shared = model.decoder.head.bias
    networks, _ = build_optimizer(config.optimizer, model).param_groups
    assert len(networks["params"]) == len({id(weight) for weight in networks["params"]})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["architecture.hidden=[1000000,1000000]"],
            r"hidden=\[1000000, 1000000\] and architecture",
        ),
        (
            ["architecture=conv", "architecture.channels=[1000000,1000000]"],
            "architecture.channels=",
        ),
        (
            ["architecture.latent_dim=10000", "n_clusters=100000"],
            "latent_dim=10000 make .* weights",
        ),
    ],
)
def test_a_model_that_does_not_fit_into_memory_is_refused_before_it_is_made(overrides, message):
    with pytest.raises(InputError, match=message):
        build_model(compose_config(*overrides), (1, 8, 8), "normal")


@pytest.mark.parametrize("architecture", names("architecture"))
def test_the_check_of_memory_draws_no_random_numbers(architecture):
    config = sized(compose_config(f"architecture={architecture}"), 100, 64)
    one, other = (
        (torch.manual_seed(3), build(config, (1, 8, 8), "normal").state_dict())[1]
        for build in (build_model, assembled)
    )
    assert all(torch.equal(one[name], other[name]) for name in other)
    assert one.keys() == other.keys()


def test_training_may_have_an_optimizer_of_its_own():
    assert compose_config().train.optimizer is None
    config = compose_config("+optimizer@train.optimizer=sgd", "train.optimizer.lr=0.5")
    assert (config.train.optimizer.name, config.optimizer.name) == ("SGD", "Adam")
    assert config.train.optimizer.mixture_lr == 0.5  # follows the rate beside it
    assert optimizer_settings(config, config.train).name == "SGD"
    assert optimizer_settings(config, config.pretrain).name == "Adam"
    assert optimizer_settings(compose_config(), compose_config().train).name == "Adam"
    for wrong in ("lr=0", "lr=null", "warmup=2", "schedule=stairs"):
        with pytest.raises(InputError, match=r"^train.optimizer.\w+=.* is out of range"):
            compose_config("+optimizer@train.optimizer=sgd", f"train.optimizer.{wrong}")
    config.train.optimizer.name = "Other"
    model = build_model(sized(config, 100, 64), (1, 8, 8), "normal")
    with pytest.raises(InputError, match="train.optimizer.name=Other is unknown"):
        build_optimizer(config.train.optimizer, model, "train.optimizer")


def test_first_weights_and_gain_of_the_decoder_are_settings():
    config = compose_config("architecture.weights=fan_in", "architecture.decoder_gain=2")
    model = build_model(config, (1, 8, 8), "normal")
    assert model.encoder.body[0].weight.abs().max() <= 1 / 8
    assert torch.equal(model.prior.latents.read(torch.ones(1, 10)), torch.full((1, 10), 2.0))


@pytest.mark.parametrize("arguments", ["betas: [2, 3]", "foreach: true", "unknown: 1"])
def test_what_an_optimizer_refuses_is_one_line(arguments):
    config = compose_config("dataset=mnist")
    config.optimizer.arguments = OmegaConf.to_object(OmegaConf.create(f"{{{arguments}}}"))
    with pytest.raises(InputError, match="do not suit Adam"):
        build_optimizer(config.optimizer, build_model(config, (1, 8, 8), "normal"))


@pytest.mark.parametrize("start", names("init"))
def test_every_start_composes(start):
    extra = ["init.labels=mine.npy"] if start == "labels" else []
    assert compose_config(f"init={start}", *extra).init.start == start


@pytest.mark.parametrize("experiment", names("experiment"))
def test_every_experiment_composes(experiment):
    compose_config(f"experiment={experiment}")


def test_a_dataset_proposes_an_architecture_and_the_command_line_decides():
    assert compose_config().architecture.name == "small"
    assert compose_config("dataset=usps").architecture.name == "mlp"
    assert compose_config("architecture=mlp").architecture.name == "mlp"


def test_names_in_the_rules_are_those_of_the_code():
    assert set(REPARAMETERIZATIONS["gamma"]) == set(GAMMA_REPARAMETERIZATIONS)
    for key, known in {
        "dataset.likelihood": DECODERS,
        "optimizer.schedule": (*SCHEDULES, "step"),
        "pretrain.kl_schedule": KL_SCHEDULES,
        "train.kl_schedule": KL_SCHEDULES,
        "model.family": REPARAMETERIZATIONS,
    }.items():
        assert all(RULES[key].holds(name) for name in known)
        assert not RULES[key].holds("other")


@pytest.mark.parametrize(
    "override",
    [
        "seed=-1",
        "seed=2147483648",
        "batch_size=0",
        "n_clusters=0",
        "device=gpu",
        "device=cuda:",
        "precision=float16",
        "optimizer.lr=0",
        "optimizer.lr=nan",
        "optimizer.lr=inf",
        "optimizer.mixture_lr=-1",
        "optimizer.schedule=stairs",
        "optimizer.clip_grad_norm=0",
        "optimizer.warmup=1.1",
        "optimizer.step_factor=-1",
        "optimizer.step_epochs=0",
        "optimizer.step_updates=0",
        "optimizer.step_floor=2",
        "architecture.units=mine",
        "architecture.weights=uniform",
        "architecture.decoder_gain=0",
        "model.starts=0",
        "model.center_rate=1.5",
        "pretrain.loss=absolute_error",
        "train.targets_every=0",
        "train.targets_every=2.5",
        "train.targets_every=batches",
        "train.targets_every=true",
        "train.tolerance=2",
        "architecture.hidden=[10,0]",
        "architecture.latent_dim=0",
        "dataset.likelihood=poisson",
        "model.family=beta",
        "init.n_init=0",
        "init.tol=-1",
        "init.max_iter=0",
        "pretrain.epochs=-1",
        "pretrain.updates=-1",
        "pretrain.kl_weight=-1",
        "train.epochs=-1",
        "train.kl_weight=0",
        "dataset.index=drop",
        "dataset.channels=middle",
        *(
            f"{key}=99999999999999999999"
            for key in (
                *("batch_size", "seed", "n_clusters"),
                *("architecture.latent_dim", "model.components", "init.n_init"),
                *("init.n_neighbors", "init.max_samples", "init.max_iter", "pretrain.epochs"),
                *("pretrain.updates", "train.epochs", "train.updates", "train.rounds"),
            )
        ),
        "architecture.hidden=[99999999999999999999]",
        "architecture.channels=[99999999999999999999]",
        "dataset.shape=[99999999999999999999]",
    ],
)
def test_values_out_of_range_are_refused_by_name(override):
    key, _, value = override.partition("=")
    with pytest.raises(InputError, match=rf"^{key}=.* is out of range: it must be "):
        compose_config(override)


def test_the_number_of_classes_of_a_dataset_is_in_range():
    with pytest.raises(InputError, match=r"^n_clusters=0 is out of range"):  # which refers to it
        compose_config("dataset.n_clusters=0")
    with pytest.raises(InputError, match=r"^dataset.n_clusters=0 is out of range"):
        compose_config("dataset.n_clusters=0", "n_clusters=3")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["model.reparameterization=exact"], "model.reparameterization=exact is unknown"),
        (["model=vade", "model.reparameterization=implicit"], "must be one of location_scale"),
        (["model=vade", "model.gain=2"], "model.gain=2.0 must be null for model.family=normal"),
        (["architecture.hidden=[]"], r"architecture.hidden=\[\] does not go with"),
        (["architecture.channels=[8]"], "exactly one of them must be given"),
        (
            ["architecture=conv", "architecture.batch_norm=true"],
            "architecture.batch_norm=true goes with architecture.hidden only",
        ),
        (["architecture.batch_norm=true", "batch_size=2"], "batch_size=2 .* must be at least 3"),
        (["init=labels"], "init.labels=None does not go with init.start=labels"),
        (["init.labels=x.npy"], "init.labels=x.npy does not go with init.start=manifold"),
        (
            ["pretrain.loss=squared_error", "pretrain.kl_weight=1"],
            "pretrain.kl_weight=1.0 does not",
        ),
        (["~dataset.loader._target_"], "must have a _target_"),
    ],
)
def test_rules_between_fields(overrides, message):
    with pytest.raises(InputError, match=message):
        compose_config(*overrides)


def test_a_stored_configuration_comes_back_the_same():
    config = compose_config("train.epochs=3")
    stored = OmegaConf.create(OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(config))))
    assert OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(Config), stored)) == config


@pytest.mark.parametrize(
    ("epochs", "updates", "n_samples", "expected"),
    [
        (7, 3000, 70_000, 7),
        (0, 3000, 70_000, 0),
        (None, 3000, 70_000, 11),
        (None, 3000, 1797, 375),
        (None, 10, 70_000, 1),
    ],
)
def test_epochs_follow_from_the_number_of_updates(epochs, updates, n_samples, expected):
    assert (
        number_of_epochs(
            StageConfig(epochs, updates, 1.0, "constant", False), math.ceil(n_samples / 256)
        )
        == expected
    )


def test_a_text_in_a_numbers_place_is_shown_as_text():
    with pytest.raises(InputError, match='^n_clusters="3" is out of range: it must be a number'):
        compose_config("n_clusters='3'")
