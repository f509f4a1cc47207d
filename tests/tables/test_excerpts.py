"""Tables with other datasets, other seeds or fewer rows."""

import pytest

from gammvae.errors import InputError
from gammvae.tables.described import published
from gammvae.tables.excerpts import Choice

FIGURES = {name: [{"metric": "acc", "value": 80.1, "source": "A"}] for name in ("digits", "usps")}
TABLE = {
    "title": "Rows",
    "datasets": ["digits", "usps"],
    "seeds": [0, 1],
    "metrics": ["acc"],
    "compare": ["GMM", "DEC"],
    "rows": [
        {"name": "GMM", "published": FIGURES},
        {"name": "GMM, diagonal"},
        {"name": "AE + GMM"},
        {"name": "DEC"},
    ],
}


def rows(text):
    """Names of the rows that are chosen by a text."""
    return [row["name"] for row in Choice(rows=text).of("one", TABLE)["rows"]]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("GMM", ["GMM"]),
        ("GMM, diagonal", ["GMM, diagonal"]),
        ("GMM, diagonal,GMM", ["GMM", "GMM, diagonal"]),
        ("DEC , GMM,", ["GMM", "DEC"]),
        ("AE + GMM,DEC,DEC", ["AE + GMM", "DEC"]),
    ],
)
def test_rows_are_found_by_names_with_commas_in_the_order_of_the_table(text, names):
    assert rows(text) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("DEK", "table one has no row 'DEK': did you mean DEC[?] row must be some of GMM; GMM, d"),
        ("GMM,diagonals", "no row 'diagonals'"),
        ("DECGMM", "no row 'DECGMM'"),
        ("", "row= names no row: table one has GMM; GMM, diagonal"),
    ],
)
def test_an_unknown_row_is_named(text, message):
    with pytest.raises(InputError, match=message):
        rows(text)


def test_nothing_chosen_leaves_the_table():
    assert Choice().of("one", TABLE) == TABLE


def test_published_figures_are_those_of_the_chosen_datasets():
    table = Choice(datasets=["usps", "mine"]).of("one", TABLE)
    assert table["datasets"] == ["usps", "mine"]
    assert list(published(table)) == [("GMM", "usps")]
    assert list(published(TABLE)) == [("GMM", "digits"), ("GMM", "usps")]


def test_rows_are_compared_only_if_both_are_there():
    assert "compare" not in Choice(rows="GMM").of("one", TABLE)
    assert Choice(rows="GMM,DEC").of("one", TABLE)["compare"] == ["GMM", "DEC"]


def test_seeds_need_not_be_those_of_the_table():
    assert Choice(seeds=[5, 6]).of("one", TABLE)["seeds"] == [5, 6]
