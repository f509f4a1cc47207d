import dataclasses
import errno
import json
from concurrent.futures.process import BrokenProcessPool

import joblib
import numpy as np
import pytest
from hydra import compose, initialize_config_module

from gammvae.cli.sweep_record import SWEEP, begin, end, record
from gammvae.cli.sweeps import (
    JOBS,
    SWEEPS,
    Job,
    Sweep,
    attempt,
    exit_code,
    launch,
    planned,
    summary,
    without_repetitions,
)
from gammvae.errors import InputError
from gammvae.runs.directory import RunDirectory
from tests.conftest import TINY, compose_config

SMOKE = ("train", *TINY, "experiment=smoke", "device=cpu")


def statuses(folder):
    return {path.parent.name: json.loads(path.read_text()) for path in folder.rglob("status.json")}


def test_a_failed_job_is_noted_and_the_others_go_on(tmp_path, in_process):
    sweep = (*SMOKE, "-m", "n_clusters=5000,10", "seed=3")
    result = in_process(*sweep)
    assert result.returncode == 2
    assert "2 jobs: 1 done, 0 skipped because they were finished before, 1 failed" in result.stdout
    reason = "n_clusters=5000 exceeds the 1797 samples"
    *_, last = result.stdout.splitlines()
    assert last.startswith("failed: ")
    assert reason in last
    assert "Traceback" not in result.stderr
    (status,) = statuses(tmp_path).values()
    assert status["status"] == "failed"
    assert status["reason"].startswith(reason)
    assert not list(tmp_path.rglob(".sweep*"))
    # repeated: what is finished is skipped, what failed is tried again
    again = in_process(*sweep)
    assert "2 jobs: 0 done, 1 skipped because they were finished before, 1 failed" in again.stdout


def test_a_repaired_job_loses_its_status(tmp_path, in_process):
    np.save(tmp_path / "x.npy", np.zeros((30, 4)))
    sweep = (*SMOKE, "-m", "dataset=file", "dataset.path=x.npy", "n_clusters=2", "seed=0,1")
    result = in_process(*sweep)
    assert result.returncode == 2
    assert len(list(tmp_path.rglob("status.json"))) == 2
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(30, 4)))
    result = in_process(*sweep)
    assert result.returncode == 0, result.stderr
    assert "2 jobs: 2 done" in result.stdout
    assert not list(tmp_path.rglob("status.json"))


def test_jobs_of_other_processes_are_counted(tmp_path, gammvae):
    sweep = (*SMOKE, "-m", "seed=0,1", "n_clusters=10,5000")
    parallel = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    result = gammvae(*sweep, *parallel, OMP_NUM_THREADS="")
    assert result.returncode == 2, result.stderr
    assert "4 jobs: 2 done, 0 skipped because they were finished before, 2 failed" in result.stdout
    assert result.stdout.count("best ELBO: seed ") == 1
    results = [json.loads(path.read_text()) for path in tmp_path.rglob("result.json")]
    threads = max(1, joblib.cpu_count() // 2)  # the cores are divided
    assert [one["threads"] for one in results] == [threads] * 2


def test_jobs_may_refer_to_their_other_settings(tmp_path, in_process):
    result = in_process(*SMOKE, "model=kmeans", "-m", "seed=0,1", "run_dir=runs/${seed}")
    assert result.returncode == 0, result.stderr
    assert (
        "2 jobs: 2 done, 0 skipped because they were finished before, 0 failed\n" in result.stdout
    )
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["0", "1"]


@pytest.mark.parametrize("sweep", ["seed=0,0", "seed=0,00,0", "seed=0 model=kmeans,kmeans"])
def test_a_value_that_is_given_twice_is_run_once(tmp_path, in_process, sweep):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(30, 4)))
    data = ("dataset=file", "dataset.path=x.npy", "n_clusters=2", "device=cpu")
    model = () if "model" in sweep else ("model=kmeans",)
    result = in_process("train", "-m", *data, *model, *sweep.split())
    assert result.returncode == 0, result.stderr
    assert "repeated values are used once" in result.stderr
    if "00" not in sweep:
        assert "\n1 jobs: 1 done" in result.stdout
    assert "agree to a mean ARI" not in result.stdout


