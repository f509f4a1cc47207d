"""A campaign of kills, full disks and processes in each other's way: nothing trained is lost."""

import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.conftest import TINY
from tests.test_damage import Outcome, arrays_of, forked, load_everything, without_times

pytestmark = pytest.mark.slow

SMALL = (*TINY, "device=cpu", "batch_size=40", "preprocess=standardize", "init.n_init=2")
DATA = ("train", "dataset=file", "dataset.path=x.npy", "dataset.labels=y.npy", "n_clusters=3")
RUN = (*DATA, *SMALL, "report=true")
BRIEF = ("pretrain.epochs=20", "train.epochs=20")
# Some seconds, and more kills than a run may need.
LONG = ("pretrain.epochs=250", "train.epochs=150")
KILLS, LONGEST = 40, 1.2


class Process(NamedTuple):
    """A forked process that runs a command."""

    pid: int
    shown: list[Path]

    def wait(self) -> Outcome:
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return Outcome(code, *(path.read_text() for path in self.shown))

    def ended(self) -> bool:
        """Whether it has, without taking its exit code."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None

    def kill(self) -> Outcome:
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
        return self.wait()


def start(arguments: tuple[str, ...], folder: Path, name: str = "process") -> Process:
    """Starts a command that saves often."""
    shown = [folder.parent / f"{folder.name}.{name}.{kind}" for kind in ("out", "err")]
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            code = forked(arguments, folder, shown, save_often, "http://127.0.0.1:9")
        finally:
            os._exit(code)
    return Process(pid, shown)


def save_often() -> None:
    """Makes this process write a checkpoint every few epochs."""
    from gammvae.training import stages

    stages.CHECKPOINT_SECONDS, stages.CHECKPOINT_RATIO = 0.02, 0.0


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with three clear clusters, in a process in which all modules are loaded."""
    load_everything()
    return with_data(tmp_path / "work")


def with_data(folder: Path) -> Path:
    (folder / "home").mkdir(parents=True)
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    np.save(folder / "x.npy", np.eye(3, 6)[y] * 12 + rng.normal(size=(120, 6)))
    np.save(folder / "y.npy", y)
    return folder


