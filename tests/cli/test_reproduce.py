"""``gammvae reproduce`` in this process: states, estimates, failures and refusals."""

import csv
import json
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from gammvae.cli.table_files import table_files, yaml_files
from gammvae.system.locking import locked
from gammvae.tables.described import HARDLY_TRAINED
from tests.test_reproduce import QUICK, own_table

MINE = ("--config-dir", "mine")
ONE = (
    "title: One\ndatasets: [digits]\nseeds: [0, 1]\nmetrics: [acc]\n"
    "rows: [{name: k-means, overrides: [model=kmeans]}]\n"
)
RUN = "outputs/reproduce/digits/kmeans/seed="


@pytest.fixture
def alone(monkeypatch):
    """Leaves the tables that come with gammvae out, because composing all their runs takes long."""
    monkeypatch.setattr(
        "gammvae.cli.table_files.table_files", lambda config_dir: yaml_files(Path(config_dir))
    )


def own_dataset(folder, labels="null"):
    """A dataset of three features, or of two and classes, by the name ``mine``."""
    (folder / "mine/dataset").mkdir()
    (folder / "mine/dataset/mine.yaml").write_text(
        f"name: mine\nn_clusters: 2\nlikelihood: normal\npath: x.csv\nlabels: {labels}\n"
        "loader: {_target_: gammvae.data.files.load}\n"
    )
    (folder / "x.csv").write_text(
        "a,b,c\n" + "".join(f"{i % 7},{i % 5},{i % 2}\n" for i in range(40))
    )


@contextmanager
def another_process_at(taken, until):
    """Holds the lock of a run, as another process would, until some other run is finished."""
    held = Event()

    def hold():
        with locked(taken, ".lock"):
            held.set()
            while not (until / "result.json").exists():
                time.sleep(0.01)
            time.sleep(0.1)  # the run is waited for by then
            assert not (taken / "result.json").exists()

    with ThreadPoolExecutor() as threads:
        other = threads.submit(hold)
        held.wait()
        yield
        other.result()


def state(in_process):
    """What ``gammvae reproduce`` prints of the only table."""
    result = in_process("reproduce", *MINE)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def rewrite(path, **changes):
    """Changes the result of a finished run."""
    result = json.loads((path / "result.json").read_text())
    (path / "result.json").write_text(json.dumps(result | changes))
    (path / "digests.json").unlink()


