import pytest

from gammvae.cli.plan import Plan
from gammvae.tables.results import collect, grouped
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
