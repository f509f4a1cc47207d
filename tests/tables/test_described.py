"""How a table's YAML is read; tests/cli/test_reproduce.py has what is refused."""

import importlib.resources
import re
from collections import Counter
from pathlib import Path

from gammvae.tables.described import about, hardly_trained, published, read_description
from gammvae.tables.published import Published

ROOT = Path(__file__).parents[2]
SHIPPED = importlib.resources.files("gammvae.conf") / "tables"


def test_the_example_in_the_documentation_is_a_table(tmp_path):
    page = (ROOT / "docs/how-to/sweeps.md").read_text()
    example = re.search(r'```yaml title="mine/tables/\w+.yaml"\n(.*?)```', page, re.DOTALL)[1]
    (tmp_path / "t.yaml").write_text(example)
    table = read_description(tmp_path / "t.yaml")
    assert [row["name"] for row in table["rows"]] == ["k-means", "GMM"]
    assert published(table) == {
        ("k-means", "digits"): [Published("acc", 80.1, "Somebody (2020), table 1", 0.5, 10)]
    }


def test_the_published_figures_of_the_comparison():
    found = published(read_description(Path(str(SHIPPED / "comparison.yaml"))))
    sources = Counter(one.source.split(",")[0] for figures in found.values() for one in figures)
    assert sources == {
        "XifengGuo/DEC-keras": 2 * 4 * 3,
        "OpenDeepClustering 0.2": 2 * 3,
        "slim1017/VaDE": 2,
        "OpenDeepClustering": 1,
    }
    assert {row for row, _ in found} == {"AE + k-means", "DEC", "IDEC", "VaDE, plain"}
    fashion = found["DEC", "fashion_mnist"]
    assert [(one.value, one.std) for one in fashion] == [(61.84, 3.63), (65.09, 1.24), (49.41, 2.0)]
    assert [one.std for one in found["VaDE, plain", "mnist"]] == [None, 4.4]
    assert [(one.value, one.seeds) for one in found["VaDE, plain", "mnist"]] == [
        (94.46, None),
        (71.6, 20),
    ]


def test_every_row_of_the_comparison_has_one_sentence():
    table = read_description(Path(str(SHIPPED / "comparison.yaml")))
    found = about(table)
    assert list(found) == [row["name"] for row in table["rows"]]
    for sentence in found.values():
        assert re.fullmatch(r"[^.]+\S\.", sentence), sentence


def figures_beside(name):
    return published(read_description(Path(str(SHIPPED / f"{name}.yaml"))))


def test_the_peers_have_the_published_figures_of_the_comparison():
    plain = figures_beside("comparison")
    renamed = {(row.removesuffix(", plain"), dataset): f for (row, dataset), f in plain.items()}
    assert figures_beside("published") == renamed


def test_figures_with_augmented_images_are_beside_those_only():
    """Rows "+Pretrain" of the source's assets/BRB_autoencoder_results.png."""
    assert {
        key: [(one.value, one.source[-6:], one.seeds) for one in figures]
        for key, figures in figures_beside("published_2025").items()
    } == {
        ("DEC", "mnist"): [(91.56, "± 1.98", 10)],
        ("DEC", "usps"): [(78.94, "± 1.09", 10)],
        ("DEC", "fashion_mnist"): [(60.00, "± 0.58", 10)],
        ("IDEC", "mnist"): [(93.16, "± 2.20", 10)],
        ("IDEC", "usps"): [(81.59, "± 0.28", 10)],
        ("IDEC", "fashion_mnist"): [(53.59, "± 1.01", 10)],
        ("DCN", "mnist"): [(89.23, "± 2.04", 10)],
        ("DCN", "usps"): [(78.29, "± 0.97", 10)],
        ("DCN", "fashion_mnist"): [(49.91, "± 0.60", 10)],
    }
    for name in ("comparison", "published"):
        sources = {one.source for figures in figures_beside(name).values() for one in figures}
        assert not any("2025" in source for source in sources)


def test_smoke_keeps_rows_and_metrics_but_hardly_trains():
    table = read_description(Path(str(SHIPPED / "comparison.yaml")))
    smoke = hardly_trained(table)
    assert (smoke["datasets"], smoke["seeds"]) == (["digits"], [0, 1, 2])
    assert published(smoke) == {}
    assert [row["name"] for row in smoke["rows"]] == [row["name"] for row in table["rows"]]
    short = {"pretrain.epochs=null", "pretrain.updates=40", "train.epochs=null", "train.updates=40"}
    assert all(short <= set(row["overrides"]) for row in smoke["rows"])
    assert len(table["seeds"]) == 5
