"""Advice that is pasted into a shell works, whatever the names in it."""

import os
import re
import shlex
import subprocess

import numpy as np
import pytest
from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from gammvae.config.overrides import override
from gammvae.config.typed import to_config
from gammvae.data.training_data import load_data
from gammvae.errors import InputError

NAMES = (
    *("id", "petal, w", "cell type (x)", "a=b", "it's", '"q"', "$HOME", "a b ", " a", "", "[x]"),
    *(
        "\\",
        "a\\",
        '\\"',
        '"\\',
        "${x}",
        "\\${x}",
        "${oc.env:HOME}",
        "${",
        "{a: b}",
        "~",
        "*",
        "!x",
    ),
    *(
        "null",
        "True",
        "1",
        "1_0",
        "1e5",
        "nan",
        "-",
        "#x",
        "%s",
        "@a",
        "großes Tier",
        "中",
        "a,b=c",
    ),
)
UNSEEN = ("a\nb", "\x1b[31mred", "a\tb", "x\u2028y", "\u202eabc", "%d\n'\\\"!", "a\n")
# Blanks that look like a space, a private letter, and a byte of a file's name that is no UTF-8.
UNSEEN += ("a\u00a0b", "\u3000", "x\ue000", "a\udcffb")


def in_hydra(word):
    """The value that a word gives its key, as a configuration has it."""
    value = OverridesParser.create().parse_override(word).value()
    return OmegaConf.to_container(OmegaConf.create({"value": value}), resolve=True)["value"]


def random_names():
    rng = np.random.default_rng(0)
    letters = list("ab1 \\\"'${}(),=[]:;#%!~^&*|<>?`é.-@+/_")
    return ["".join(rng.choice(letters, size=rng.integers(1, 9))) for _ in range(300)]


@pytest.mark.parametrize("names", [NAMES, random_names()], ids=["chosen", "random"])
def test_any_name_comes_through_shell_and_hydra(names):
    for name in names:
        (word,) = shlex.split(override("dataset.labels", name))
        assert in_hydra(word) == name
    (word,) = shlex.split(override("dataset.drop", names))
    assert in_hydra(word) == list(names)


def test_a_real_shell_reads_it_as_one_word_on_one_line():
    names = [*NAMES, *UNSEEN]
    words = [override("dataset.drop", [name, "other"]) for name in names]
    assert all(len(word.splitlines()) == 1 and word.isprintable() for word in words)
    script = f"printf '%s\\0' {' '.join(words)}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
    assert [in_hydra(word) for word in os.fsdecode(done.stdout).split("\0")[:-1]] == [
        [n, "other"] for n in names
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, "a.b=true"), (False, "a.b=false"), (None, "a.b=null"), (3, "a.b=3"), ("id", "a.b=id")],
)
def test_what_needs_no_quotes_has_none(value, expected):
    assert override("a.b", value) == expected


def composed(*words):
    with initialize_config_module("gammvae.conf", version_base="1.3"):
        return to_config(compose("train", ["dataset=file", "n_clusters=2", *words]))


def read(*words):
    config = composed(*words)
    return load_data(config.dataset, config.preprocess, "cpu")


# The word of a shell that sets a key: parts in single quotes and parts without.
ADVICE = re.compile(r"""(?<!\S)(?=(?:'|)dataset\.\w+=)(?:'[^']*'|"'"|[^\s;,'"])+""")


def advised(text):
    """The settings that a message advises."""
    return [word for word in ADVICE.findall(text) if "NAME" not in word and "FILE" not in word]


def write(path, header, rows):
    import csv

    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


COLUMNS = ("petal, w", "cell type (x)", "a=b", "it's", '"q"', "", "a\\", "${x}", "null", "1_0")