def test_without_a_table_all_are_listed_and_nothing_is_run(tmp_path, in_process):
    own_table(tmp_path)
    result = in_process("reproduce", *MINE)
    assert result.returncode == 0, result.stderr
    *parts, last = result.stdout.rstrip("\n").split("\n\n")
    assert [part.partition(":")[0] for part in parts] == list(table_files(None))
    assert last.splitlines() == [
        "quick: Baselines",
        "0 of 12 runs finished",
        "dataset  finished  missing  files",
        "-------  --------  -------  --------------------------------------------",
        "digits   0 of 6    all      here",
        "usps     0 of 6    all      not here: gammvae datasets fetch usps (8 MB)",
        "the rest, where files are here: unknown for 6 runs, as none like them is finished",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_what_is_missing_is_computed_and_written_beside_what_is_published(tmp_path, in_process):
    own_table(tmp_path)
    result = in_process("reproduce", "quick", *MINE)
    assert result.returncode == 0, result.stderr
    assert "usps is not run, its files are not here: gammvae datasets fetch usps" in result.stderr
    names = [f"outputs/tables/quick.{ending}" for ending in ("csv", "md", "tex")]
    assert result.stdout.splitlines()[-3:] == names
    with (tmp_path / names[0]).open() as file:
        rows = {(one["dataset"], one["model"], one["metric"]): one for one in csv.DictReader(file)}
    assert len(rows) == 4
    ours = rows["digits", "k-means", "acc"]
    assert (ours["n"], ours["seeds"], ours["published"]) == ("3", "0 1 2", "0.801")
    one = json.loads((tmp_path / f"{RUN}1/result.json").read_text())["metrics"]["acc"]
    assert float(ours["min"]) <= one <= float(ours["max"])
    text = (tmp_path / names[1]).read_text()
    assert text.startswith("# Baselines; seeds 0 to 2\n")
    assert " | 3 | 80.10 ± 0.50 | 10 | A paper |" in text
    assert "| digits | 3 seeds | " in text  # the comparison
    assert text.endswith("\n\n- **nine**: One cluster less than classes.\n")
    assert "nine: One cluster less than classes.\n" in result.stdout
    assert (
        "\\textbf{nine}: One cluster less than classes.\\par" in (tmp_path / names[2]).read_text()
    )


@pytest.mark.usefixtures("alone")
def test_the_rest_is_estimated_from_finished_runs(tmp_path, in_process):
    own_table(tmp_path)
    assert in_process("reproduce", "quick", *MINE).returncode == 0
    shutil.rmtree(tmp_path / "outputs/reproduce/digits/kmeans/n_clusters=9")
    (tmp_path / f"{RUN}1/result.json").unlink()
    rewrite(tmp_path / f"{RUN}0", seconds={"init": 10.0, "evaluate": 20.0})
    rewrite(tmp_path / f"{RUN}2", seconds={"init": 50.0})
    lines = state(in_process)
    assert lines[4].split("  ", 1)[1].strip() == "2 of 6    k-means seed 1; nine  here"
    assert lines[-1] == (
        "the rest, where files are here: about 3 min for 4 runs "
        "(1 by runs of the same row and dataset, "
        "3 by runs of the same dataset and length of pretraining)"
    )
    asked = in_process("reproduce", "quick", "seed=7", "row=k-means", *MINE)
    assert "about 40 s for 1 run (1 by runs of the same row and dataset)" in asked.stderr
    shutil.rmtree(tmp_path / f"{RUN}7")
    for seed in (0, 2):  # times of another kind of device say nothing
        path = tmp_path / f"{RUN}{seed}/result.json"
        path.write_text(path.read_text().replace('"device": "cpu"', '"device": "mps"'))
    assert state(in_process)[-1].endswith("unknown for 4 runs, as none like them is finished")


def test_finished_runs_are_not_repeated_and_settings_reach_the_runs(tmp_path, in_process):
    own_table(tmp_path, ONE)
    places = ("output_root=a/runs", "--tables", "b")
    assert in_process("reproduce", "quick", *MINE, *places).returncode == 0
    path = tmp_path / "a/runs/digits/kmeans/seed=0/result.json"
    before = path.stat().st_mtime_ns
    assert (tmp_path / "b/quick.tex").exists()
    assert in_process("reproduce", "quick", *MINE, *places).returncode == 0
    assert path.stat().st_mtime_ns == before
    own_table(tmp_path, ONE.replace("[0, 1]", "[0, 1, 2]"))
    again = in_process("reproduce", "quick", *MINE, *places)
    assert [line for line in again.stderr.splitlines() if line.endswith("done")] == [
        "1 of 1: a/runs/digits/kmeans/seed=2 done"
    ]


def test_a_table_of_what_is_finished_computes_nothing(tmp_path, in_process):
    """Also where other processes compute, and where the data are not."""
    own_table(tmp_path)
    command = ("reproduce", "quick", *MINE)
    assert in_process(*command).returncode == 0
    whole = (tmp_path / "outputs/tables/quick.md").read_text()
    shutil.rmtree(tmp_path / f"{RUN}1")
    result = in_process(*command, "--finished", "--tables", "now")
    assert (result.returncode, result.stderr) == (0, "")
    assert not (tmp_path / f"{RUN}1").exists()
    text = (tmp_path / "now/quick.md").read_text()
    assert "+ without seed 1 of k-means on digits (not run)" in text
    assert "+ without" not in whole
    assert result.stdout.splitlines()[-1] == "now/quick.tex"
    assert "+ without seed 1 of k-means on digits (not run)" in result.stdout
    shutil.rmtree(tmp_path / "outputs/reproduce")
    refused = in_process(*command, "--finished", "dataset=usps")
    assert refused.returncode == 2
    assert "no dataset of the tables is here, and no run is finished" in refused.stderr


def test_rows_are_ranked_over_datasets_whose_files_are_gone(tmp_path, in_process):
    rows = ", ".join(
        f"{{name: to {n}, overrides: [model=kmeans, n_clusters={n}]}}" for n in (2, 3, 4)
    )
    head = "title: Two\ndatasets: [digits, mine]\nseeds: [0]\nmetrics: [acc]\nrank: true\n"
    own_table(tmp_path, f"{head}rows: [{rows}]\n")
    own_dataset(tmp_path, labels="c")
    command = ("reproduce", "quick", *MINE)
    assert in_process(*command).returncode == 0
    (tmp_path / "x.csv").unlink()
    result = in_process(*command, "--finished")
    assert result.returncode == 0, result.stderr
    assert "rank by ACC  average  digits  mine" in result.stdout


def test_a_failed_run_does_not_stop_the_others(tmp_path, in_process):
    rows = (
        "rows:\n  - {name: broken, overrides: [model=kmeans, n_clusters=5000]}\n"
        "  - {name: k-means, overrides: [model=kmeans]}\n"
    )
    own_table(tmp_path, ONE[: ONE.index("rows:")] + rows)
    result = in_process("reproduce", "quick", *MINE)
    assert result.returncode == 1
    *_, first, second = result.stdout.splitlines()
    assert first.startswith("failed: ")
    assert second.endswith("every cluster needs at least one")
    assert "Traceback" not in result.stderr
    text = (tmp_path / "outputs/tables/quick.md").read_text()
    assert "| broken | -+ |" in text
    (note,) = (line for line in text.splitlines() if line.startswith("+"))
    assert note.startswith("+ without seeds 0, 1 of broken on digits (failed: n_clusters=5000 ")
    (line,) = (line for line in text.splitlines() if line.startswith("| k-means | "))
    assert "±" in line


def test_a_run_of_another_process_is_waited_for_at_the_end(tmp_path, in_process, monkeypatch):
    """The other process ends without a result, so the run is computed here."""
    monkeypatch.setattr("gammvae.cli.campaign.SECONDS_BETWEEN_LOOKS", 0.01)
    own_table(tmp_path, ONE)
    with another_process_at(tmp_path / f"{RUN}0", until=tmp_path / f"{RUN}1"):
        result = in_process("reproduce", "quick", *MINE)
    assert result.returncode == 0, result.stderr
    assert result.stderr.splitlines()[-5:] == [
        f"{RUN}0 is computed by another process, and left for the end",
        f"1 of 2: {RUN}1 done",
        f"waiting for another process, which computes {RUN}0",
        "k-means",
        f"2 of 2: {RUN}0 done",
    ]
    assert "failed" not in result.stdout
    assert "±" in (tmp_path / "outputs/tables/quick.md").read_text()


def test_a_run_that_failed_is_not_tried_again_after_waiting(tmp_path, in_process, monkeypatch):
    monkeypatch.setattr("gammvae.cli.campaign.SECONDS_BETWEEN_LOOKS", 0.01)
    rows = "rows: [{name: many, overrides: [model=kmeans, n_clusters=50]}]\n"  # mine has 40 samples
    own_table(tmp_path, ONE[: ONE.index("rows:")].replace("[digits]", "[digits, mine]") + rows)
    own_dataset(tmp_path, labels="c")
    taken = tmp_path / "outputs/reproduce/digits/kmeans/n_clusters=50/seed=0"
    with another_process_at(taken, until=taken.with_name("seed=1")):
        result = in_process("reproduce", "quick", *MINE)
    assert result.returncode == 1
    for seed in (0, 1):
        attempts = [line for line in result.stderr.splitlines() if "exceeds the 40 samples" in line]
        assert len([line for line in attempts if f"seed={seed}:" in line]) == 1
    assert (taken / "result.json").exists()


def test_what_processes_of_a_launcher_print_is_left_out(tmp_path, in_process):
    own_table(tmp_path, ONE)
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    result = in_process("reproduce", "quick", *MINE, *launcher)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("One; seeds 0, 1\n")
    assert "samples of 64 features" not in result.stderr
    assert "2 of 2: " in result.stderr


def test_a_table_grows_with_its_rows(tmp_path, in_process, monkeypatch):
    from gammvae.cli import campaign

    own_table(tmp_path)
    written, launched = [], campaign.launched

    def watch(arguments):
        path = tmp_path / "outputs/tables/quick.csv"
        written.append(path.read_text() if path.exists() else "")
        return launched(arguments)

    monkeypatch.setattr(campaign, "launched", watch)
    assert in_process("reproduce", "quick", *MINE).returncode == 0
    begun, grown = written
    assert begun.count("k-means") < grown.count("k-means")  # at first only what is published
    assert "nine" not in grown


def test_cells_of_different_origin_are_marked_and_averaged(tmp_path, in_process):
    own_table(tmp_path)
    assert in_process("reproduce", "quick", *MINE).returncode == 0
    versions = json.loads((tmp_path / f"{RUN}0/result.json").read_text())["versions"]
    rewrite(tmp_path / f"{RUN}0", versions=versions | {"torch": "2.9"})
    again = in_process("reproduce", "quick", *MINE)
    assert again.returncode == 0, again.stderr
    lines = (tmp_path / "outputs/tables/quick.md").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("| digits | k-means | **"))
    assert "a** |" in line
    (note,) = {line for line in lines if line.startswith("a ")}
    assert note.startswith("a seeds computed torch 2.")
    assert note.endswith(" and others torch 2.9")


