import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def reproduce(folder):
    """Starts the script in a folder of its own, which the outputs lie in."""
    return subprocess.Popen(
        ["bash", str(folder / "scripts" / "reproduce.sh"), "--smoke"],
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def tables(folder):
    """All tables but the seconds in them."""
    found = {}
    for path in sorted((folder / "outputs" / "reproduce-smoke" / "tables").glob("*.csv")):
        with path.open() as file:
            found[path.name] = [row for row in csv.DictReader(file) if row["metric"] != "seconds"]
    return found


@pytest.mark.slow
def test_killed_twice_it_ends_with_the_same_tables(tmp_path):
    pytest.importorskip("umap")
    folders = [tmp_path / "whole", tmp_path / "killed"]
    for folder in folders:
        (folder / "scripts").mkdir(parents=True)
        for name in ("reproduce.sh", "benchmark_gradients.py", "reporting.py"):
            (folder / "scripts" / name).write_text((ROOT / "scripts" / name).read_text())
    for seconds in (30, 60):
        process = reproduce(folders[1])
        time.sleep(seconds)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for folder in folders:
        process = reproduce(folder)
        _, errors = process.communicate(timeout=3000)
        assert process.returncode == 0, errors[-2000:]
    whole, killed = map(tables, folders)
    assert len(whole) == 8
    for folder in folders:
        gradients = folder / "outputs" / "reproduce-smoke" / "tables" / "gradients.md"
        assert "marsaglia_tsang" in gradients.read_text()
    assert killed == whole
    models = {row["model"].split()[0] for row in whole["comparison.csv"]}
    assert len(models) == 10
    assert {row["n"] for row in whole["comparison.csv"]} == {"3"}
