import dataclasses

import pytest
from omegaconf import OmegaConf

from gammvae.config.typed import literal, to_config
from gammvae.errors import InputError
from tests.conftest import compose_config


def test_later_layers_replace_values_of_earlier_ones():
    tree = dataclasses.asdict(compose_config())
    config = to_config(tree, {"seed": 3, "train": {"rounds": 2}})
    assert config == compose_config("seed=3", "train.rounds=2")
    assert to_config(tree, OmegaConf.create({"seed": 4, "batch_size": "${seed}"})).batch_size == 4


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"color": "red"}, "unknown option color: train has"),
        (OmegaConf.create({"color": "red"}), "unknown option color: train has"),
        ({"seed": "abc"}, "seed=abc is of the wrong type: it must be an integer"),
        ({"train": {"augment": "so"}}, "train.augment=so is of the wrong type: it must be true or"),
        ({"train": {"epochs": [1]}}, "train.epochs=.* wrong type: it must be null or an integer"),
        ({"seed": -1}, "seed=-1 is out of range"),
    ],
)
def test_what_does_not_fit_is_refused(layer, message):
    with pytest.raises(InputError, match=message):
        to_config(dataclasses.asdict(compose_config()), layer)


def test_texts_of_nested_values_are_taken_as_they_stand():
    tree = {"a": ["${b}", {"c": "x${d}"}], "b": 1, "n": None}
    assert OmegaConf.to_container(OmegaConf.create(literal(tree)), resolve=True) == tree
    assert tree["a"][0] == "${b}"