@pytest.mark.usefixtures("alone")
def test_runs_of_another_configuration_are_not_taken_for_the_table_s(tmp_path, in_process):
    own_table(tmp_path, ONE)
    assert in_process("reproduce", "quick", *MINE).returncode == 0
    path = tmp_path / f"{RUN}1/config.yaml"
    path.write_text(path.read_text().replace("batch_size: 256", "batch_size: 64"))
    assert state(in_process)[4].split("  ", 1)[1].strip() == "1 of 2    k-means seed 1  here"
    again = in_process("reproduce", "quick", *MINE)
    assert again.returncode == 1
    assert "batch_size is 64 there and 256 here" in again.stdout


def test_smoke_runs_on_digits_in_a_folder_of_its_own(tmp_path, in_process):
    own_table(tmp_path, QUICK.replace("[0, 1, 2]", "[3, 4, 5, 6]"))
    result = in_process("reproduce", "quick", "--smoke", *MINE)
    assert result.returncode == 0, result.stderr
    root = tmp_path / "outputs/reproduce-smoke"
    runs = root / "digits/kmeans" / ",".join(sorted(HARDLY_TRAINED))
    assert sorted(path.name for path in runs.iterdir()) == ["seed=3", "seed=4", "seed=5"]
    assert "usps" not in (root / "tables/quick.md").read_text()
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["reproduce-smoke"]


