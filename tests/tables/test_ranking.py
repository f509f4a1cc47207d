import csv
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from gammvae.errors import InputError
from gammvae.tables.publishing import Choice, publish
from gammvae.tables.ranking import rankings
from gammvae.tables.results import collect, grouped
from tests.tables.test_results import write_run

# Means over seeds 0 and 1 by row, on mnist, usps and hhar.
MEANS = {"gammvae": [0.9, 0.8, 0.7], "vade": [0.8, 0.8, 0.4], "dec": [0.7, 0.6, 0.5]}
RANKED = Choice(["acc"], ["mnist", "usps", "hhar"], ranked=True)


@pytest.fixture
def runs(tmp_path):
    for model, means in MEANS.items():
        for dataset, mean in zip(("mnist", "usps", "hhar"), means, strict=True):
            for seed, offset in enumerate((0.0625, -0.0625)):
                write_run(tmp_path / "runs", dataset, model, seed, mean + offset)
    return tmp_path / "runs"


def test_rows_are_sorted_by_their_average_rank(runs):
    text = publish([runs], RANKED, [])
    _, below = text.split("\n\n")
    lines = [line.split() for line in below.splitlines()]
    assert lines[0] == ["rank", "by", "ACC", "average", "mnist", "usps", "hhar"]
    assert lines[2:5] == [
        ["gammvae", "1.17", "1", "1.5", "1"],
        ["vade", "2.17", "2", "1.5", "3"],
        ["dec", "2.67", "3", "3", "2"],
    ]
    assert "not ranked" not in below
    assert "5 % level: 1.91; not told apart: gammvae to dec" in below


def test_a_dataset_counts_once_however_many_seeds_it_has(runs):
    before = publish([runs], RANKED, []).split("\n\n")[1]
    for seed in range(2, 6):
        for model, means in MEANS.items():
            write_run(runs, "usps", model, seed, means[1])
    assert publish([runs], RANKED, []).split("\n\n")[1] == before


def test_rows_that_lack_a_dataset_are_named_and_left_out(runs):
    write_run(runs, "usps", "idec", 0, 0.99)
    write_run(runs, "mnist", "dcn", 0)
    text = publish([runs], RANKED, [])
    (line,) = (line for line in text.splitlines() if line.startswith("not ranked"))
    assert line == "not ranked: dcn lacks mnist, usps, hhar; idec lacks mnist, hhar"
    _, ranked = text.split("rank by")
    assert re.search("^gammvae +1.17 ", ranked, re.MULTILINE)


def test_ranks_by_means_that_lack_seeds_are_marked(runs):
    write_run(runs, "usps", "vade", 2, 0.5)
    _, ranked = publish([runs], RANKED, []).split("rank by")
    lines = {line.split()[0]: line.split()[1:] for line in ranked.splitlines()[2:]}
    assert lines["vade"] == ["2.33", "2", "2", "3"]
    assert lines["dec"] == ["2.67", "3", "3+", "2"]
    assert "+ without seed 2 of dec, gammvae on usps (not run)" in ranked


def test_every_share_is_ranked_and_nothing_else(runs):
    cells = grouped(collect([runs]))
    shown = list(MEANS), ["mnist", "usps"], ["nmi", "seconds", "acc", "elbo"]
    assert [one.metric for one in rankings(cells, *shown)] == ["nmi", "acc"]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (RANKED._replace(metrics=["elbo"]), "no rule for elbo: --metric must have one of acc, nmi"),
        (RANKED._replace(datasets=["usps"]), "--rank has usps alone: it needs at least 2 datasets"),
        (
            RANKED._replace(rows=["vade", "dec"]),
            r"has 2 \(vade, dec\) with acc on all .* 3 rows; --compare vade dec compares two rows",
        ),
        (
            RANKED._replace(datasets=["usps", "stl10"]),
            "has none with acc on all .*; dec lacks stl10; .*; --datasets can choose fewer",
        ),
    ],
)
def test_what_cannot_be_ranked_is_refused_before_anything_is_written(
    runs, tmp_path, choice, message
):
    with pytest.raises(InputError, match=message) as refused:
        publish([runs], choice, [tmp_path / "t.csv"], [tmp_path / "t.svg"])
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.glob("t.*"))


def test_files_show_the_ranks(runs, tmp_path):
    publish([runs], RANKED, [tmp_path / "t.md", tmp_path / "t.tex", tmp_path / "t.csv"])
    assert "| gammvae | 1.17 | 1 | 1.5 | 1 |" in (tmp_path / "t.md").read_text()
    assert r"gammvae & 1.17 & 1 & 1.5 & 1 \\" in (tmp_path / "t.tex").read_text()
    with (tmp_path / "t.csv").open() as file:
        assert {row["metric"] for row in csv.DictReader(file)} == {"acc"}


def test_the_diagram_names_all_rows_for_every_metric(runs, tmp_path):
    write_run(runs, "usps", "dec", 0, 0.3, variant="a$b$ & <c>")
    for name in ("mnist", "hhar"):
        write_run(runs, name, "dec", 0, 0.3, variant="a$b$ & <c>")
    paths = [tmp_path / f"d.{ending}" for ending in ("svg", "png", "pdf")]
    choice = RANKED._replace(metrics=["acc", "nmi"])
    publish([runs], choice, [], paths)
    first = [path.read_bytes() for path in paths]
    texts = ["".join(one.itertext()) for one in ET.fromstring(first[0]).iter() if "text" in one.tag]
    for row in ("gammvae 1.17", "vade 2.17", "dec 2.67", "dec a$b$ & <c> 4.00"):
        assert sum(row in text for text in texts) == 2  # one a metric
    with Image.open(paths[1]) as image:
        assert np.asarray(image).std() > 0
        width = image.size[0]
    assert first[2].startswith(b"%PDF")
    publish([runs], choice, [], paths)
    assert [path.read_bytes() for path in paths] == first
    for name in ("mnist", "usps", "hhar"):  # a long name is not cut off
        write_run(runs, name, "dec", 0, 0.3, variant=80 * "x")
    publish([runs], choice, [], paths[1:2])
    with Image.open(paths[1]) as image:
        assert image.size[0] > width + 500


def test_the_command(runs, tmp_path, in_process):
    words = ("table", "runs", "--datasets", "mnist", "usps", "hhar")
    result = in_process(*words, "--rank", "--diagram", "d.svg")
    assert result.returncode == 0, result.stderr
    assert "Nemenyi's critical difference" in result.stdout
    assert (tmp_path / "d.svg").exists()
    result = in_process(*words, "--diagram", "e.svg")
    assert result.stderr == "gammvae: --diagram e.svg draws ranks: --rank must be given as well\n"
    result = in_process(*words, "--rank", "--diagram", "e.jpg")
    assert (
        "unknown format of e.jpg '.jpg': did you mean .png? it must be one of .svg, .png, .pdf"
        in result.stderr
    )
    assert not list(tmp_path.glob("e.*"))
