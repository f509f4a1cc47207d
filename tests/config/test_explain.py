import re
import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException

from gammvae.config.composition import composed, search_path
from gammvae.config.explain import explain, explained
from gammvae.errors import InputError
from tests.conftest import compose_config


@pytest.mark.parametrize("given", ["train.optimizer.lr=0.1", "train.optimizer=sgd"])
def test_an_optimizer_for_training_is_given_in_a_way_that_the_message_says(given):
    with pytest.raises(InputError, match="train.optimizer") as error, explained():
        compose_config(given)
    (advice,) = re.findall(r"\+optimizer@\S+", str(error.value))
    assert compose_config(advice).train.optimizer is not None
    with pytest.raises(AssertionError, match="own"), explained():
        raise AssertionError("own")


def test_an_unknown_setting_of_an_optimizer_for_training_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match="train.optimizer has arguments, "), explained():
        compose_config("+optimizer@train.optimizer=sgd", "train.optimizer.rate=1")


@pytest.mark.parametrize("value", ["a,b.csv", "a b,c d.csv", "1,2"])
def test_several_values_get_one_line_whose_advice_works(value):
    parsed = OverridesParser.create().parse_override(f"dataset.path={value}")
    assert parsed.is_sweep_override()
    with pytest.raises(ConfigCompositionException) as error:
        compose_config(f"dataset.path={value}")
    found = explain(error.value)
    assert found.startswith(f"dataset.path={value} stands for several values: ")
    word = found.partition("values: ")[2].partition(" is one text")[0]
    (pasted,) = shlex.split(word)
    assert compose_config("dataset=file", "n_clusters=2", pasted).dataset.path == value


@pytest.mark.parametrize(
    ("key", "kinds"), [("n_clusters", []), ("dataset.drop", ["text", "list"]), ("model", [])]
)
def test_several_values_are_called_only_what_the_setting_can_be(key, kinds):
    with pytest.raises(ConfigCompositionException) as error:
        compose_config(f"{key}=dec,vade")
    found = explain(error.value)
    assert found.endswith("-m runs every one")
    assert re.findall(r"is (?:one|a) (text|list)", found) == kinds


def test_files_of_the_user_are_named_with_what_is_wrong(tmp_path):
    (tmp_path / "dataset").mkdir()
    file = tmp_path / "dataset" / "cells.yaml"
    for text, message in {
        "name: a\n b: [1\n": "cells.yaml, line 2: this is no YAML: ",
        "- a\n": "dataset/cells.yaml does not hold settings",
        "lable: x\n": r"dataset/cells.yaml has the unknown setting lable: did you mean labels\?",
    }.items():
        file.write_text(text)
        with pytest.raises(InputError, match=message):
            composed([*search_path(tmp_path), "dataset=cells"])


@pytest.mark.parametrize(
    ("missing", "name"),
    [("hydra/launcher/joblib", "joblib"), ("hydra/launcher/submitit_slurm", "slurm")],
)
def test_a_launcher_that_is_not_installed_is_named_with_its_package(missing, name):
    error = ConfigCompositionException(f"In 'hydra/config': Could not find '{missing}' Available")
    expected = f"hydra/launcher={name} needs a package: pip install 'gammvae[{name}]'"
    assert explain(error) == expected
