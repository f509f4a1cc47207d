import pytest

from gammvae.cli.plan import Plan
from gammvae.tables.results import collect, grouped
from gammvae.tables.sheet import Sheet
from tests.tables.test_results import write_run

TABLE = {
    "title": "Three",
    "datasets": ["mnist", "usps", "hhar"],
    "seeds": [0],
    "metrics": ["acc", "elbo"],
    "rank": True,
    "rows": [{"name": name} for name in ("dec", "idec", "dcn")],
}


@pytest.fixture
def cells(tmp_path):
    """All rows on two of three datasets."""
    for i, name in enumerate(("dec", "idec", "dcn")):
        for dataset in ("mnist", "usps"):
            write_run(tmp_path, dataset, name, 0, 0.5 + 0.1 * i)
    return grouped(collect([tmp_path]))


def test_rows_are_ranked_over_the_datasets_that_are_here(cells):
    (ranked,) = Plan("three", TABLE, None, {"hhar": "fetch it"}).rankings(cells)
    assert (ranked.metric, ranked.datasets) == ("acc", ["mnist", "usps"])
    assert ranked.rows == ["dcn", "idec", "dec"]


def test_rows_are_not_ranked_before_they_are_finished_or_if_nobody_asks(cells):
    assert Plan("three", TABLE, None, {}).rankings(cells) == []
    assert Plan("three", TABLE | {"rank": False}, None, {"hhar": "fetch it"}).rankings(cells) == []


def test_rows_and_datasets_without_runs_are_named_in_a_note(cells):
    rows, datasets = ["dec", "idec, b", "dcn"], TABLE["datasets"]
    cells = {key: runs for key, runs in cells.items() if key[0] != "idec"}
    sheet = Sheet(cells, rows, datasets, ["acc", "nmi"], columns="datasets", only_begun=True)
    first, second = sheet.grids()
    assert first.header == ["ACC %", "mnist", "usps"]
    assert [line[0].mean for line in first.lines] == ["dec", "dcn"]
    assert "not run yet: hhar, 'idec, b'" in first.notes
    assert not any("not run yet" in note for note in second.notes)
    whole = sheet._replace(only_begun=False).grids()[0]
    assert (len(whole.header), len(whole.lines)) == (4, 3)
    nothing = sheet._replace(cells={}).grids()[0]
    assert (len(nothing.header), len(nothing.lines)) == (4, 3)
