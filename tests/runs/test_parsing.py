import json

import pytest

from gammvae.errors import InputError
from gammvae.runs.parsing import parse
from gammvae.runs.records import RESULT_JSON
from tests.conftest import a_result


def test_a_result_is_read_as_it_was_written(tmp_path):
    text = json.dumps(a_result(command="gammvae train")).encode()
    assert parse(RESULT_JSON, text, tmp_path) == a_result(command="gammvae train")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "damaged: seed: it must be at least 0, not -1"),
        ({"seed": "1"}, "seed: it must be a whole number, not '1'"),
        ({"metrics": []}, "metrics: it must have entries of the form NAME: VALUE, not \\[\\]"),
        ({"metrics": {"acc": 1.5, "silhouette": 0.0}}, "metrics.acc: it must be at most 1"),
        ({"seconds": {"train": float("nan")}}, "seconds.train: .*finite"),
        ({"versions": {"torch": "2"}}, "versions.python: it must be given"),
        ({"likelihood": "gamma"}, "likelihood: it must be 'bernoulli' or 'normal'"),
        ({"dataset_notes": None}, "dataset_notes: it must be a list"),
    ],
)
def test_a_result_of_other_kind_is_refused_with_the_place(change, message, tmp_path):
    text = json.dumps(a_result(**change)).encode()
    with pytest.raises(InputError, match=message):
        parse(RESULT_JSON, text, tmp_path / "result.json")


@pytest.mark.parametrize(
    "text", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 5000, b"1" * 5000, b"null"]
)
def test_what_is_no_object_is_refused(text, tmp_path):
    with pytest.raises(InputError, match=r"result\.json is damaged"):
        parse(RESULT_JSON, text, tmp_path / "result.json")


def test_what_a_message_shows_cannot_move_a_cursor(tmp_path):
    text = json.dumps(a_result(seed="\x1b[2J\u202e")).encode()
    with pytest.raises(InputError) as caught:
        parse(RESULT_JSON, text, tmp_path / "result.json")
    assert str(caught.value).isprintable()
