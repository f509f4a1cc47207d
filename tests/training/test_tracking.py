"""Runs that trackers follow: with the package of each, read by the means of that package."""

import json
from contextlib import suppress

import pytest

from gammvae.errors import DivergenceError, InputError
from gammvae.runs import trackers
from gammvae.runs.contents import METRICS, TRACKING
from gammvae.runs.directory import RunDirectory
from gammvae.training import tracking as module
from gammvae.training.tracking import check_tracking, tracking
from tests.conftest import TINY, a_result, compose_config
from tests.runs.test_trackers import alone, trackio_rows, wandb_records

NAME = "a run"


def record(stage, epoch):
    return {"stage": stage, "epoch": epoch, "seconds": 0.5, "elbo": -1.0 * epoch, "kl_z": None}


RECORDS = [record("pretrain", 1), record("init", 1), *(record("train", n) for n in range(1, 5))]
# Of each step of the run: its number, and the last is that of the result.
STEPS = list(range(1, len(RECORDS) + 2))


def begun_and_continued(kind, folder):
    """A run is interrupted after five lines, and goes on from its checkpoint after three."""
    config = compose_config(
        *(f"tracking={kind}", f"tracking_folder={folder}", "tracking_project=project")
    )
    directory = RunDirectory(folder / NAME)
    with suppress(KeyboardInterrupt), directory.open(config), tracking(config, directory):
        for one in RECORDS[:5]:
            directory.append_metrics(one)
        raise KeyboardInterrupt
    with directory.open(config), tracking(config, directory) as conclude:
        directory.write_metrics("".join(json.dumps(one) + "\n" for one in RECORDS[:3]))
        for one in RECORDS[3:]:
            directory.append_metrics(one)
        conclude(a_result())
    assert directory.read_metrics() == RECORDS


def of_tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard" / "project" / str(folder / NAME)[1:]))
    scalars = events.Reload().Tags()["scalars"]
    return (
        sorted({event.step for name in scalars for event in events.Scalars(name)}),
        None,
        [(event.step, event.value) for event in events.Scalars("train/elbo")],
    )


def of_mlflow(folder):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("project").experiment_id])
    curves = {name: client.get_metric_history(run.info.run_id, name) for name in run.data.metrics}
    steps = sorted({point.step for curve in curves.values() for point in curve})
    return steps, run.info.status, [(point.step, point.value) for point in curves["train/elbo"]]


def of_wandb(folder):
    import wandb

    wandb.teardown()
    rows, runs, exits = [], set(), []
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for one in wandb_records(path.read_bytes()):
            if (kind := one.WhichOneof("record_type")) == "history":
                items = one.history.item
                rows.append({i.key or i.nested_key[0]: json.loads(i.value_json) for i in items})
            elif kind == "run":
                runs.add(one.run.run_id)
            elif kind == "exit":
                exits.append(one.exit.exit_code)
    assert len(runs) == 1
    elbo = [(row["_step"], row["train/elbo"]) for row in rows if "train/elbo" in row]
    return [row["_step"] for row in rows], exits, elbo


def of_trackio(folder):
    (run,) = {r["run_id"] for r in trackio_rows("metrics") if r["run_name"] == str(folder / NAME)}
    rows = [row for row in trackio_rows("metrics") if row["run_id"] == run]
    found = [(row["step"], json.loads(row["metrics"])) for row in rows]
    alerts = [row["title"] for row in trackio_rows("alerts") if row["run_id"] == run]
    elbo = [(step, values["train/elbo"]) for step, values in found if "train/elbo" in values]
    return [step for step, _ in found], alerts, elbo


@pytest.mark.parametrize(
    ("read", "ends"),
    [
        (of_tensorboard, None),
        pytest.param(of_mlflow, "FINISHED", marks=pytest.mark.slow),
        (of_wandb, [255, 0]),
        (of_trackio, ["killed"]),
    ],
)
def test_a_continued_run_is_one_with_every_step_once(read, ends, tmp_path, monkeypatch):
    kind = read.__name__.removeprefix("of_")
    alone(kind, tmp_path, monkeypatch)
    begun_and_continued(kind, tmp_path)
    steps, how, elbo = read(tmp_path)
    assert steps == STEPS
    assert how == ends
    assert elbo == [(step, RECORDS[step - 1]["elbo"]) for step in range(3, len(RECORDS) + 1)]


