"""Runs that several processes share: forked ones, and two that torchrun starts."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist

from tests.conftest import TINY
from tests.test_damage import forked, load_everything, without_times
from tests.test_kills import Process, save_often, until, with_data

# 120 samples make seven batches of 17 and one of 1: shares are uneven, and some of the last empty.
DATA = ("train", "dataset=file", "dataset.path=x.npy", "dataset.labels=y.npy", "n_clusters=3")
SMALL = (*DATA, *TINY, "device=cpu", "precision=float32", "batch_size=17", "report=false")
RUN = (*SMALL, "preprocess=standardize", "run_dir=run")
BRIEF = ("pretrain.epochs=6", "train.epochs=6")
# Relative: float32 rounds to 6e-8, and some dozen steps follow each other.
CLOSE = 1e-4


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with three clear clusters, in a process in which all modules are loaded."""
    load_everything()
    return with_data(tmp_path / "work")


def start(command: tuple[str, ...], folder: Path, count: int) -> list[Process]:
    """Starts a command in several processes, which torchrun would tell the same."""
    store = dist.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    STORES.append(store)
    told = {"WORLD_SIZE": str(count), "MASTER_ADDR": "localhost", "MASTER_PORT": str(store.port)}
    told |= {"TORCHELASTIC_USE_AGENT_STORE": "True"}
    return [
        fork(command, folder, rank, told | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(count)
    ]


# Servers of the forked processes.
STORES: list[dist.TCPStore] = []


def fork(command: tuple[str, ...], folder: Path, rank: int, told: dict[str, str]) -> Process:
    shown = [folder.parent / f"{rank}.{kind}" for kind in ("out", "err")]
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            os.environ.update(told)
            prepare = save_often if rank == 0 else (lambda: write_nothing(folder))
            code = forked(command, folder, shown, prepare, "http://127.0.0.1:9")
        finally:
            os._exit(code)
    return Process(pid, shown)


def write_nothing(folder: Path) -> None:
    """Ends this process if it opens a file of the folder's run for writing."""

    def check(event: str, details: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(details[0], str) and details[2] & os.O_ACCMODE:
            assert not os.path.abspath(details[0]).startswith(str(folder / "run")), details

    sys.addaudithook(check)


def finish(command: tuple[str, ...], folder: Path, count: int) -> None:
    """Runs a command to its end; only process 0 says something."""
    done = [process.wait() for process in start(command, folder, count)]
    assert [one.code for one in done] == [0] * count, done
    assert "ACC" in done[0].out
    assert [one.out + one.err for one in done[1:]] == [""] * (count - 1)


def figures(run: Path) -> tuple[list[dict], dict]:
    """What must not depend on the number of processes."""
    lines = (run / "metrics.jsonl").read_text().splitlines()
    result = json.loads((run / "result.json").read_text())
    return [without_times(json.loads(line)) for line in lines], result["metrics"]


def check_close(run: Path, other: Path) -> None:
    (records, metrics), (expected, final) = figures(run), figures(other)
    assert len(records) == len(expected)
    for one, same in zip([*records, metrics], [*expected, final], strict=True):
        assert one.keys() == same.keys()
        for name, value in same.items():
            rounded = isinstance(value, float | list)
            assert one[name] == (pytest.approx(value, CLOSE, CLOSE) if rounded else value), name


@pytest.mark.parametrize(
    ("count", "settings"),
    [
        (2, ("augmentation=noise",)),
        pytest.param(
            *(3, ("model.reparameterization=implicit", "optimizer.clip_grad_norm=1")),
            marks=pytest.mark.slow,
        ),
        pytest.param(2, ("model=idec",), marks=pytest.mark.slow),
        pytest.param(2, ("model=dcn",), marks=pytest.mark.slow),
    ],
    ids=lambda value: str(value),
)
def test_several_processes_come_to_the_figures_of_one(count, settings, folder):
    command = (*RUN, *BRIEF, *settings)
    finish(command, folder, 1)
    (folder / "run").rename(folder / "one")
    finish(command, folder, count)
    check_close(folder / "run", folder / "one")
    assert json.loads((folder / "run" / "result.json").read_text())["processes"] == count
    names = [{path.name for path in (folder / name).iterdir()} for name in ("run", "one")]
    assert names[0] == names[1]


def test_a_run_without_training_and_one_that_is_finished_need_no_others(folder):
    for _ in range(2):
        finish((*RUN, "model=kmeans"), folder, 2)


@pytest.mark.parametrize(
    ("victim", "number", "then"),
    [
        (1, signal.SIGKILL, 1),
        pytest.param(0, signal.SIGKILL, 3, marks=pytest.mark.slow),
        pytest.param(0, signal.SIGTERM, 2, marks=pytest.mark.slow),
    ],
)
def test_the_others_end_with_one_line_and_another_number_goes_on(victim, number, then, folder):
    command = (*RUN, "pretrain.epochs=20", "train.epochs=2")
    finish(command, folder, 1)
    (folder / "run").rename(folder / "one")
    processes = start(command, folder, 2)
    assert until((folder / "run" / "pretrain.pt").exists, processes[0])
    os.kill(processes[victim].pid, number)
    done = [process.wait() for process in processes]
    lines = [line for one in done for line in one.err.splitlines()]
    assert sum(line.startswith("gammvae: another process") for line in lines) == 1, lines
    assert not any("Traceback" in line for line in lines), lines
    expected = [1, 1]
    if number == signal.SIGKILL:
        expected[victim] = -number
    assert [one.code for one in done] == expected
    assert not (folder / "run" / "result.json").exists()
    finish(command, folder, then)
    check_close(folder / "run", folder / "one")


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("seed=-1", "seed=-1 is out of range"),
        ("dataset.path=none.npy", "dataset.path=none.npy does not exist"),
        ("device=cuda:1", "device=cuda:1 does not go with 2 processes"),
        ("-m", "-m does not go with torchrun"),
        ("evaluate", "evaluate runs in one process"),
        (
            "optimizer.lr=1e30",
            "reconstruction became non-finite",
        ),
    ],
)
def test_what_is_wrong_is_said_once(word, said, folder):
    command = (word, "run") if word == "evaluate" else (*RUN, word)
    done = [process.wait() for process in start(command, folder, 2)]
    text = "".join(one.err for one in done)
    (line,) = [line for line in text.splitlines() if line.startswith("gammvae: ")]
    assert line.startswith(f"gammvae: {said}")
    assert "Traceback" not in text
    # Process 1 may have found the same, or has noticed that process 0 has ended.
    assert done[0].code == (1 if "non-finite" in said else 2)
    assert done[1].code in (1, done[0].code)


def test_two_processes_that_torchrun_starts(folder):
    program = (sys.executable, "-m", "torch.distributed.run", "--standalone")
    torchrun = (*program, "--nproc-per-node=2", "-m")
    done = subprocess.run(
        [*torchrun, "gammvae", *RUN, *BRIEF],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ACC") == 1
    assert done.stderr.count("pretrain epoch 1/6") == 1
