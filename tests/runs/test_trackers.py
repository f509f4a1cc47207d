"""Every tracker is tested with its own package, and read by the means of that package."""

import json
import os
import sqlite3
import struct

import pytest

from gammvae.errors import InputError
from gammvae.runs import trackers
from gammvae.runs.trackers import PACKAGES, check_installed, tracker_of

PARAMETERS = {f"group.{i}": [i, "text"] for i in range(150)}
CURVE = [-3.0, -2.0, -1.5]


def alone(kind, folder, monkeypatch):
    """Lets a tracker use nothing outside of a folder; skips the test if it is not installed."""
    for name in ("MLFLOW_TRACKING_URI", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(folder / "home"))
    # Trackio reads it once in a process
    monkeypatch.setenv("TRACKIO_DIR", os.environ.get("TRACKIO_DIR", str(folder / "trackio")))
    for name in PACKAGES[kind]:
        pytest.importorskip(name)


def tracked(kind, folder, monkeypatch, how="finished"):
    """A run sent to a tracker, which may use nothing outside of the folder."""
    alone(kind, folder, monkeypatch)
    (folder / "kept.txt").write_text("kept")
    tracker = tracker_of(kind, folder / "new", "project")
    tracker.start("outputs/a run/seed=0")
    tracker.parameters(PARAMETERS)
    for step, value in enumerate(CURVE, 1):
        tracker.metrics(step, {"train/elbo": value, "train/kl_z": 2 * value})
    tracker.artifacts([folder / "kept.txt"])
    tracker.end(how)
    return folder / "new"


def test_tensorboard(tmp_path, monkeypatch):
    folder = tracked("tensorboard", tmp_path, monkeypatch)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    where = folder / "tensorboard" / "project" / "outputs" / "a run" / "seed=0"
    events = EventAccumulator(str(where)).Reload()
    found = [(event.step, event.value) for event in events.Scalars("train/elbo")]
    assert found == list(enumerate(CURVE, 1))
    (text,) = events.Tensors("parameters/text_summary")
    assert "group.149: [149, 'text']" in text.tensor_proto.string_val[0].decode()


def test_mlflow(tmp_path, monkeypatch):
    folder = tracked("mlflow", tmp_path, monkeypatch, "failed")
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("project")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "outputs/a run/seed=0"
    assert run.info.status == "FAILED"
    assert run.data.params == {name: str(value) for name, value in PARAMETERS.items()}
    history = client.get_metric_history(run.info.run_id, "train/elbo")
    assert [(one.step, one.value) for one in history] == list(enumerate(CURVE, 1))
    assert [one.path for one in client.list_artifacts(run.info.run_id)] == ["kept.txt"]
    files = list((folder / "mlartifacts").rglob("kept.txt"))
    assert [path.read_text() for path in files] == ["kept"]


def wandb_records(content):
    """The records in a file of W&B: a log of LevelDB, behind a header of as many bytes as theirs.

    Records are in blocks of 32 KiB. Each part of one has a checksum of 4 bytes, its length in 2 and
    its kind in 1: 1 for a whole record, or 2, 3 and 4 for the first, a middle and the last part.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    assert content[:4] == b":W&B"
    records, whole, start = [], b"", 7
    while start < len(content):
        if (left := 2**15 - start % 2**15) < 7:  # zeros fill the block
            start += left
            continue
        length, kind = struct.unpack_from("<HB", content, start + 4)
        whole += content[start + 7 : start + 7 + length]
        start += 7 + length
        if kind in (1, 4):
            records.append(Record.FromString(whole))
            whole = b""
    return records


@pytest.mark.parametrize(("how", "code"), [("finished", 0), ("failed", 1)])
def test_weights_and_biases(how, code, tmp_path, monkeypatch):
    folder = tracked("wandb", tmp_path, monkeypatch, how)
    import wandb

    wandb.teardown()  # waits for its second process, as the end of this one does
    (path,) = folder.glob("wandb/offline-run-*/*.wandb")
    records = wandb_records(path.read_bytes())
    kinds = [record.WhichOneof("record_type") for record in records]
    first = records[kinds.index("run")].run
    assert (first.project, first.display_name) == ("project", "outputs/a run/seed=0")
    config = {
        update.key: json.loads(update.value_json)
        for record in records
        if record.WhichOneof("record_type") == "config"
        for update in record.config.update
    }
    assert config.items() >= PARAMETERS.items()
    rows = [
        {item.key or item.nested_key[0]: json.loads(item.value_json) for item in one.history.item}
        for one in records
        if one.WhichOneof("record_type") == "history"
    ]
    assert [(row["_step"], row["train/elbo"]) for row in rows] == list(enumerate(CURVE, 1))
    assert records[kinds.index("exit")].exit.exit_code == code
    assert kinds.count("artifact") == 1


def trackio_rows(table):
    """The rows of a table of Trackio's project ``project``."""
    from trackio.utils import TRACKIO_DIR

    with sqlite3.connect(TRACKIO_DIR / "project.db") as database:
        database.row_factory = sqlite3.Row
        return list(database.execute(f"select * from {table}"))


@pytest.mark.parametrize("how", ["finished", "failed"])
def test_trackio(how, tmp_path, monkeypatch, capfd):
    tracked("trackio", tmp_path, monkeypatch, how)
    assert capfd.readouterr() == ("", "")
    *_, config = trackio_rows("configs")
    rows = [row for row in trackio_rows("metrics") if row["run_id"] == config["run_id"]]
    found = [(row["step"], json.loads(row["metrics"])["train/elbo"]) for row in rows]
    assert found == list(enumerate(CURVE, 1))
    assert json.loads(config["config"]).items() >= PARAMETERS.items()
    alerts = [row["title"] for row in trackio_rows("alerts") if row["run_id"] == config["run_id"]]
    assert alerts == ([] if how == "finished" else ["failed"])
    links = [row["run_id"] for row in trackio_rows("run_artifact_links")]
    assert config["run_id"] in links


@pytest.mark.parametrize("kind", PACKAGES)
def test_a_missing_package_is_named(kind, monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=f"to={kind} needs the package {kind}: pip install"):
        check_installed(kind, "to")
