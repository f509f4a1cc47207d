import csv
import json
import statistics

import pytest

from gammvae.errors import InputError
from gammvae.tables.grids import SHARES
from gammvae.tables.publishing import Choice, publish
from tests.tables.test_results import write_run

GAMMA, NORMAL = [0.9, 0.8, 0.85], [0.7, 0.6, 0.72]


@pytest.fixture
def runs(tmp_path):
    for model, values in (("gammvae", GAMMA), ("vade", NORMAL)):
        for seed, acc in enumerate(values):
            write_run(tmp_path / "runs", "usps", model, seed, acc)
    write_run(tmp_path / "runs", "mnist", "gammvae", 0, 0.95)
    write_run(tmp_path / "runs", "mnist", "gammvae", 1)
    return tmp_path / "runs"


def test_datasets_are_columns_and_the_best_is_marked(runs):
    text = publish([runs], Choice(["acc"]), [])
    lines = text.splitlines()
    assert lines[0].split() == ["ACC", "%", "mnist", "usps"]
    assert lines[2].split("  ")[0] == "gammvae"
    assert "95.00*+ " in lines[2]
    assert lines[2].endswith("85.00 ± 5.00!")
    assert lines[3].split() == ["vade", "-", "67.33", "±", "6.43"]
    assert "* fewer than 3 seeds" in text
    assert "+ without seed 1 of gammvae on mnist (not finished)" in text


def test_missing_seeds_of_all_cells_share_a_line(runs):
    for seed in (3, 4, 5):
        write_run(runs, "usps", "dec", seed, 0.5)
    for row in ("vade", "idec"):
        write_run(runs, "usps", row, 4)
    for seed in range(3):
        write_run(runs, "usps", "idec", seed, 0.5)
    notes = publish([runs], Choice(["acc"], ["usps"], ["vade", "idec"]), []).splitlines()
    assert [line for line in notes if line.startswith("+")] == [
        "+ without seeds 3, 5 of vade, idec on usps (not run); "
        "seed 4 of vade, idec on usps (not finished)",
    ]


def test_cells_of_another_origin_are_marked(runs, tmp_path):
    for seed in range(3):
        write_run(runs, "usps", "dec", seed, 0.5, device="cuda:1", precision="bfloat16")
        write_run(runs, "usps", "idec", seed, 0.5, threads=4)
    text = publish([runs], Choice(["acc"], ["usps"]), [tmp_path / "t.csv"])
    lines = {line.split()[0]: line for line in text.splitlines()}
    assert lines["dec"].endswith(" 50.00 ± 0.00a")
    assert lines["idec"].endswith(" 50.00 ± 0.00b")
    assert lines["gammvae"].endswith("5.00!")
    assert text.splitlines()[-3:] == [
        "computed on cpu, in float32, with one thread, torch 2.15, gammvae 0.1",
        "a on cuda, in bfloat16",
        "b with several threads",
    ]
    with (tmp_path / "t.csv").open() as file:
        made = {row["model"]: row["computed"] for row in csv.DictReader(file)}
    assert made["dec"] == "on cuda, in bfloat16, with one thread, torch 2.15, gammvae 0.1"


def test_several_metrics_are_columns(runs):
    lines = publish([runs], Choice(["acc", "nmi"], ["usps"]), []).splitlines()
    assert lines[0].split() == ["dataset", "model", "ACC", "%", "NMI", "%"]
    assert lines[2].split() == ["usps", "gammvae", "85.00", "±", "5.00!", "42.50", "±", "2.50!"]


def test_what_runs_took_is_shown_and_none_of_it_is_best(runs):
    for seed in range(3):
        effort = {"epochs": {"pretrain": 30, "train": 20 + seed}, "parameters": 1234567}
        write_run(runs, "usps", "dec", seed, 0.5, effort=effort)
        write_run(runs, "usps", "idec", seed, 0.5, effort=effort | {"parameters": 7})
    metrics = ["epochs", "epochs_pretrain", "parameters", "steps", "seconds"]
    lines = publish([runs], Choice(metrics, ["usps"]), []).splitlines()
    found = {line.split()[1]: line.split()[2:] for line in lines[2:6]}
    assert found["dec"] == ["51", "±", "1", "30", "1,234,567", "-", "3.0!"]
    assert found["idec"][4] == "7"
    assert found["vade"] == ["-", "-", "-", "-", "3.0!"]


@pytest.mark.parametrize(("metric", "title"), [("elbo", "ELBO"), ("silhouette", "silhouette")])
def test_without_classes_the_bound_is_shown_or_else_the_silhouette(metric, title, tmp_path):
    for seed in range(3):
        path = write_run(tmp_path, "file", "gammvae", seed, 0.5) / "result.json"
        result = json.loads(path.read_text())
        figures = {name: one for name, one in result["metrics"].items() if name not in SHARES}
        path.write_text(json.dumps(result | {"metrics": figures | {metric: 0.25}}))
    lines = publish([tmp_path], Choice(None), []).splitlines()
    assert lines[0].split() == [title, "file"]
    assert "0.25 ± 0.00" in lines[2]
    assert lines[-1] == f"no run has known classes, so {title} is shown: --metric chooses"
    asked = publish([tmp_path], Choice(["acc"]), []).splitlines()
    assert asked[2].split()[-1] == "-"
    assert "--metric" not in asked[-1]


def test_with_classes_accuracy_is_shown(runs):
    assert publish([runs], Choice(None), []) == publish([runs], Choice(["acc"]), [])


