import numpy as np
import pytest

from gammvae.data.labels import checked_classes, from_text, read_labels
from gammvae.errors import InputError


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "0", "-7"], [1, 0, -7]),
        (["1.0", "0.0", "12.0"], [1, 0, 12]),
        ([" 1", "2 "], [1, 2]),
        ([" a", "a", "a "], None),
        ([" 1", "1", "b"], None),
        (["1_12", "112"], None),
        (["001", "01", "1"], None),
        (["+1", "1"], None),
        (["-0", "0"], None),
        (["1.0", "1"], None),
        (["1e3", "1000"], None),
        (["١", "1"], None),
        ([str(2**64), str(2**64 + 1)], None),
        ([str(2**63), "1"], None),
    ],
)
def test_text_is_a_number_only_where_no_two_texts_become_one(texts, expected):
    found = from_text(texts).tolist()
    assert found == (expected or texts)
    assert len(set(found)) == len(set(texts))


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "expected", "notes"),
    [
        ("a\nb\na\n", ["a", "b", "a"], 0),
        ("kind\na\nb\na\n\n\n", ["a", "b", "a"], 1),
        ("0\n1\n0\n1\n", [1, 0, 1], 1),  # as pandas writes a column without a name
        ("kind\r\n1\r\n2\r\n3", [1, 2, 3], 1),
        ('"petal, w"\n"a;b"\n"c|d"\n', ["petal, w", "a;b", "c|d"], 0),
        ("New York\nRome\nRome\n", ["New York", "Rome", "Rome"], 0),
        (" a\na\nb\n", [" a", "a", "b"], 0),
        (" 0\n 1\n 0\n 1\n", [1, 0, 1], 1),
    ],
)
def test_a_class_a_line(text, expected, notes, tmp_path):
    found, remarks = read_labels(written(tmp_path / "y.txt", text), 3)
    assert found.tolist() == expected
    assert len(remarks) == notes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind\n\na\nb\na\n", "has no class in line 2: every sample must have one"),
        ("a\n  \nb\na", "has no class in line 2"),
        ('a\n""\nb', "has no class in line 2"),
        ("id;label\n0;a\n1;b\n2;a\n", "has more than one column: ';' parts line 1"),
        ("0|a\n1|b\n2|a\n", "has more than one column: '|' parts line 1"),
        ("a\nb, c\na\n", "has more than one column: ',' parts line 2"),
        ("kind\n1\n2\n", "has a header, 'kind', and 2 classes below it for 3 samples"),
        ("label\na\nb\n", "has a header, 'label', and 2 classes"),
        ("", "has no class in line 1"),
    ],
)
def test_what_is_not_a_class_a_line_is_refused(text, message, tmp_path):
    with pytest.raises(InputError) as error:
        read_labels(written(tmp_path / "y.txt", text), 3)
    assert message in str(error.value)


def test_a_class_too_many_is_no_header(tmp_path):
    """One that occurs below, or a number above numbers: the numbers of classes are compared."""
    for text in ("a\nb\na\na\n", "5\n1\n2\n1\n"):
        found, _ = read_labels(written(tmp_path / "y.txt", text), 3)
        with pytest.raises(InputError, match=r"y.txt has the shape \(4,\) for 3 samples"):
            checked_classes(found, "y.txt", 3)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (np.array(["a", " ", "b"]), "has no class for sample 2"),
        (np.array([b"a", b"", b"b"]), "has no class for sample 2"),
        (np.array([1.0, 2.0**60, 3.0]), "must be whole numbers or text"),
        (np.array([1.0, 0.5, 0.25]), "holds float64, 0.5 for sample 2: classes must be whole"),
        (np.array([1.0, 0.5, np.nan]), "has no class for sample 3, but nan"),
        (np.array([1.0, -np.inf, 0]), "has no class for sample 2, but -inf"),
    ],
)
def test_classes_that_say_nothing_or_too_much_are_refused(classes, message):
    with pytest.raises(InputError, match=message):
        checked_classes(classes, "y.npy", 3)