@pytest.mark.parametrize("name", COLUMNS)
def test_advice_about_a_column_works(name, tmp_path):
    path, x = tmp_path / "x.csv", np.random.default_rng(0).normal(size=(12, 2)).tolist()
    write(path, ["u", "v", name], [[*row, f"k{i % 2}"] for i, row in enumerate(x)])
    place = override("dataset.path", str(path))
    with pytest.raises(InputError) as error:
        read(*shlex.split(place))
    words = advised(str(error.value))
    assert len(words) == 3
    for word in words:  # two kinds of text become two features
        features = 4 if word == "dataset.categorical=onehot" else 2
        assert read(*shlex.split(place), *shlex.split(word)).rows.shape == (12, features)
    write(path, ["u", name, "v"], [[row[0], i, row[1]] for i, row in enumerate(x)])
    if name == "":  # without a word: it is left out
        return
    (note,) = [note for note in read(*shlex.split(place)).notes if "counts the rows" in note]
    (word,) = advised(note)
    assert read(*shlex.split(place), *shlex.split(word)).rows.shape == (12, 2)


def test_advice_leaves_out_what_was_left_out_before(tmp_path):
    rows = [["p", i, "q", i * i, "r"] for i in range(9)]
    write(tmp_path / "x.csv", ["p, p", "i", "q", "v", "r"], rows)
    place = f"dataset.path={tmp_path}/x.csv"
    with pytest.raises(InputError) as error:
        read(place, 'dataset.drop=["p, p"]')
    (word, other) = advised(str(error.value))
    assert read(place, *shlex.split(word)).rows.shape == (9, 2)
    assert read(place, 'dataset.drop=["p, p"]', other).rows.shape == (9, 4)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        ("index", []),
        ("years", []),
        ("kinds", []),
        ("images", []),
        ("images", ["dataset.shape=[6,6,3]"]),
    ],
)
def test_other_advice_works(make, words, tmp_path):
    rng = np.random.default_rng(0)
    rows, path = rng.normal(size=(9, 4)).tolist(), tmp_path / "x.csv"
    if make == "index":
        write(path, ["", "u", "v"], [[7 * i, *row[:2]] for i, row in enumerate(rows)])
    elif make == "years":
        write(path, [1990, 1991, 1992, 1993], rows)
    elif make == "kinds":
        write(path, [1990, 1991, "kind"], [[*row[:2], "a"] for row in rows])
    else:
        np.save(path := tmp_path / "x.npy", rng.random((9, 6, 6, 3)))
    place = [f"dataset.path={path}", *words]
    try:
        text = "\n".join(read(*place).notes)
    except InputError as error:
        text = str(error)
    found = [word for word in advised(text) if "likelihood" not in word]
    assert found
    for word in found:
        try:
            text = "\n".join(read(*place, *shlex.split(word)).notes)
        except InputError as error:  # for another reason: the names are read, and one is of text
            text = str(error)
            assert make == "kinds"
        assert word not in text


def test_advice_is_pasted_into_a_real_shell(tmp_path, in_process, forks):
    """Of a whole call: names that a shell, Hydra and OmegaConf each would take apart."""
    header = ["u", "v", "petal, w", "${x} (it's)"]
    rng = np.random.default_rng(0)
    write(tmp_path / "x y.csv", header, [[*rng.normal(size=2), "a", "b"] for _ in range(20)])
    call = ("dataset=file", 'dataset.path="x y.csv"', "model=kmeans", "n_clusters=2", "run_dir=run")
    refused = in_process("train", *call)
    assert refused.returncode == 2
    word, _ = advised(refused.stderr)
    words = " ".join(shlex.quote(one) for one in (*forks, "gammvae", "train", *call))
    done = subprocess.run(
        ["bash", "-c", f"{words} report=false {word}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    evaluated = in_process("evaluate", "run")
    assert evaluated.returncode == 0, evaluated.stderr


@pytest.mark.parametrize("word", ["dataset.path=x(1).npy", "dataset.drop=[id,cell type (x)]"])
def test_what_cannot_be_parsed_is_shown_as_it_can(word, in_process):
    done = in_process("train", word)
    (shown,) = shlex.split(advised(done.stderr)[-1])
    key, _, value = word.partition("=")
    items = ["id", "cell type (x)"] if value.startswith("[") else value
    assert shown.startswith(f"{key}=")
    assert in_hydra(shown) == items
