import csv
import importlib
import json
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from argparse import Namespace
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest

from gammvae import load_dataset
from gammvae.data import by_name
from gammvae.tables.formats import Entry, Grid, to_markdown
from tests.conftest import compose_config

ROOT = Path(__file__).parents[1]
SCRIPTS, TABLES = ROOT / "scripts", ROOT / "outputs" / "tables"
NUMBER = re.compile(r"[-+]?\d*\.\d+")
COMMANDS = [
    *sorted(SCRIPTS.glob("benchmark_*.py")),
    *(SCRIPTS / name for name in ("compare_rows.py", "enlarge.py", "list_runs.py", "outside.py")),
]


@pytest.fixture
def load(monkeypatch):
    """Imports a module of the scripts."""
    monkeypatch.syspath_prepend(SCRIPTS)
    return importlib.import_module


@pytest.fixture
def reporting(load):
    return load("reporting")


@pytest.fixture
def run(load, monkeypatch):
    """Runs a script with arguments."""

    def run(path, *arguments):
        monkeypatch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        runpy.run_path(str(path), run_name="__main__")

    return run


def test_the_file_has_what_was_printed(reporting, tmp_path, capsys):
    path = tmp_path / "t.md"
    report = reporting.Report(Namespace(output=path, machine="an abacus"), "Title.")
    report.paragraph("Of one run:")
    report.table(["a", "b"], [["1", Entry("2", "0.1")], ["3", "4|5"]])
    report.paragraph("The end.")
    text = path.read_text()
    assert text == capsys.readouterr().out
    head, command, machine, *_ = text.split("\n\n")
    assert (head, command[:13]) == ("Title.", "    $ python ")
    assert machine.startswith("Machine: an abacus; ")
    assert "| 1 | 2 ± 0.1 |\n| 3 | 4\\|5 |\n\nThe end.\n" in text


def test_rows_are_there_as_soon_as_they_are_known(reporting, tmp_path, capsys):
    path = tmp_path / "t.md"

    def rows():
        for name in ("first", "second"):
            yield [name]
            assert f"| {name} |\n" in path.read_text()
            assert f"| {name} |\n" in capsys.readouterr().out
        raise KeyboardInterrupt

    report = reporting.Report(Namespace(output=path, machine=""), "Title.")
    with pytest.raises(KeyboardInterrupt):
        report.table(["name"], rows())
    assert path.read_text().endswith("| first |\n| second |\n")