def test_a_table_of_other_datasets_seeds_and_fewer_rows_is_a_file_of_its_own(tmp_path, in_process):
    own_table(tmp_path)
    asked = ("dataset=digits", "seed=3,5", "row=nine")
    result = in_process("reproduce", "quick", *MINE, *asked)
    assert result.returncode == 0, result.stderr
    runs = tmp_path / "outputs/reproduce/digits/kmeans/n_clusters=9"
    assert sorted(path.name for path in runs.iterdir()) == ["seed=3", "seed=5"]
    assert not (tmp_path / "outputs/reproduce/digits/kmeans/seed=3").exists()
    tables = tmp_path / "outputs/tables"
    assert {path.stem for path in tables.iterdir()} == {f"quick,{','.join(asked)}"}
    with (tables / f"quick,{','.join(asked)}.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(row["model"], row["dataset"]) for row in rows} == {("nine", "digits")}
    assert {row["n"] for row in rows} == {"2"}


def test_the_same_choice_has_the_same_name_and_another_one_another(tmp_path, in_process):
    own_table(
        tmp_path,
        "title: One\ndatasets: [digits]\nseeds: [0]\nmetrics: [acc]\nrows:\n"
        "- {name: k, overrides: [model=kmeans]}\n"
        "- {name: 'k, k', overrides: [model=kmeans, n_clusters=9]}\n",
    )
    for row in ("k", "k,k", " k ,"):
        assert in_process("reproduce", "quick", *MINE, f"row={row}").returncode == 0
    assert in_process("reproduce", "quick", *MINE, "row=k, k").returncode == 0
    names = sorted(path.stem for path in (tmp_path / "outputs/tables").glob("*.csv"))
    assert len(names) == 2
    assert names[0] == "quick,row=k"
    in_process("reproduce", "quick", *MINE, "seed=5,3,4,5")
    assert (tmp_path / "outputs/tables/quick,seed=3-5.md").exists()


def test_tables_without_the_rows_are_left_out(tmp_path, in_process):
    own_table(tmp_path, ONE)
    own_table(tmp_path, ONE.replace("name: k-means", "name: other"), name="other")
    result = in_process("reproduce", "quick", "other", *MINE, "row=other", "seed=0")
    assert result.returncode == 0, result.stderr
    (made,) = (tmp_path / "outputs/tables").glob("*.csv")
    assert made.name == "other,seed=0,row=other.csv"


def test_a_file_without_classes_is_refused_for_metrics_that_need_them(tmp_path, in_process):
    own_table(tmp_path, ONE)
    own_dataset(tmp_path)
    result = in_process("reproduce", "quick", *MINE, "dataset=mine")
    assert result.returncode == 2
    assert result.stderr == (
        "gammvae: table quick,dataset=mine would be empty for mine: its metrics, acc, need "
        "classes, which the setting labels of the dataset names; metric=elbo,silhouette needs "
        "none\n"
    )
    assert not (tmp_path / "outputs").exists()
    result = in_process("reproduce", "quick", *MINE, "dataset=mine", "metric=silhouette")
    assert result.returncode == 0, result.stderr
    assert (
        "silhouette"
        in (tmp_path / "outputs/tables/quick,dataset=mine,metric=silhouette.md").read_text()
    )


def changed(old, new):
    assert old in QUICK
    return QUICK.replace(old, new)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (changed("usps", "uspss"), "unknown dataset 'uspss': it must be one of digits, fashion"),
        (
            changed("model=kmeans, n_clusters=9", "model=km"),
            "row 'nine': .*unknown option model=km",
        ),
        (
            changed("n_clusters=9", "train.update=3"),
            r"row 'nine': unknown option train.update: did you mean updates\? train has agreement",
        ),
        (
            changed("n_clusters=9", "batch_size=0"),
            "row 'nine': batch_size=0 is out of range: it must",
        ),
        (changed("n_clusters=9", "'seed=1,2'"), "'seed=1,2': a row may have settings that change"),
        (changed("n_clusters=9", "'batch_size=64,128'"), "row 'nine': .*several values: each must"),
        (changed("n_clusters=9", "train"), "the override 'train': it must have the form KEY=VALUE"),
        (
            changed("[acc, nmi]", "[acc, f1]"),
            "metrics, entry 2: .*must be one of acc, nmi, .* not 'f1'",
        ),
        (changed("[0, 1, 2]", "[0, -1]"), "seeds, entry 2: it must be at least 0, not -1"),
        (changed("[0, 1, 2]", "[0, 1, 0]"), "seeds have 0 twice: each must be there once"),
        (changed("[nine, k-means]", "[nine, x]"), "the row 'x': it must be one of k-means, nine"),
        (
            changed("      digits: [", "      mnist: ["),
            "published figures on 'mnist', which is not among the table's datasets, digits, usps",
        ),
        (
            changed("value: 80.1", "value: 801"),
            "table: row 'k-means', published, digits, entry 1, value: .*at most 100",
        ),
        (changed("- name: nine\n    about", "- about"), "table: row 2, name: it must be given"),
        (
            QUICK + "  - nine\n",
            "table: row 3: it must have entries .*, not 'nine'",
        ),
        (changed("title: B", "titel: B"), "title: it must be given"),
        (changed("rows:", "rows: 3\nrow:"), "rows: it must be a list, not 3"),
        ("a: [", "quick.yaml is damaged: while parsing"),
        (changed("title: B", "title: A\ntitle: B"), "it holds 'title' twice"),
        (
            changed("One cluster less than classes.", "[3]"),
            "row 'nine', about: it must be text, not \\[3\\]",
        ),
        (
            changed("n_clusters=9", "dataset.loader._target_=os.getcwd"),
            "but not dataset.loader._target_, which the table, the command line or the dataset",
        ),
        (changed("n_clusters=9", "+dataset.about.size=3"), "but not dataset.about.size, which"),
        (changed("n_clusters=9", "seed_=1, seed_=2"), "has the override seed_ twice"),
        (changed("[model=kmeans, n_clusters=9]", "[model=kmeans]"), "have the same overrides"),
        (changed("[nine, k-means]", "[nine, nine]"), "compare have 'nine' twice"),
        (
            changed("[acc, nmi]", "[nmi]"),
            "has published figures of 'acc', which is not among the table's metrics, nmi",
        ),
        (
            changed("value: 80.1", "value: 0.801"),
            "has the published acc 0.801 on 'digits': it must be in percent, as 80.1",
        ),
    ],
)
def test_a_bad_table_is_refused_in_one_line(tmp_path, in_process, text, message):
    own_table(tmp_path, text)
    result = in_process("reproduce", "quick", *MINE)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert re.search(message, line), line
    assert "quick" in line
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "unknown table 'nothing': it must be one of budget, comparison, "),
        (("family", "sed=3"), "reproduce has no setting sed=3: did you mean seed? it takes"),
        (("family", "seed=-1"), "seed=-1 is no seed: seeds are whole numbers from 0 to 2147"),
        (("family", "seed=a,b"), "seed=a is no seed"),
        (("family", "seed=1.5"), "seed=1.5 is no seed"),
        (("family", "seed="), "seed= lists no values: it must have the form KEY=A,B"),
        (("family", "seed=(1"), "seed=(1 cannot be read: it must have the form KEY=A,B"),
        (
            ("family", "seed=[1,2]"),
            "seed=[1,2] is one list: several values are separated by commas",
        ),
        (("family", "seed=1", "seed=2"), "seed=1 and seed=2: seed must be given once, with commas"),
        (("family", "dataset=glob(*)"), "dataset=glob(*) lists no values"),
        (("family", "dataset=usp"), "unknown dataset 'usp': did you mean usps? it must be one of"),
        (("family", "metric=f1"), "unknown metric 'f1': it must be one of acc, nmi, ari, elbo"),
        (
            ("family", "row=gamm"),
            "row=gamm: no table has the row 'gamm': did you mean gammvae? the",
        ),
        (
            ("family", "dataset=usps"),
            "no dataset of the tables is here, and no run is finished: usps",
        ),
        (("family", "device=cuda:99"), "device=cuda:99 is not available: this machine has"),
        (("--config-dir", "nowhere"), "--config-dir nowhere is not a folder"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(tmp_path, in_process, arguments, message):
    result = in_process("reproduce", *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(f"gammvae: {message}")
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_hold_tables_is_refused_before_anything_is_computed(
    tmp_path, in_process
):
    own_table(tmp_path, QUICK)
    (tmp_path / "full").write_text("")
    result = in_process("reproduce", "quick", *MINE, "--tables", "full/in")
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("gammvae: --tables=full/in cannot be made: ")
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("name", ["comparison", "all"])
def test_a_name_that_is_taken_is_refused(tmp_path, in_process, name):
    own_table(tmp_path, name=name)
    result = in_process("reproduce", *MINE)
    assert result.returncode == 2
    assert f"mine/tables/{name}.yaml cannot be used: the name {name} is taken" in result.stderr


def test_the_benchmarks_have_their_tables():
    assert list(table_files(None)) == [
        *("budget", "comparison", "family", "family_plain", "published", "published_2025"),
        *("reparameterization", "sensitivity", "start"),
    ]