def outcome_of(run: Path) -> tuple[Any, ...]:
    """What must not depend on interruptions."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    records = [without_times(json.loads(line)) for line in lines]
    result = json.loads((run / "result.json").read_text())
    return records, result["metrics"], arrays_of(run / "assignments.npz")


def check_whole(run: Path) -> None:
    """A finished run has its report and its seconds, and nothing is left over."""
    assert (run / "report.html").read_text().rstrip().endswith("</html>")
    assert sum(json.loads((run / "result.json").read_text())["seconds"].values()) > 0
    assert left_over(run) == []


def stages_that_took_time(run: Path) -> list[str]:
    """By the result."""
    seconds = json.loads((run / "result.json").read_text())["seconds"]
    return [stage for stage, value in seconds.items() if value > 0]


def left_over(folder: Path) -> list[str]:
    """Temporary files below a folder."""
    found = [path.relative_to(folder) for path in folder.rglob(".*")]
    kept = {".lock", ".pretrained"}
    return sorted(str(path) for path in found if path.name not in kept and path.parts[0] != "home")


def refused(done: Outcome) -> None:
    """One line and exit code 2, after what was logged."""
    assert "Traceback" not in done.err, done.err
    assert done.code == 2, (done.code, done.err)
    assert done.err.splitlines()[-1].startswith("gammvae: "), done.err


def until(condition: Callable[[], Any], process: Process, seconds: float = 20.0) -> bool:
    """Waits for something; whether it came before the process ended."""
    end = time.monotonic() + seconds
    while not condition():
        if process.ended() or time.monotonic() > end:
            return bool(condition())
        time.sleep(0.002)
    return True


def finish_through_kills(command: tuple[str, ...], folder: Path, rng: random.Random) -> int:
    """Repeats a command, killing it at random times, until it is done; the number of kills."""
    for kills in range(KILLS):
        process = start(command, folder)
        until(lambda: False, process, rng.uniform(0.05, rng.choice((0.6, LONGEST))))
        done = process.kill()
        if done.code != -signal.SIGKILL:
            assert done.code == 0, (kills, done.err)
            return kills
    done = start(command, folder).wait()
    assert done.code == 0, (KILLS, done.err)
    return KILLS


@pytest.mark.parametrize("model", ["gammvae", "dec", "dcn", "ae_kmeans", "kmeans"])
def test_killed_runs_come_to_the_same(model, folder):
    command = (*RUN, *LONG, f"model={model}")
    assert start((*command, "run_dir=whole"), folder).wait().code == 0
    expected, kills = outcome_of(folder / "whole"), []
    check_whole(folder / "whole")
    for number, place in enumerate(("run_dir=run", "output_root=outputs")):
        rng = random.Random(f"{model} {number}")
        kills.append(finish_through_kills((*command, place), folder, rng))
        top = folder / place.partition("=")[2]
        (run,) = [path.parent for path in top.rglob("config.yaml")]
        assert outcome_of(run) == expected
        assert stages_that_took_time(run) == stages_that_took_time(folder / "whole")
        check_whole(run)
        assert left_over(top) == []
    print(f"\n{model}: {sum(kills)} kills in two runs")


def test_a_report_that_was_interrupted_is_written_by_the_same_command(folder):
    rng, kills = random.Random(0), 0
    for number in range(8):
        command, run = (*RUN, *BRIEF, f"run_dir=run{number}"), folder / f"run{number}"
        process = start(command, folder)
        assert until((run / "result.json").exists, process)
        time.sleep(rng.uniform(0, 0.5))
        kills += process.kill().code == -signal.SIGKILL
        again = start(command, folder).wait()
        assert again.code == 0, again.err
        assert (run / "report.html").exists(), f"after kill {number}"
        check_whole(run)
    print(f"\n{kills} kills during the report")
    assert kills > 0


def limited(size: int) -> Callable[[], None]:
    """Lets a process write no file larger than a number of bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def separate(
    arguments: tuple[str, ...], folder: Path, prepare: Callable[[], None] | None = None
) -> Outcome:
    """Runs a command as a program of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "gammvae", *arguments],
        cwd=folder,
        env=surroundings(folder),
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=prepare,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def surroundings(folder: Path) -> dict[str, str]:
    """Variables of a process that sees nothing of this machine's data."""
    return {**os.environ, "GAMMVAE_DATA": str(folder / "data")}


# Bytes: not even the configuration, or the log, or the weights, or the report.
@pytest.mark.parametrize("size", [300, 1_800, 6_000, 30_000])
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(size, folder):
    command = (*RUN, *BRIEF, "run_dir=run")
    assert start((*RUN, *BRIEF, "run_dir=whole"), folder).wait().code == 0
    refused(separate(command, folder, limited(size)))
    if (folder / "run").exists():
        assert left_over(folder / "run") == []
    again = start(command, folder).wait()
    assert again.code == 0, again.err
    assert outcome_of(folder / "run") == outcome_of(folder / "whole")
    check_whole(folder / "run")


@pytest.mark.parametrize("moment", ["pretrain", "train", "result.json"])
def test_a_run_folder_that_is_removed_is_one_line(moment, folder):
    run = folder / "run"

    def reached() -> bool:
        try:
            if moment == "result.json":
                return (run / moment).exists()
            return f'"{moment}", "epoch": 3,' in (run / "metrics.jsonl").read_text()
        except FileNotFoundError:
            return False

    process = start((*RUN, *LONG, "run_dir=run"), folder)
    assert until(reached, process)
    run.rename(folder / "elsewhere")
    shutil.rmtree(folder / "elsewhere")
    done = process.wait()
    refused(done)
    assert "run" in done.err.splitlines()[-1]


