import pytest

from gammvae.config.kinds import in_words, kind_of, options
from gammvae.estimators.settings import leaves


def test_options_lists_the_names_below_a_key():
    assert options("train")[:3] == ["agreement", "anchored", "augment"]
    assert "batch_size" in options("")
    assert options("nothing") == []
    assert options("train.optimizer") == options("optimizer")


def test_every_setting_has_a_type_in_words():
    # a number or a text, and a rule says which
    unlimited = {"n_clusters", "dataset.n_clusters", "train.targets_every"}
    for name in leaves():
        if not name.startswith(("dataset.about", "dataset.loader")):
            assert bool(in_words(kind_of(name))) == (name not in unlimited), name


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int, "an integer"),
        (float | None, "null or a number"),
        (bool | str, "true or false or a text"),
        (list[str], "a list of texts in brackets"),
        (dict[str, int] | None, "null or settings in braces"),
        (object, ""),
    ],
)
def test_types_in_words(kind, words):
    assert in_words(kind) == words


def test_a_key_has_the_type_of_the_schema():
    assert kind_of("train.epochs") == int | None
    assert kind_of("train.optimizer.lr") == float | None  # of a section that may be null
    assert kind_of("train.nothing") is kind_of("nothing.lr") is kind_of("seed.x") is None
