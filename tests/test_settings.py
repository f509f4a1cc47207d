import pytest

from gammvae.errors import InputError
from gammvae.settings import PredictSettings, SampleSettings, read_settings


def test_words_become_typed_settings():
    words = ["cluster=3", "n=5", "temperature=0.5", "out=a=b"]
    settings = read_settings(SampleSettings, "sample", words)
    assert settings == SampleSettings(cluster=3, n=5, temperature=0.5, out="a=b")
    settings = read_settings(PredictSettings, "predict", ["data=x.csv", "out=y.csv", "drop=[a,b]"])
    assert settings.drop == ["a", "b"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["clusters=3"], "sample has no setting clusters=3: it takes cluster, n, min_posterior"),
        (["3"], "sample has no setting 3: it takes"),
        (["n=many"], "sample: Value 'many' of type 'str' could not be converted to Integer"),
        (["n=0"], "n=0 is out of range: it must be a number of at least 1"),
        (["cluster=-1"], "cluster=-1 is out of range"),
        (["min_posterior=1.5"], "min_posterior=1.5 is out of range: it must be a number from 0 t"),
        (["temperature=0"], "temperature=0.0 is out of range: it must be a positive number"),
    ],
)
def test_what_cannot_be_set_is_refused(words, message):
    with pytest.raises(InputError, match=message):
        read_settings(SampleSettings, "sample", words)


def test_what_must_be_set_is_asked_for():
    with pytest.raises(InputError, match="predict needs out: out=FILE"):
        read_settings(PredictSettings, "predict", ["data=x.npy"])