@pytest.mark.parametrize("sweep", ["seed=range(0,0)", "seed=range(3,1)"])
def test_a_sweep_over_nothing_is_refused(in_process, sweep, tmp_path):
    result = in_process(*SMOKE, "-m", sweep)
    assert result.returncode == 2
    assert result.stderr == f"gammvae: {sweep} sweeps over no values: it must have 1 to 10,000\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("seed=range(0,5,0)", "seed=range(0,5,0) cannot be swept over: range() arg 3 must not"),
        ("seed=range(0,100000000)", "sweeps over more than 10,000 values: it must have 1 to"),
        ("seed=0,1 --cfg job", "--cfg does not go with -m: it is for a single run"),
        ("model=glob(zz*)", "the sweep has no jobs"),
    ],
)
def test_sweeps_that_cannot_be_run_are_one_line(words, message, in_process):
    result = in_process(*SMOKE, "-m", *words.split())
    assert result.returncode == 2
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert "Warning" not in result.stderr


def test_names_that_are_looked_for_are_swept_over(tmp_path, in_process):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(30, 4)))
    data = ("dataset=file", "dataset.path=x.npy", "n_clusters=2", "device=cpu")
    result = in_process("train", "-m", *data, "model=glob(km*)")
    assert result.returncode == 0, result.stderr
    assert "1 jobs: 1 done" in result.stdout


def test_sweeps_that_are_none_of_values_are_left_as_they_are():
    words = ["-m", "a=1,2", "b=[1,1]", "c={x:1}", "d='1,1'", "e=glob(*)", "--config-dir", "f=1,1"]
    assert without_repetitions(words)[:6] == words[:6]
    assert without_repetitions(["a=1,1"]) == ["a=1,1"]
    assert without_repetitions(["--multirun", "a=choice(b,c,b)"])[1] == "a=b,c"


def breaking(times, jobs):
    """A sweep of ``jobs`` whose processes are killed some times, each after one more is done."""
    state = {"left": times, "done": 0}

    def sweep():
        SWEEPS.append(Sweep(str(state["folder"]), jobs, begin(str(state["folder"]))))
        state["done"] += 1
        with record(str(state["folder"])).open("w") as file:
            for job in jobs[: state["done"]]:
                file.write(json.dumps(dataclasses.asdict(Job(job))) + "\n")
        if state["left"]:
            state["left"] -= 1
            raise BrokenProcessPool("killed")

    return sweep, state


@pytest.mark.usefixtures("_sweep")
@pytest.mark.parametrize(("times", "lost"), [(1, 1), (2, 0), (10, 0)])
def test_a_killed_process_does_not_end_a_sweep(tmp_path, times, lost):
    JOBS.clear()
    sweep, state = breaking(times, ["a=1", "a=2", "a=3"])
    state["folder"] = tmp_path
    launch(sweep)
    assert [job.overrides for job in JOBS] == ["a=1", "a=2", "a=3"]
    assert [job.state for job in JOBS].count("lost") == lost
    assert exit_code(JOBS) == (1 if lost else 0)
    *_, last = summary([Job("b", state="lost")])
    assert last == "lost: b: its process was killed; the same command continues it"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("_sweep")
@pytest.mark.parametrize("error", [KeyboardInterrupt, InputError])
def test_a_sweep_that_ends_early_leaves_nothing_behind(tmp_path, error):
    def sweep():
        SWEEPS.append(Sweep(str(tmp_path), [], begin(str(tmp_path))))
        record(str(tmp_path)).write_text("{}\n")
        raise error

    with pytest.raises(error):
        launch(sweep)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("_sweep")
