import csv

import pytest

from gammvae.tables.published import Published, beside_ours
from gammvae.tables.results import collect, grouped
from gammvae.tables.sheet import Sheet
from tests.tables.test_results import write_run

FIGURES = {
    ("vade", "usps"): [Published("nmi", 62, "Them"), Published("acc", 70.5, "Them", 1.25, 10)],
    ("dec", "usps"): [Published("acc", 76, "Us|Them")],
}


def sheet(tmp_path, **changes):
    for seed, acc in enumerate((0.6, 0.7)):
        write_run(tmp_path / "runs", "usps", "vade", seed, acc)
    cells = grouped(collect([tmp_path / "runs"]))
    return Sheet(cells, ["vade", "dec"], ["usps"], ["acc", "nmi"], published=FIGURES, **changes)


def test_every_figure_stands_beside_ours(tmp_path):
    text = sheet(tmp_path, title="A title").text(".md")
    assert text.startswith("# A title\n\n| dataset | model |")
    assert text.splitlines()[-4:] == [
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        "| usps | vade | ACC % | 65.00 ± 7.07\\* | 2 | 70.50 ± 1.25 | 10 | Them |",
        "| usps | vade | NMI % | 32.50 ± 3.54\\* | 2 | 62.00 | - | Them |",
        "| usps | dec | ACC % | - | 0 | 76.00 | - | Us\\|Them |",
    ]


def test_csv_has_them_as_shares_in_columns_of_their_own(tmp_path):
    sheet(tmp_path).write([tmp_path / "t.csv"])
    with (tmp_path / "t.csv").open() as file:
        rows = {(row["model"], row["metric"]): row for row in csv.DictReader(file)}
    assert len(rows) == 3
    both = rows["vade", "acc"]
    assert float(both["mean"]) == pytest.approx(0.65)
    assert (both["published"], both["published_std"]) == ("0.705", "0.0125")
    assert (both["published_seeds"], both["published_source"]) == ("10", "Them")
    assert (rows["dec", "acc"]["n"], rows["dec", "acc"]["mean"]) == ("0", "")


def test_without_figures_of_its_metrics_there_is_no_such_grid(tmp_path):
    cells = sheet(tmp_path).cells
    assert beside_ours(cells, ["vade"], ["usps"], ["elbo"], FIGURES) is None
    assert beside_ours(cells, ["vade"], ["mnist"], ["acc"], FIGURES) is None


def test_a_grid_of_each_metric_or_a_column_of_each(tmp_path):
    by_metric = sheet(tmp_path)
    assert [grid.header[2:] for grid in by_metric.grids()[:1]] == [["ACC %", "NMI %"]]
    headers = [grid.header for grid in by_metric._replace(columns="datasets").grids()[:2]]
    assert headers == [["ACC %", "usps"], ["NMI %", "usps"]]
