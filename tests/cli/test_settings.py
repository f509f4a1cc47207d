import shlex
from dataclasses import fields

import pytest

from gammvae.cli.settings import PredictSettings, SampleSettings, described, read_settings
from gammvae.config.overrides import override
from gammvae.errors import InputError


def test_words_become_typed_settings():
    words = ["cluster=3", "n=5", "temperature=0.5", "out=a=b"]
    settings = read_settings(SampleSettings, "sample", words)
    assert settings == SampleSettings(cluster=3, n=5, temperature=0.5, out="a=b")
    settings = read_settings(PredictSettings, "predict", ["data=x.csv", "out=y.csv", "drop=[a,b]"])
    assert settings.drop == ["a", "b"]


@pytest.mark.parametrize(
    "path", ["{a}.npy", "[a].npy", "a: b.npy", "p #1.npy", "${p}.npy", "null", "~x", "a=b, c", " x"]
)
def test_the_text_behind_the_sign_is_the_path(path):
    settings = read_settings(PredictSettings, "predict", [f"data={path}", f"out={path}"])
    assert (settings.data, settings.out) == (path, path)
    assert read_settings(SampleSettings, "sample", [f"out={path}", f"device={path}"]).out == path


def test_columns_to_leave_out_are_given_as_for_train():
    names = ["petal, w", "a=b", "${x}", "null", "it's", "1_0", ""]
    (word,) = shlex.split(override("drop", names))
    settings = read_settings(PredictSettings, "predict", ["data=x", "out=y", word, "header=true"])
    assert settings.drop == names
    assert settings.header is True


@pytest.mark.parametrize("text", ["f0", "petal w", "a,b", "1", "null", "", "{a:1}", "range(3)"])
def test_a_text_in_a_lists_place_is_told_the_form(text):
    with pytest.raises(InputError) as error:
        read_settings(PredictSettings, "predict", ["data=x", "out=y", f"drop={text}"])
    begin, form = str(error.value).split(" is no list: it must have the form ")
    assert begin == f"drop={text}"
    (word,) = shlex.split(form)
    found = read_settings(PredictSettings, "predict", ["data=x", "out=y", word]).drop
    assert found == (text.split(",") if text else [])


@pytest.mark.parametrize("word", ["drop=a", "drop=[a", "drop={a:b}", "header=3x", "header={"])
def test_a_list_that_is_none_gets_one_line(word):
    with pytest.raises(InputError) as error:
        read_settings(PredictSettings, "predict", ["data=x", "out=y", word])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["clusters=3"],
            r"sample has no setting clusters=3: did you mean cluster\? it takes cluster, n, ",
        ),
        (["3"], "sample has no setting 3: it takes"),
        (["n=many"], "sample: n=many is of the wrong type: it must be an integer"),
        (["n=0"], "n=0 is out of range: it must be a number of at least 1"),
        (["cluster=-1"], "cluster=-1 is out of range"),
        (["min_posterior=1.5"], "min_posterior=1.5 is out of range: it must be a number from 0 t"),
        (["n=99999999999999999999"], "it must be a number of at least 1 and at most 1000000"),
        (["seed=99999999999999999999"], "and at most 2147483647"),
        (["temperature=0"], "temperature=0.0 is out of range: it must be a positive number"),
    ],
)
def test_what_cannot_be_set_is_refused(words, message):
    with pytest.raises(InputError, match=message):
        read_settings(SampleSettings, "sample", words)


def test_what_must_be_set_is_asked_for():
    with pytest.raises(InputError, match="predict needs out: out=FILE"):
        read_settings(PredictSettings, "predict", ["data=x.npy"])


def test_a_description_tells_default_and_range():
    texts = described(SampleSettings)
    assert list(texts) == [field.name for field in fields(SampleSettings)]
    assert texts["n"].endswith(", 64 by default; a number of at least 1 and at most 1000000")
    assert "by default" not in texts["cluster"]
