import numpy as np
import pytest

from gammvae.data.files import load
from gammvae.data.formats.text_table import BLOCK_BYTES
from gammvae.errors import InputError

X = np.random.default_rng(0).normal(size=(30, 4)).round(3)
NAMES = ["a", "b", "c", "d"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read(text, **given):
    with open("x.csv", "w", encoding="utf-8", newline="") as file:
        file.write(text)
    return load("x.csv", None, **{"labels": None, "drop": [], "shape": None, **given})


def lines(separator, mark=".", names=None, begin="", end=""):
    head = [separator.join(names)] if names else []
    rows = [separator.join(f"{value}".replace(".", mark) for value in row) for row in X]
    return begin + "\n".join([*head, *rows]) + "\n" + end


def padded():
    return "\n".join(" ".join(f"{value:9.3f}" for value in row) + " " for row in X)


TEXTS = {
    "bars": (lines("|", names=NAMES), "bar-separated with a header line"),
    "spaces": (lines(" "), "space-separated without a header line"),
    "padded": (padded(), "space-separated without a header line"),
    "padded, DOS": (padded().replace("\n", "\r\n"), "space-separated without a header line"),
    "spaces and names": (lines(" ", names=NAMES), "space-separated with a header line"),
    "commas and spaces": (lines(", ", names=NAMES), "comma-separated with a header line"),
    "decimal commas": (
        lines(";", ",", NAMES),
        "semicolon-separated with a header line and decimal commas",
    ),
    "decimal commas, no names": (
        lines(";", ","),
        "semicolon-separated without a header line and decimal commas",
    ),
    "decimal commas, tabs": (
        lines("\t", ","),
        "tab-separated without a header line and decimal commas",
    ),
    "names nan and inf": (
        lines(",", names=["nan", "inf", "NA", "null"]),
        "comma-separated with a header line",
    ),
    "a name of two lines": (
        lines(",", names=['"a\nb"', "b", "c", "d"]),
        "comma-separated with a header line",
    ),
    "a comma in a name": (
        lines(";", names=['"petal, w, h, x"', "b", "c", "d"]),
        "semicolon-separated with a header line",
    ),
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_table_is_read_whatever_parts_its_fields(kind):
    text, expected = TEXTS[kind]
    data = read(text)
    np.testing.assert_array_equal(data.x, X)
    hint = "; dataset.header=true takes its first line as names" if "without" in expected else ""
    assert data.notes == (f"read as {expected}{hint}",)


def test_comments_are_skipped_and_counted():
    begin, end = "# made by hand\n#and more\n\n", "# the end"
    data = read(lines(",", names=NAMES, begin=begin, end=end))
    np.testing.assert_array_equal(data.x, X)
    assert data.names == tuple(NAMES)
    assert data.notes[1] == "lines of comments that are skipped: 3"
    half = lines(",").splitlines()
    between = "\n".join([*half[:7], "# a pause", *half[7:]])
    np.testing.assert_array_equal(read(between).x, X)


@pytest.mark.parametrize("delimiter", [" ", ",", ";"])
def test_what_numpy_writes_is_read_with_its_names(delimiter):
    np.savetxt("y.csv", X, delimiter=delimiter, header=delimiter.join(NAMES), footer="end")
    with open("y.csv", encoding="utf-8") as file:
        data = read(file.read())
    np.testing.assert_array_equal(data.x, X)
    assert data.names == tuple(NAMES)


def test_values_that_begin_like_comments_are_values():
    colors = "\n".join(f"#{i:06x},1,{i}" for i in range(9))
    with pytest.raises(InputError, match=r"column '1' holds string \('#000000' in row 1\)"):
        read(colors)
    assert read(colors, drop=["1"]).x.shape == (9, 2)


@pytest.mark.parametrize("header", [None, True, False])
def test_numbers_as_names_are_declared(header):
    text = lines(",", names=["1990", "1991", "1992", "1993"])
    data = read(text, header=header)
    assert data.x.shape == (30 + (not header), 4)
    assert data.names[0] == ("1990" if header else "1")
    said = "the numbers of its first line could be names"
    assert data.notes[1:] == ((said,) if header is None else ())


def test_a_name_that_is_asked_for_makes_the_first_line_a_header():
    rows = [f"{i},{i / 7},k{i % 3}" for i in range(9)]
    text = "\n".join(["1990,1991,kind", *rows])
    with pytest.raises(InputError, match="dataset.header=true takes the first line as names"):
        read(text)
    data = read(text, labels="kind")
    assert data.names == ("1990", "1991")
    assert data.y[1] == "k1"


def test_a_single_line_of_numbers_is_a_row():
    assert read("1,2.5,3\n").x.tolist() == [[1, 2.5, 3]]


def test_lines_may_be_longer_than_a_block():
    x = np.random.default_rng(0).random((3, 20_000)).round(6)
    names = [f"gene {i:060}" for i in range(20_000)]
    rows = [",".join([f"cell {i}", *map("{:.60f}".format, row)]) for i, row in enumerate(x)]
    lines = [",".join(["", *names]), *rows]
    assert min(map(len, lines)) > BLOCK_BYTES
    data = read("\n".join(lines))
    np.testing.assert_array_equal(data.x, x)
    assert data.names == tuple(names)


@pytest.mark.parametrize("levels", [1, 2])
@pytest.mark.parametrize("kind", ["counting", "shuffled", "text"])
def test_positions_behind_an_index_are_names_as_pandas_writes_them(levels, kind):
    index = np.random.default_rng(1).permutation(30) + 50 if kind == "shuffled" else np.arange(30)
    names = [f"row {i}" if kind == "text" else str(i) for i in index]
    rows = [
        ",".join([*[name] * levels, *map(str, row)]) for name, row in zip(names, X, strict=True)
    ]
    data = read("\n".join(["," * levels + "0,1,2,3", *rows]))
    np.testing.assert_array_equal(data.x, X)
    assert data.names == ("0", "1", "2", "3")
    assert "with a header line" in data.notes[0]