def test_nothing_is_written_without_output(reporting, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reporting.Report(Namespace(output=None, machine=""), "Title.").table(["a"], [["1"]])
    assert not list(tmp_path.iterdir())


def test_markdown_is_that_of_the_package(reporting):
    columns, cells = ["a|b", "c"], [["1*", "2"], ["|", ""]]
    grid = Grid(columns, [[Entry(cell) for cell in row] for row in cells], [])
    assert reporting.markdown(columns, cells) + "\n" == to_markdown(grid)


def test_the_command_is_the_call_without_what_changes_no_figure(reporting, monkeypatch):
    given = ["run one", "--output", "t.md", "--draws", "3", "--machine=a b", "x=1"]
    monkeypatch.setattr(sys, "argv", ["/somewhere/scripts/benchmark_x.py", *given])
    assert reporting.command() == "python scripts/benchmark_x.py 'run one' --draws 3 x=1"


def test_versions_are_named(reporting):
    text = reporting.made_with("an abacus", ["numpy"])
    for name in ("gammvae", "Python", "torch", "numpy"):
        assert re.search(rf"\b{name} \d+\.\d+", text)
    with pytest.raises(PackageNotFoundError):
        reporting.made_with("an abacus", ["no-such-package"])


def test_the_machine_is_described_by_default(reporting):
    arguments = reporting.command_line("", reporting.report_options()).parse_args([])
    assert re.search(r"\d+ cores of .+", arguments.machine)


def test_a_commit_is_named_only_where_there_is_one(reporting, monkeypatch):
    monkeypatch.setattr(reporting, "commit", lambda: "")
    assert "()" not in reporting.made_with("")
    monkeypatch.setattr(reporting, "commit", lambda: "24c29d6+")
    assert "(24c29d6+)" in reporting.made_with("")


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_help_says_what_it_measures_takes_and_needs(run, path, capsys):
    with pytest.raises(SystemExit, match="0"):
        run(path, "--help")
    text = capsys.readouterr().out
    what = path.read_text().removeprefix('"""').split("\n", 1)[0]
    assert what in text
    assert re.search(r"^Takes ", text, re.M)
    assert re.search(r"\bNeeds\s", text)


def test_tables_are_written_in_one_place():
    for path in SCRIPTS.glob("*.py"):
        assert "| ---" not in path.read_text(), path


@pytest.mark.parametrize("name", ["gradients", "memory", "small_data", "speed", "starts", "vade"])
def test_kept_tables_have_the_head(name):
    title, command, machine, *rest = (TABLES / f"{name}.md").read_text().split("\n\n")
    assert "|" not in title
    assert command.startswith(f"    $ python scripts/benchmark_{name}.py")
    assert machine.startswith("Machine: ")
    assert any(block.startswith("| ") for block in rest)


def table(text, columns):
    """The words of the first columns of a Markdown table, and the numbers in them."""
    rows = [line.split(" | ")[:columns] for line in text.splitlines() if line.startswith("| ")]
    words = [[NUMBER.sub("#", cell) for cell in row] for row in rows]
    return words, [float(one) for row in rows for cell in row for one in NUMBER.findall(cell)]


@pytest.mark.parametrize(("name", "columns"), [("accuracy", 7), ("accuracy_pairs", 6)])
def test_accuracies_are_written_from_the_figures_of_runs(
    load, tmp_path, monkeypatch, name, columns
):
    accuracy, benchmark = load("accuracy_table"), load("benchmark_accuracy")
    for file in ("accuracy.csv", "accuracy_runs.csv"):
        shutil.copy(TABLES / file, tmp_path)
    monkeypatch.setattr(accuracy, "TABLES", tmp_path)
    accuracy.update(tmp_path / "no folders", benchmark.DATASETS, list(benchmark.EVERYTHING))
    written, kept = ((folder / f"{name}.md").read_text() for folder in (tmp_path, TABLES))
    assert written.split("\n\n")[:2] == kept.split("\n\n")[:2]
    words, numbers = table(written, columns)
    words_kept, numbers_kept = table(kept, columns)
    assert words == words_kept
    # the figures of single runs are kept with four digits
    assert numbers == pytest.approx(numbers_kept, abs=2.1e-4)


def test_recipes_are_compared_by_the_rows_of_their_runs(run, tmp_path, capsys):
    rows = ["dataset,recipe,seed,acc,nmi,ari,elbo,seconds,commit,machine,notes"]
    figures = {
        ("a", "x"): (0.5, 0.7),
        ("a", "y"): (0.4, 0.4),
        ("b", "x"): (0.1,),
        ("b", "y"): (0.2,),
    }
    for (dataset, recipe), found in figures.items():
        rows += [f"{dataset},{recipe},{n},{acc},,,,,c,m," for n, acc in enumerate(found)]
    (tmp_path / "rows.csv").write_text("\n".join([*rows, "a,z,0,.9,,,,,c,m,"]))
    run(SCRIPTS / "compare_rows.py", tmp_path / "rows.csv", "x", "y", "--figures", "acc")
    text = capsys.readouterr().out
    assert "| a | x | **60.00 ± 14.14" in text
    assert "| a | 2 seeds | +20.00 | " in text  # 10 and 30 points
    assert "| mean | 2 datasets | +5.00 | " in text  # 20 and -10 points
    assert "| a | z |" not in text
    with pytest.raises(SystemExit, match=r"rows\.csv has no run of 'w'"):
        run(SCRIPTS / "compare_rows.py", tmp_path / "rows.csv", "x", "w")
    with pytest.raises(SystemExit, match=r"none\.csv does not exist"):
        run(SCRIPTS / "compare_rows.py", tmp_path / "none.csv", "x", "y")


def test_the_families_are_compared_by_the_rows_beside_the_table(run, monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    words = ("outputs/tables/plain.csv", "plain", "vade")
    run(SCRIPTS / "compare_rows.py", *words, "--output", tmp_path / "plain.md")
    command = shlex.join(("python", "scripts/compare_rows.py", *words))
    text = (tmp_path / "plain.md").read_text().replace(f" --output {tmp_path / 'plain.md'}", "")
    assert f"    $ {command}\n" in text
    assert text == (TABLES / "plain.md").read_text()


def test_lengths_are_judged_by_samples_that_were_not_trained_on(load, tmp_path):
    parts = load("benchmark_length").divided("digits", tmp_path)
    x, trained = np.asarray(load_dataset("digits").x), np.load(tmp_path / "x.npy")
    assert len(parts.held_out) == len(x) // 7
    both = np.concatenate((trained, parts.held_out))
    assert np.array_equal(*(np.sort(rows.view(f"V{rows[0].nbytes}"), 0) for rows in (x, both)))
    assert len(np.load(tmp_path / "classes.npy")) == len(trained)
    config = compose_config(*parts.settings)
    assert config.dataset.shape == [1, 8, 8]
    assert config.dataset.likelihood == compose_config("dataset=digits").dataset.likelihood


def test_the_table_of_curves_has_the_means_of_the_runs_beside_it():
    rows = [*csv.reader((TABLES / "curves_mnist.csv").open())][1:]
    table = (TABLES / "curves_mnist.md").read_text()
    for family in ("gammvae", "vade"):
        runs = np.array([row[4:] for row in rows if row[2] == family], float)
        texts = [
            f"{mean:.{digits}f} ± {std:.{digits}f}"
            for mean, std, digits in zip(
                runs.mean(0), runs.std(0, ddof=1), (1, 1, 1, 1, 2), strict=True
            )
        ]
        assert f"| mnist | gmm | {family} | {len(runs)} | {' | '.join(texts)} |" in table


def test_runs_are_listed(run, tmp_path, capsys):
    result = {
        **{"dataset": "digits", "seed": 3, "device": "cpu", "precision": "float32"},
        "metrics": {"acc": 0.5, "nmi": 0.25, "ari": 0.125},
        "steps": {"pretrain": 7, "train": 9},
        "seconds": {"pretrain": 1.04, "init": 5, "train": 2},
        "versions": {"torch": "2.9"},
    }
    folder = tmp_path / "digits" / "vade" / "seed=3"
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(json.dumps(result))
    run(SCRIPTS / "list_runs.py", tmp_path)
    header, line = capsys.readouterr().out.splitlines()
    assert header.startswith("run,dataset,seed,acc,nmi,ari,pretrain steps,")
    assert line == "digits/vade/seed=3,digits,3,50.000,25.000,12.500,7,9,1.0,2.0,cpu,float32,2.9"
    (folder / "result.json").write_text(json.dumps({**result, "metrics": {"elbo": -1.0}}))
    run(SCRIPTS / "list_runs.py", folder)
    assert capsys.readouterr().out.splitlines()[1].startswith(".,digits,3,,,,7,9,")
    (tmp_path / "empty").mkdir()
    for name, text in (("none", "is not a folder"), ("empty", "has no finished runs")):
        with pytest.raises(SystemExit, match="2"):
            run(SCRIPTS / "list_runs.py", tmp_path / name)
        assert f"{name} {text}" in capsys.readouterr().err


def is_of(name, run):
    """Whether the run in some folder is one of a row of some name."""
    name, _, change = name.partition(", ")
    if not run.startswith(f"{name.lower().replace(' + ', '_').replace('-', '')}/"):
        return False
    if name not in ("GMM", "gammvae"):  # of which there are two rows
        return True
    first = run.split("/")[1].partition("=")[0]
    return first == {"": "seed", "diagonal": "model.covariance", "plain": "experiment"}[change]


@pytest.mark.parametrize("table", ["published", "comparison", "budget"])
def test_a_table_has_the_means_of_the_runs_beside_it(table):
    runs = [*csv.DictReader((TABLES / f"{table}_runs.csv").open())]
    found = [*csv.DictReader((TABLES / f"{table}.csv").open())]
    # a figure that two sources have published is in two lines
    ours = {(row["dataset"], row["model"], row["metric"]): row for row in found if int(row["n"])}
    assert sum(int(row["n"]) for row in ours.values()) == 3 * len(runs)
    for row in ours.values():
        values = [
            float(run[row["metric"]])
            for run in runs
            if is_of(row["model"], run["run"].removeprefix(row["dataset"] + "/"))
        ]
        assert len(values) == int(row["n"])
        assert 100 * float(row["mean"]) == pytest.approx(np.mean(values), abs=1e-3)
        if len(values) > 1:
            assert 100 * float(row["std"]) == pytest.approx(np.std(values, ddof=1), abs=1e-3)


COLUMNS = {
    "MNIST": "mnist",
    "Fashion-MNIST": "fashion_mnist",
    "USPS": "usps",
    "UCI-HAR": "hhar",
    "digits": "digits",
}


@pytest.mark.parametrize(
    ("heading", "tables"),
    [
        ("All models side by side", ["comparison"]),
        ("With the budget of the default", ["budget"]),
        ("As the sources train", ["published", "published_vade_hhar"]),
    ],
)
def test_the_benchmarks_page_shows_the_figures_of_tables(heading, tables):
    figures = {}
    for row in (one for name in tables for one in csv.DictReader((TABLES / f"{name}.csv").open())):
        if row["mean"]:
            key = row["metric"], row["model"], row["dataset"]
            figures.setdefault(key, []).append((int(row["n"]), float(row["mean"]), row["std"]))
    page = (SCRIPTS.parent / "docs" / "benchmarks.md").read_text()
    section = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    compared = 0
    for metric, rows in re.findall(
        rf"^\| (ACC|NMI) % \| {' [|] '.join(COLUMNS)} \|\n\| [-| ]+\n((?:\|.*\n)+)", section, re.M
    ):
        for line in rows.splitlines():
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            model = re.sub(r"`(\w+)_20\d\d`", lambda found: found[1].upper(), name)
            for dataset, cell in zip(COLUMNS.values(), cells, strict=True):
                if not cell or "(" in cell:  # fewer seeds, from elsewhere
                    continue
                found = figures[metric.lower(), model.replace("VADE", "VaDE"), dataset]
                n, mean, std = found[0]
                if n == 1:  # a line for every seed
                    values = [value for _, value, _ in found]
                    mean, std = np.mean(values), np.std(values, ddof=1)
                assert cell == f"{100 * mean:.2f} ± {100 * float(std):.2f}"
                compared += 1
    assert compared > 20


def test_speed_is_measured(run, tmp_path, capsys):
    path = tmp_path / "t.md"
    run(
        SCRIPTS / "benchmark_speed.py", "--rounds=1", "--steps=1", "--parts=plain", "--output", path
    )
    text = path.read_text()
    assert text == capsys.readouterr().out
    line = r"^\| {} \| float32 \| ([\d.]+) \| [\d.]+ \| ([\d.]+) \|$"
    (alone,), (step,) = (
        re.findall(line.format(name), text, re.M) for name in ("matrix products alone", "SGVB")
    )
    assert alone[1] == "1.00"
    # milliseconds are printed with two digits
    assert float(step[1]) == pytest.approx(float(step[0]) / float(alone[0]), rel=0.02)
    figures = path.with_suffix(".csv").read_text().splitlines()
    assert f"SGVB,float32,ms a step,{step[0]}" in figures


def test_runs_that_are_started_together_are_measured(load, tmp_path, monkeypatch):
    """On the CPU, because the script itself needs a GPU."""
    gpu = load("benchmark_gpu")
    monkeypatch.setattr(gpu, "DEVICE", "cpu")
    monkeypatch.setattr(gpu, "SAMPLES", 300)
    settings = [*gpu.random_images(str(tmp_path)), "experiment=smoke", "architecture=small"]
    runs, compiled, whole, *stages, host, device = gpu.seconds_of_runs(
        settings, str(tmp_path), "false", 2
    )
    assert (runs, compiled, device) == ("2", "false", "0.00")
    assert float(whole) > sum(map(float, stages)) > 0
    assert 0.1 < float(host) < 10
    with pytest.raises(SystemExit, match="a run failed"):
        gpu.seconds_of_runs(["dataset=none"], str(tmp_path), "false", 1)


def test_runs_on_small_data_are_compared_on_the_seeds_that_both_have(load, tmp_path, monkeypatch):
    accuracy, small = load("accuracy_table"), load("benchmark_small_data")
    for module in (accuracy, small):
        monkeypatch.setattr(module, "TABLES", tmp_path)
    figures = {
        ("iris", "default"): [(0, 0.9, 3), (1, 0.8, 5)],
        ("iris", "wide and long"): [(1, 0.7, 50), (2, 0.1, 10)],
        ("wine", "default"): [(0, 0.9, 3)],
        ("wine", "plain"): [(0, 0.2, 3)],
    }
    lines = [
        dict.fromkeys(accuracy.RUN_COLUMNS, 0.0)
        | {"dataset": dataset, "recipe": recipe, "seed": seed, "acc": acc, "seconds": seconds}
        for (dataset, recipe), runs in figures.items()
        for seed, acc, seconds in runs
    ]
    accuracy.write("accuracy_runs.csv", accuracy.RUN_COLUMNS, lines)
    row = ["iris", "chosen on", "1", "0.8000", "0.7000", "+0.1000", "5", "50"]
    assert small.pairs() == [row]


def test_the_options_of_outside_are_read_by_a_shell_and_by_train(run, tmp_path, capsys):
    folder = tmp_path / "it's a, b"
    run(SCRIPTS / "outside.py", folder, "sklearn")
    printed = capsys.readouterr().out
    shell = ["xargs", "printf", "%s\\n"]
    words = subprocess.run(shell, input=printed, capture_output=True, text=True).stdout.splitlines()
    assert words == shlex.split(printed)
    *_, name, data, path, labels, clusters, preprocess = words
    assert (name, data) == ("wine", "dataset=file")
    config = compose_config(data, path, labels, clusters, preprocess)
    assert config.dataset.path == str(folder / "wine.npy")
    assert config.dataset.labels == str(folder / "wine.txt")
    assert config.n_clusters == 3


def test_images_are_enlarged_and_read_by_train(run, tmp_path, capsys):
    run(SCRIPTS / "enlarge.py", "digits", "15", tmp_path)
    config = compose_config(*shlex.split(capsys.readouterr().out))
    assert (config.dataset.shape, config.n_clusters, config.preprocess) == ([1, 15, 15], 10, "none")
    large, small = by_name.load_dataset(config.dataset, "cpu"), load_dataset("digits")
    assert np.array_equal(large.y.astype(int), small.y.astype(int))
    # the center of pixel 1 of 15 lies at .3 between those of pixels 0 and 1 of 8
    images, found = (np.reshape(one.x, (-1, side, side)) for one, side in ((small, 8), (large, 15)))
    for place, (first, share) in {0: (0, 0.0), 1: (0, 0.3), 7: (3, 0.5)}.items():
        wanted = (1 - share) * images[:, first, 0] + share * images[:, first + 1, 0]
        assert found[:, place, 0] == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["digits", "8"], "8 is too small: images have 8 x 8 pixels, and must get more"),
        (["nodata", "16"], "unknown option dataset=nodata"),
    ],
)
def test_images_that_cannot_be_enlarged_get_one_line(run, tmp_path, capsys, words, message):
    with pytest.raises(SystemExit) as ended:
        run(SCRIPTS / "enlarge.py", *words, tmp_path / "new")
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
