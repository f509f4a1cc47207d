import pytest
from hydra import initialize_config_module
from hydra.core.global_hydra import GlobalHydra

from gammvae.config.composition import composed
from gammvae.errors import InputError
from tests.conftest import compose_config


def test_it_is_the_configuration_of_the_command():
    config, choices = composed(["model=vade", "report=false", "train.updates=7"])
    assert config == compose_config("model=vade", "train.updates=7")
    assert (choices["model"], choices["dataset"]) == ("vade", "digits")


def test_another_program_of_hydra_is_not_disturbed():
    with initialize_config_module("gammvae.conf", version_base="1.3"):
        outer = GlobalHydra.instance().hydra
        composed(["dataset=digits"])
        assert GlobalHydra.instance().hydra is outer


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("trian.updates=3", r"unknown option trian: did you mean train\? "),
        ("seed=-1", "seed=-1 is out of range"),
        ("seed=[", r"seed=\[ cannot be parsed"),
    ],
)
def test_errors_are_one_line(word, message):
    with pytest.raises(InputError, match=message):
        composed([word])
