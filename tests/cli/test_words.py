import pytest

from gammvae.cli.words import split, split_run, words_parser
from gammvae.errors import InputError

PARSER = words_parser("evaluate", "Recompute.", {"device": "where to compute", "out": "a file"})


def test_words_keep_their_order_around_the_flag():
    given = split(PARSER, ["b", "--config-dir", "mine", "x=1", "a"])
    assert given == (["b", "x=1", "a"], "mine")
    assert split(PARSER, []) == ([], None)


@pytest.mark.parametrize("arguments", [["--config-dir"], ["run", "--fast"]])
def test_flags_that_cannot_be_used_are_bad_input(arguments):
    with pytest.raises(InputError):
        split(PARSER, arguments)


def test_the_run_comes_first():
    given = split_run("evaluate", PARSER, ["outputs/seed=0", "device=cpu", "-cd", "mine"])
    assert str(given.directory.path) == "outputs/seed=0"
    assert (given.words, given.config_dir) == (["device=cpu"], "mine")


def test_a_setting_is_taken_for_a_run_only_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for arguments in ([], ["seed=0"]):
        with pytest.raises(InputError, match="evaluate needs a run directory: gammvae evaluate RU"):
            split_run("evaluate", PARSER, arguments)
    (tmp_path / "seed=0").mkdir()
    assert str(split_run("evaluate", PARSER, ["seed=0"]).directory.path) == "seed=0"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("out='a b'", "out=a b"),
        ('out="a=\'b"', "out=a='b"),
        ("out=''", "out="),
        ("out='a'b'", "out='a'b'"),
        ("out='a\"", "out='a\""),
        ("out='", "out='"),
        ("n_clusters='3'", "n_clusters='3'"),  # no setting of the command: Hydra reads it
    ],
)
def test_quotes_around_a_value_are_removed(word, expected):
    assert split(PARSER, ["run", word]).words == ["run", expected]


def test_help_lists_the_settings():
    lines = PARSER.format_help().partition("settings:\n")[2].splitlines()
    assert [line.split() for line in lines] == [
        ["device=", "where", "to", "compute"],
        ["out=", "a", "file"],
    ]