def test_rows_and_datasets_are_chosen_in_order(runs):
    lines = publish([runs], Choice(["acc"], ["usps", "mnist"], ["vade", "gammvae"]), [])
    assert lines.splitlines()[0].split()[2:] == ["usps", "mnist"]
    assert [line.split()[0] for line in lines.splitlines()[2:4]] == ["vade", "gammvae"]


def test_a_comparison_is_paired_over_seeds(runs):
    text = publish([runs], Choice(["acc"], ["usps"], None, ["gammvae", "vade"]), [])
    assert "gammvae - vade" in text
    line = next(line for line in text.splitlines() if line.startswith("usps"))
    assert line.split()[:4] == ["usps", "3", "seeds", "+17.67"]
    assert line.split()[-4:] == ["3", "of", "3", "0.2500"]


def test_over_datasets_each_counts_once(runs):
    for seed, acc in enumerate((0.5, 0.6)):
        write_run(runs, "hhar", "gammvae", seed, acc)
        write_run(runs, "hhar", "vade", seed, acc + 0.1)
    choice = Choice(["acc"], ["usps", "hhar"], None, ["gammvae", "vade"])
    line = next(
        line for line in publish([runs], choice, []).splitlines() if line.startswith("mean")
    )
    assert line.split()[:4] == ["mean", "2", "datasets", "+3.83"]  # of +17.67 and -10
    assert line.split()[-4:] == ["1", "of", "2", "1.0000"]


def test_csv_is_what_the_directories_say_to_the_last_digit(runs, tmp_path):
    publish([runs], Choice(["acc", "seconds"]), [tmp_path / "t.csv"])
    with (tmp_path / "t.csv").open() as file:
        lines = {(r["dataset"], r["model"], r["metric"]): r for r in csv.DictReader(file)}
    assert len(lines) == 6
    values = [
        json.loads((runs / f"usps/vade/seed={seed}/result.json").read_text())["metrics"]["acc"]
        for seed in range(3)
    ]
    row = lines["usps", "vade", "acc"]
    assert float(row["mean"]) == pytest.approx(statistics.mean(values), rel=1e-15)
    assert float(row["std"]) == pytest.approx(statistics.stdev(values), rel=1e-12)
    assert (row["n"], row["seeds"], row["min"]) == ("3", "0 1 2", "0.6")


def test_markdown_and_latex(runs, tmp_path):
    write_run(runs, "usps", "vade", 0, 0.1, variant="a_b|c")
    publish([runs], Choice(["acc"], ["usps"]), [tmp_path / "t.md", tmp_path / "t.tex"])
    markdown = (tmp_path / "t.md").read_text().splitlines()
    assert markdown[2] == "| gammvae | **85.00 ± 5.00** |"
    assert markdown[4] == "| vade a_b\\|c | 10.00\\*+ |"
    tex = (tmp_path / "t.tex").read_text()
    assert r"gammvae & \textbf{85.00} $\pm$ 5.00 \\" in tex
    assert r"vade a\_b\textbar{}c & 10.00$^{*+}$ \\" in tex
    assert r"ACC \% & usps \\" in tex
    assert tex.count(r"\toprule") == tex.count(r"\bottomrule") == 1
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("choice", "outputs", "message"),
    [
        (Choice(["acc", "f1"]), [], "unknown metric 'f1': it must be one of acc, nmi"),
        (
            Choice(["acc"], ["hhr"]),
            [],
            "unknown dataset 'hhr': did you mean hhar[?] it must be one of mnist, usps, digits, ",
        ),
        (
            Choice(["acc"], None, ["dec"]),
            [],
            "unknown model 'dec': it must be one of gammvae, vade",
        ),
        (Choice(["acc"], compared=["dec", "vade"]), [], "unknown model 'dec'"),
        (Choice(["acc"], compared=["vade", "vade"]), [], "--compare has 'vade' twice"),
        (Choice(["acc"]), ["t.csv", "t.html"], "unknown format of t.html '.html': it must be"),
    ],
)
def test_unknown_names_are_refused_before_anything_is_written(
    runs, tmp_path, monkeypatch, choice, outputs, message
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        publish([runs], choice, [tmp_path.joinpath(name).relative_to(tmp_path) for name in outputs])
    assert not list(tmp_path.glob("t.*"))


def test_the_command(runs, tmp_path, in_process):
    result = in_process("table", "runs", "--datasets", "usps", "--output", "t.csv")
    assert result.returncode == 0, result.stderr
    assert "85.00 ± 5.00!" in result.stdout
    assert (tmp_path / "t.csv").exists()
    result = in_process("table", "nowhere")
    assert (result.returncode, result.stderr) == (2, "gammvae: nowhere is no folder\n")
    result = in_process("table", "--metrics")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1


def test_a_benchmark_that_was_not_run_is_an_empty_column(tmp_path, in_process):
    assert in_process("train", "model=kmeans", "run_dir=outputs/run").returncode == 0
    done = in_process("table", "--datasets", "digits", "stl10", "--output", "t.md")
    assert done.returncode == 0, done.stderr
    header, _, line = (tmp_path / "t.md").read_text().splitlines()[:3]
    assert [cell.strip() for cell in header.split("|")[2:-1]] == ["digits", "stl10"]
    assert line.split("|")[3].strip() == "-"


def test_few_seconds_have_a_decimal_and_effort_is_not_tested_beside_other_metrics(runs, tmp_path):
    compared = ["gammvae", "vade"]
    table = publish([runs], Choice(["acc", "seconds"], ["usps"], compared=compared), [])
    assert "3.0" in table
    assert table.count("gammvae - vade") == 1
    assert "gammvae - vade" in publish([runs], Choice(["seconds"], compared=compared), [])
