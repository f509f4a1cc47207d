import importlib.resources
from pathlib import Path

import pytest

from gammvae.errors import InputError
from gammvae.search.space import Choices, Numbers, read_space

SHIPPED = sorted((importlib.resources.files("gammvae.conf") / "search").iterdir())
GOOD = """\
title: A space
fixed: [model=gammvae]
settings:
  optimizer.lr: {low: 1.0e-3, high: 1.0e-2, log: true}
  train.rounds: {low: 1, high: 7, step: 2}
  architecture.hidden: [[16], [32, 32], null]
"""


def written(folder, text):
    (path := folder / "mine.yaml").write_text(text)
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_spaces_are_valid(path):
    space = read_space(Path(str(path)))
    assert space.name == path.stem
    assert len(space.settings) > 1


def test_a_space_is_read(tmp_path):
    space = read_space(written(tmp_path, GOOD))
    assert (space.name, space.title, space.fixed) == ("mine", "A space", ["model=gammvae"])
    assert space.settings == {
        "optimizer.lr": Numbers(0.001, 0.01, log=True),
        "train.rounds": Numbers(1, 7, step=2),
        "architecture.hidden": Choices(([16], [32, 32], None)),
    }
    assert space.settings["architecture.hidden"].extremes() == ["[16]", "[32,32]", "null"]


def test_values_are_written_with_few_digits_and_stay_in_their_range():
    numbers = Numbers(0.00012355, 0.0123456)
    assert numbers.text(0.00123456) == "0.001235"
    assert numbers.extremes() == ["0.00012355", "0.0123456"]
    assert Numbers(1, 9).text(3.0) == "3"
    assert Numbers(1.0, 9.0).text(3) == "3.0"


def test_a_default_is_known_only_if_the_setting_may_have_it():
    assert Numbers(1, 7, step=2).known(3) == 3
    assert Numbers(0.4, 1.0, step=0.1).known(0.7) == 0.7
    for numbers, value in (
        (Numbers(1, 7, step=2), 4),
        (Numbers(1, 7), 0.5),
        (Numbers(1.0, 7.0), 8.0),
        (Numbers(1.0, 7.0), None),
        (Numbers(0, 7), True),
    ):
        assert numbers.known(value) is None
    assert Choices((None, 64)).known(None) == "null"
    assert Choices(([16], [32, 32])).known([32, 32]) == "[32,32]"
    assert Choices(("a", "b")).known("c") is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title: A space\n", "", "title: it must be given"),
        ("fixed:", "fix:", "fix: there is no such entry$"),
        ("low: 1,", "low: x,", "settings, train.rounds, low: it must be a number, .* not 'x'"),
        ("low: 1,", "low: -.inf,", "settings, train.rounds, low: .*finite"),
        ("low: 1,", "", "settings, train.rounds, low: it must be given"),
        ("low: 1,", "low: 7,", "train.rounds: low=7 and high=7: low must be smaller"),
        ("step: 2", "step: 9", "step=9: it must be greater than 0, and at most"),
        ("step: 2", "step: 4", "step=4: high=7 must be low=1 and a number of steps"),
        ("step: 2", "step: 2, log: true", "step=2 with log: true: a range can have one"),
        ("low: 1.0e-3", "low: 0.0", "low=0.0 with log: true: low must be greater"),
        ("{low: 1, high: 7, step: 2}", "3", "train.rounds: it must be a list .* not 3"),
        (
            "{low: 1, high: 7, step: 2}",
            "[]",
            "train.rounds: it has no values: .* at least two",
        ),
        (
            "{low: 1, high: 7, step: 2}",
            "[3]",
            "train.rounds: it has one value: .* at least two",
        ),
        ("null]", "{a: 1}]", "architecture.hidden, entry 3: .*must be text, a number"),
        ("null]", "[16]]", r"architecture.hidden: it has \[16\] twice"),
        ("train.rounds", "seed", "seed cannot be searched"),
        ("train.rounds", "n_clusters", "n_clusters cannot be searched"),
        ("train.rounds", "dataset.path", "dataset.path cannot be searched"),
        ("model=gammvae", "model", "fixed has 'model': it must have the form KEY=VALUE"),
        ("model=gammvae", "dataset=usps", "'dataset=usps': that is said on the command line"),
        ("model=gammvae", "train.rounds=3", "train.rounds is there twice"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, old, new, message):
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(InputError, match=f"mine.yaml.*{message}") as caught:
        read_space(path)
    assert "\n" not in str(caught.value)