def test_a_sweep_removes_what_killed_ones_left_and_nothing_of_running_ones(tmp_path):
    folder = str(tmp_path)
    running = begin(folder)
    its = record(folder)
    its.write_text("{}\n")
    for name in (
        ".sweep-killed.jsonl",
        ".sweep-killed.lock",
        ".sweep-early.lock",
        ".sweep-old.jsonl",
    ):
        (tmp_path / name).touch()
    (tmp_path / "kept").touch()
    end(folder, begin(folder))
    assert {path.name for path in tmp_path.iterdir()} == {
        *("kept", its.name, its.with_suffix(".lock").name)
    }
    running.release()  # as if its process had died
    end(folder, begin(folder))
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_jobs_are_planned_as_hydra_names_them():
    words = ["model=gammvae,vade", "seed=range(0,2)", "dataset.path='a b'", "+x=1"]
    assert planned(words) == [
        f"model={model} seed={seed} dataset.path='a b' +x=1"
        for model in ("gammvae", "vade")
        for seed in (0, 1)
    ]


def test_slurm_is_composed():
    with initialize_config_module("gammvae.conf", version_base="1.3"):
        config = compose(
            "train", overrides=["hydra/launcher=slurm"], return_hydra_config=True
        ).hydra.launcher
    assert config._target_.endswith("SlurmLauncher")
    assert config.max_num_timeout == 3
    assert config.cpus_per_task > 0


@pytest.fixture
def _sweep(monkeypatch):
    monkeypatch.setenv(SWEEP, "test")


@pytest.mark.usefixtures("_sweep")
def test_a_defect_keeps_its_traceback(tmp_path, capsys):
    with attempt(["a=1", "b=2"], str(tmp_path)):
        raise ZeroDivisionError("nothing")
    shown = capsys.readouterr().err
    assert "Traceback" in shown
    assert "gammvae: a=1 b=2: nothing" in shown
    (job,) = [Job(**json.loads(line)) for line in record(str(tmp_path)).read_text().splitlines()]
    assert (job.state, job.reason, job.refused) == ("failed", "nothing", False)
    assert exit_code([job]) == 1


@pytest.mark.usefixtures("_sweep")
@pytest.mark.parametrize(("number", "refused"), [(errno.ENOSPC, True), (errno.ENOENT, False)])
def test_a_full_disk_is_no_defect_and_a_missing_file_is_one(tmp_path, capsys, number, refused):
    with attempt(["a=1"], str(tmp_path)):
        raise OSError(number, "no", "file")
    assert ("Traceback" in capsys.readouterr().err) != refused
    job = Job(**json.loads(record(str(tmp_path)).read_text()))
    assert exit_code([job]) == (2 if refused else 1)


@pytest.mark.usefixtures("_sweep")
def test_bad_input_shows_one_line(tmp_path, capsys):
    with attempt(["a=1"], str(tmp_path)):
        raise InputError("a=1 is out of range")
    assert capsys.readouterr().err == "gammvae: a=1: a=1 is out of range\n"


def test_exit_codes_of_a_sweep():
    done, refused = Job("a"), Job("b", state="failed", refused=True)
    crashed = Job("c", state="failed")
    assert exit_code([done, done]) == 0
    assert exit_code([done, refused]) == 2
    assert exit_code([done, refused, crashed]) == 1
    *_, last = summary([refused, crashed])
    assert last == "failed: c: "


def test_a_failure_is_not_noted_in_another_run_s_directory(tmp_path):
    mine, other = compose_config("seed=1"), compose_config("seed=2")
    directory = RunDirectory(tmp_path / "run")
    with directory.open(other):
        directory.note_failure(other, ValueError("locked"), begin=True)
    directory.note_failure(mine, ValueError("no"), begin=True)
    assert not (directory / "status.json").exists()
    directory.note_failure(other, ValueError("yes"), begin=False)
    assert json.loads((directory / "status.json").read_text())["reason"] == "yes"
    fresh = RunDirectory(tmp_path / "fresh")
    fresh.note_failure(mine, ValueError("no"), begin=False)
    assert not fresh.path.exists()
