"""Tables with other datasets, seeds and metrics, or fewer rows."""

import pytest

from gammvae.errors import InputError
from gammvae.tables.described import published
from gammvae.tables.excerpts import Choice, names_of, rows_in

FIGURES = {name: [{"metric": "acc", "value": 80.1, "source": "A"}] for name in ("digits", "usps")}
NAMES = ["GMM", "GMM, diagonal", "AE + GMM", "DEC"]
TABLE = {
    "title": "Rows",
    "datasets": ["digits", "usps"],
    "seeds": [0, 1],
    "metrics": ["acc"],
    "compare": ["GMM", "DEC"],
    "rows": [{"name": "GMM", "published": FIGURES}, *({"name": name} for name in NAMES[1:])],
}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("GMM", ["GMM"]),
        ("GMM, diagonal", ["GMM, diagonal"]),
        ("GMM, diagonal,GMM", ["GMM", "GMM, diagonal"]),
        (" DEC , GMM,", ["GMM", "DEC"]),
        ("AE + GMM,DEC,DEC", ["AE + GMM", "DEC"]),
    ],
)
def test_names_with_commas_are_found_in_the_order_of_the_table(text, names):
    assert rows_in(text, NAMES) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "DEK",
            "row=DEK: no table has the row 'DEK': did you mean DEC[?] the rows are GMM; GMM, d",
        ),
        ("GMM,diagonals", "no table has the row 'diagonals'"),
        ("DECGMM", "no table has the row 'DECGMM'"),
        ("", "row= names no row: the rows are GMM; GMM, diagonal"),
    ],
)
def test_an_unknown_row_is_named(text, message):
    with pytest.raises(InputError, match=message):
        rows_in(text, NAMES)


def test_nothing_chosen_leaves_the_table():
    assert Choice().of(TABLE) == TABLE


def test_several_metrics_on_one_dataset_are_one_table():
    table = TABLE | {"columns": "datasets"}
    one, two = ["digits"], ["acc", "seconds"]
    assert Choice(datasets=one, metrics=two).of(table)["columns"] == "metrics"
    assert Choice(datasets=one).of(table)["columns"] == "datasets"
    assert Choice(metrics=two).of(table)["columns"] == "datasets"


def test_rows_that_a_table_lacks_are_not_made():
    assert names_of([Choice(rows=["DEC", "other"]).of(TABLE)]) == ["DEC"]


def test_published_figures_are_those_of_the_chosen_datasets():
    table = Choice(datasets=["usps", "mine"]).of(TABLE)
    assert table["datasets"] == ["usps", "mine"]
    assert list(published(table)) == [("GMM", "usps")]
    assert list(published(TABLE)) == [("GMM", "digits"), ("GMM", "usps")]


def test_rows_are_compared_only_if_both_are_there():
    assert "compare" not in Choice(rows=["GMM"]).of(TABLE)
    assert Choice(rows=["GMM", "DEC"]).of(TABLE)["compare"] == ["GMM", "DEC"]


def test_seeds_and_metrics_need_not_be_those_of_the_table():
    table = Choice(seeds=[5, 6], metrics=["nmi", "seconds"]).of(TABLE)
    assert (table["seeds"], table["metrics"]) == ([5, 6], ["nmi", "seconds"])