@pytest.mark.parametrize("always", [False, True], ids=["one", "all"])
def test_killed_workers_of_a_sweep_cost_their_own_jobs_at_most(always, folder):
    sweep = (*DATA, *SMALL, *LONG, "report=false", "-m", "seed=0,1,2")
    parallel = (*sweep, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    process = subprocess.Popen(
        [sys.executable, "-m", "gammvae", *parallel],
        cwd=folder,
        env=surroundings(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    kills, end = 0, time.monotonic() + 90
    while process.poll() is None and time.monotonic() < end and (always or not kills):
        if list(folder.rglob("seed=*/metrics.jsonl")):
            for worker in workers_of(process.pid)[: None if always else 1]:
                os.kill(worker, signal.SIGKILL)
                kills += 1
        time.sleep(0.02)
    out, err = process.communicate(timeout=120)
    assert kills > 0
    assert "Traceback" not in err, err
    summary = out[out.index("3 jobs: ") :]
    finished = {path.parent.name for path in folder.rglob("result.json")}
    if len(finished) < 3:  # the summary says which are not
        assert process.returncode == 1, (process.returncode, out, err)
        assert all(seed in summary for seed in {"seed=0", "seed=1", "seed=2"} - finished), summary
    else:  # the others went on, and so did the killed one
        assert process.returncode == 0, (process.returncode, out, err)
    assert not always or len(finished) < 3
    again = start(sweep, folder).wait()
    assert again.code == 0, again.err
    assert len(list(folder.rglob("result.json"))) == 3
    assert left_over(folder / "outputs") == []
    print(f"\n{kills} kills of workers")


def workers_of(pid: int) -> list[int]:
    """The worker processes of joblib that a process has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            parent = re.search(r"PPid:\t(\d+)", status.read_text())
            command = (status.parent / "cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent is not None and int(parent[1]) == pid and "popen_loky" in command:
            found.append(int(status.parent.name))
    return sorted(found)


@pytest.fixture
def finished(folder) -> Path:
    """The folder with a finished run."""
    done = start((*DATA, *SMALL, *BRIEF, "report=false", "run_dir=run"), folder).wait()
    assert done.code == 0, done.err
    return folder


AGAIN = "overwrite=true"
WRITERS = {
    "sample": ("sample", "run", "device=cpu", "n=20", "min_posterior=0", "out=X", AGAIN),
    "predict": ("predict", "run", "device=cpu", "data=x.npy", "out=X.npz", AGAIN),
    "predict csv": ("predict", "run", "device=cpu", "data=x.npy", "out=X.csv", AGAIN),
    "report": ("report", "run", "device=cpu", "out=X.html"),
    "table": ("table", "run", "--output", "X.csv", "X.md"),
}


@pytest.mark.parametrize(
    ("first", "second", "rounds"),
    [
        *(("sample", "sample", 15), ("predict", "predict", 15), ("sample", "predict", 10)),
        *(("predict csv", "predict csv", 10), ("report", "report", 5), ("table", "table", 15)),
    ],
)
def test_two_processes_that_write_one_file_leave_it_whole(first, second, rounds, finished):
    expected = [written(one, finished) for one in (first, second)]
    for _ in range(rounds):
        both = [start(WRITERS[one], finished, name) for one, name in ((first, "a"), (second, "b"))]
        for done in [process.wait() for process in both]:
            assert "Traceback" not in done.err, done.err
            assert done.code == 0, done.err
        assert all(path in [one.get(name) for one in expected] for name, path in now(finished))
        assert left_over(finished) == []


def written(name: str, folder: Path) -> dict[str, Any]:
    """What a command writes when it is alone."""
    done = start(WRITERS[name], folder).wait()
    assert done.code == 0, done.err
    return dict(now(folder))


def now(folder: Path) -> list[tuple[str, Any]]:
    """The files called X, with their content."""
    paths = sorted(folder.glob("X.*"))
    return [
        (path.name, arrays_of(path) if path.suffix == ".npz" else path.read_bytes())
        for path in paths
    ]
