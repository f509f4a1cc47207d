"""``gammvae reproduce`` from outside: a table of the user's own, killed and called again."""

import csv
import importlib.resources
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import yaml

QUICK = """\
title: Baselines
datasets: [digits, usps]
seeds: [0, 1, 2]
metrics: [acc, nmi]
compare: [nine, k-means]
rows:
  - name: k-means
    overrides: [model=kmeans]
    published:
      digits: [{metric: acc, value: 80.1, std: 0.5, seeds: 10, source: A paper}]
  - name: nine
    about: One cluster less than classes.
    overrides: [model=kmeans, n_clusters=9]
"""


COMMAND = (sys.executable, "-m", "gammvae")


def reproduce(folder, *arguments, command=COMMAND, **streams):
    """Starts the command in a folder, in which its outputs lie."""
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [*command, "reproduce", *arguments],
        cwd=folder,
        env={**os.environ, "GAMMVAE_DATA": str(folder / "data")},
        text=True,
        start_new_session=True,
        **streams,
    )


def tables(folder):
    """All tables but the seconds in them."""
    found = {}
    for path in sorted(folder.glob("*.csv")):
        with path.open() as file:
            found[path.name] = [row for row in csv.DictReader(file) if row["metric"] != "seconds"]
    return found


def own_table(folder, text=QUICK, name="quick"):
    """Writes a table into the user's own folder."""
    (folder / "mine" / "tables").mkdir(parents=True, exist_ok=True)
    (folder / "mine" / "tables" / f"{name}.yaml").write_text(text)


def wait_for(path, process, seconds=120):
    """Waits until a file is there, as long as its process lives."""
    until = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, "it ended too early"
        assert time.monotonic() < until, f"no {path}"
        time.sleep(0.01)


def test_killed_after_its_first_run_it_ends_with_the_same_table(tmp_path, forks):
    folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        own_table(folder)
    flags = ("quick", "--config-dir", "mine")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    first = folders[1] / "outputs/reproduce/digits/kmeans/seed=0/result.json"
    process = reproduce(folders[1], *flags, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(first, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    finished = first.stat().st_mtime_ns
    assert list(folders[1].rglob(".sweep-*"))
    assert not (first.parents[1] / "seed=2/result.json").exists()
    lines = []
    for folder in folders:
        process = reproduce(folder, *flags, command=(*forks, "gammvae"), **quiet)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-2000:]
        lines.append(errors.splitlines())
    assert first.stat().st_mtime_ns == finished
    assert not list(tmp_path.rglob(".sweep-*"))
    whole, killed = (tables(folder / "outputs" / "tables") for folder in folders)
    assert list(whole) == ["quick.csv"]
    assert killed == whole
    assert [row["n"] for row in whole["quick.csv"]] == ["3"] * 4
    # the log is plain lines, one for every run that was missing
    done = [[line for line in one if line.endswith(" done")] for one in lines]
    assert done[0][0] == "1 of 6: outputs/reproduce/digits/kmeans/seed=0 done"
    assert done[0][-1] == "6 of 6: outputs/reproduce/digits/kmeans/n_clusters=9/seed=2 done"
    assert len(done[1]) < 6
    assert not any("\r" in line for one in lines for line in one)


def test_two_processes_share_the_runs_of_a_table(tmp_path, forks):
    own_table(tmp_path)
    flags = ("quick", "--config-dir", "mine")
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    processes = [
        reproduce(tmp_path, *flags, "--tables", name, command=(*forks, "gammvae"), **streams)
        for name in ("a", "b")
    ]
    ended = []
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors[-2000:]
        ended += re.findall("outputs/reproduce/(.*) done$", errors, re.MULTILINE)
    assert len(ended) == len(set(ended)) == 6  # no run was computed twice
    first, second = (tables(tmp_path / name) for name in ("a", "b"))
    assert first == second
    assert [row["n"] for row in first["quick.csv"]] == ["3"] * 4


@pytest.mark.slow
def test_killed_twice_it_ends_with_the_same_tables(tmp_path):
    pytest.importorskip("umap")
    folders = [tmp_path / "whole", tmp_path / "killed"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    for seconds in (30, 60):
        process = reproduce(folders[1], "--smoke", stdout=subprocess.DEVNULL)
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for folder in folders:
        process = reproduce(folder, "--smoke", **quiet)
        _, errors = process.communicate(timeout=3000)
        assert process.returncode == 0, errors[-2000:]
    whole, killed = (tables(folder / "outputs/reproduce-smoke/tables") for folder in folders)
    assert len(whole) == 7
    assert killed == whole
    models = {row["model"] for row in whole["comparison.csv"]}
    path = importlib.resources.files("gammvae.conf") / "tables" / "comparison.yaml"
    rows = yaml.safe_load(path.read_text())["rows"]
    assert models == {row["name"] for row in rows}
    assert {row["n"] for row in whole["comparison.csv"]} == {"3"}