class Remembering:
    """A tracker that remembers what it is told; ``fails`` names a method that cannot."""

    def __init__(self, fails=""):
        self.told, self.fails = [], fails

    def start(self, name, earlier=None):
        return earlier or "new"

    def __getattr__(self, name):
        def tell(*arguments):
            if name == self.fails:
                raise OSError("no connection")
            self.told.append((name, *arguments))

        return tell


@pytest.fixture
def remembering(monkeypatch, tmp_path):
    """Opens a run with a tracker of the test."""

    def follow(tracker, *overrides):
        monkeypatch.setattr(module, "tracker_of", lambda *_: tracker)
        config = compose_config("tracking=mlflow", f"tracking_folder={tmp_path}", *overrides)
        directory = RunDirectory(tmp_path / "run")
        return directory, directory.open(config), tracking(config, directory)

    return follow


@pytest.mark.parametrize(
    ("error", "ending"),
    [(DivergenceError, "failed"), (InputError, "failed"), (KeyboardInterrupt, "killed")],
)
def test_a_run_that_does_not_finish_says_so(error, ending, remembering):
    directory, opened, tracked = remembering(tracker := Remembering())
    with pytest.raises(error), opened, tracked:
        raise error("why")
    assert tracker.told[-1] == ("end", ending)
    assert directory.listeners == []


def test_a_tracker_that_fails_does_not_stop_the_run(remembering, caplog):
    directory, opened, tracked = remembering(tracker := Remembering(fails="metrics"))
    with opened, tracked as conclude:
        for one in RECORDS:
            directory.append_metrics(one)
        conclude(a_result())
    assert directory.read_metrics() == RECORDS
    assert [name for name, *_ in tracker.told] == ["parameters"]
    assert caplog.text.count("tracking=mlflow has failed, and the run goes on without it") == 1


def test_a_tracker_that_cannot_begin_is_refused(remembering):
    directory, opened, tracked = remembering(Remembering(fails="parameters"))
    with pytest.raises(InputError, match="tracking=mlflow cannot begin: no connection"), opened:
        tracked.__enter__()


def test_another_project_is_a_new_run(remembering):
    for project, expected in (("a", 1), ("a", 0), ("b", 1)):
        directory, opened, tracked = remembering(
            tracker := Remembering(), f"tracking_project={project}"
        )
        with opened, tracked:
            directory.write_metrics(json.dumps(RECORDS[0]) + "\n")
        assert [name for name, *_ in tracker.told].count("metrics") == expected


def test_a_missing_package_is_refused_before_training(monkeypatch, in_process, tmp_path):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    check_tracking("none")
    refused = in_process("train", "experiment=smoke", *TINY, "tracking=wandb", "run_dir=run")
    assert refused.returncode == 2
    assert "tracking=wandb needs the package wandb: pip install 'gammvae[wandb]'" in refused.stderr
    assert not (tmp_path / "run" / METRICS).exists()


def test_train_tells_a_tracker_of_every_line(in_process, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    words = "experiment=smoke", *TINY, "model=ae_kmeans", "tracking=tensorboard", "run_dir=run"
    done = in_process("train", *words)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "run" / METRICS).read_text().splitlines()]
    events = EventAccumulator(str(tmp_path / "tensorboard" / "gammvae" / "run")).Reload()
    found = {event.step: event.value for event in events.Scalars("pretrain/reconstruction")}
    expected = [one["reconstruction"] for one in lines if one["stage"] == "pretrain"]
    assert list(found) == list(range(1, len(expected) + 1))
    assert list(found.values()) == pytest.approx(expected)
    assert json.loads((tmp_path / "run" / TRACKING).read_text())["sent"] == len(lines) + 1
