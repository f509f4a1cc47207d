import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from gammvae.config.composition import composed
from gammvae.errors import InputError
from gammvae.estimators.settings import (
    OF_SAMPLES,
    check_name,
    deviating,
    different,
    leaves,
    overrides,
    parameter,
    setting,
)

COMMON = ["dataset=file", "n_clusters=3"]


def test_a_parameter_is_a_setting_with_underscores():
    for name in leaves():
        assert setting(parameter(name)) == name


def test_all_settings_but_those_about_files_are_parameters():
    refused = []
    for name in map(parameter, leaves()):
        try:
            check_name(name)
        except InputError:
            refused.append(name)
    outside = [name for name in refused if not name.startswith("dataset__")]
    tracking = ["tracking", "tracking_folder", "tracking_project"]
    assert outside == ["output_root", "overwrite", "run_dir", "score_every", "seed", *tracking]
    assert not {f"dataset__{name}" for name in OF_SAMPLES} & set(refused)


@pytest.mark.parametrize(
    "settings",
    [
        {"train__updates": 7, "batch_size": 32, "optimizer__lr": 1e-5},
        {"architecture": "small", "init__covariances": None, "precision": "float32"},
        {"optimizer": "sgd", "optimizer__arguments": {"momentum": 0.5}},
        {"train__optimizer": "adam", "train__optimizer__lr": 0.5},
        {"train__optimizer": "sgd"},
        {"optimizer": "adamw", "train__optimizer": None},
        {"dataset__shape": [1, 2, 2], "train__augment": False, "compile": True},
        {"pretrained": "it's ${a} \\"},
        {"pretrain": {"epochs": 2, "layers": {"epochs": 3, "dropout": 0.1}}},
        {"pretrain__layers__updates": 50},
    ],
)
def test_overrides_say_what_parameters_do(settings):
    """And the difference from the defaults says it again."""
    words = overrides(settings)
    assert [one.get_key_element() for one in OverridesParser.create().parse_overrides(words)]
    config = composed([*COMMON, *words]).config
    again = deviating(config, COMMON[1:], None)
    repeated = composed([*COMMON, *overrides(again)]).config
    assert different(config, repeated) == {}


def test_equal_configurations_do_not_differ():
    usual = composed(COMMON).config
    assert different(usual, composed([*COMMON, "seed=4", "report=false"]).config) == {}
