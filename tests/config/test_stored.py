import dataclasses

import pytest

from gammvae.config.identity import identity
from gammvae.config.stored import from_stored, with_present_names
from tests.conftest import compose_config


def test_a_configuration_from_before_a_setting_came_means_what_it_meant():
    tree = dataclasses.asdict(compose_config())
    for name in ("header", "index", "channels"):
        del tree["dataset"][name]
    config = from_stored(tree)
    assert (config.dataset.header, config.dataset.index) == (None, "counting")
    assert config.dataset.channels == "first"
    assert identity(config) == identity(compose_config())
    assert compose_config().dataset.channels is None


def test_a_run_from_before_the_recipes_of_the_sources_means_what_it_meant():
    tree = dataclasses.asdict(compose_config())
    later = {
        "architecture": ("units", "weights", "batch_norm", "decoder_gain"),
        "optimizer": ("warmup", "step_factor", "step_epochs", "step_updates", "step_floor"),
        "pretrain": ("loss", "layers"),
        "train": ("optimizer", "targets_every", "tolerance"),
        "model": ("starts", "center_rate"),
    }
    for section, names in later.items():
        for name in names:
            del tree[section][name]
    assert from_stored(tree) == from_stored(dataclasses.asdict(compose_config()))
    assert identity(from_stored(tree)) == identity(compose_config())


@pytest.mark.parametrize(
    "text", ["${oc.env:HOME}", "a${seed}b", "\\${seed}", "\\\\${seed}", "${", "x\\", "${a${b}}"]
)
def test_texts_of_a_stored_configuration_stand_for_themselves(text):
    tree = dataclasses.asdict(compose_config())
    tree["dataset"] |= {"path": text, "loader": {"_target_": text, "more": [{"deep": text}]}}
    config = from_stored(tree)
    assert config.dataset.path == text
    assert config.dataset.loader == {"_target_": text, "more": [{"deep": text}]}


def test_what_is_published_of_a_dataset_is_not_read_from_a_run():
    tree = dataclasses.asdict(compose_config())
    tree["dataset"]["about"] = {"files": {"../x": {"url": "file:///etc/passwd", "digest": ""}}}
    assert from_stored(tree).dataset.about.files == {}


@pytest.mark.parametrize(
    ("former", "now"), [(None, "mixture"), ("kmeans", "kmeans"), ("gmm", "gmm"), ("dec", "dec")]
)
def test_the_former_name_of_a_method_is_read(former, now):
    tree = dataclasses.asdict(compose_config())
    del tree["model"]["method"]
    tree["model"]["clusterer"] = former
    assert from_stored(tree).model.method == now
    assert tree["model"]["clusterer"] == former  # nothing is changed in place
    assert with_present_names(with_present_names(tree)) == with_present_names(tree)
