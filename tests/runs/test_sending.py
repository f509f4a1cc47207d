import dataclasses
import json

import pytest
import yaml

from gammvae.errors import InputError
from gammvae.runs.contents import CONFIG, METRICS, REPORT, RESULT, STATUS
from gammvae.runs.sending import send
from gammvae.runs.stored_run import StoredRun
from tests.conftest import a_result, compose_config

RECORDS = [
    {"stage": "pretrain", "epoch": 1, "seconds": 0.5, "elbo": None, "reconstruction": -4.0},
    {"stage": "train", "epoch": 1, "seconds": 0.5, "elbo": -3.0, "used_clusters": 2},
]

FINAL = {"final/used_clusters": 2.0, "final/assignment_entropy": 0.2, "final/n_clusters": 2.0}


class Listening:
    """A tracker that remembers what it is told."""

    def __init__(self, fails=False):
        self.told, self.fails = [], fails

    def __getattr__(self, name):
        def tell(*arguments):
            self.told.append((name, *arguments))
            if self.fails and name == "metrics":
                raise OSError("no connection")

        return tell


@pytest.fixture
def run(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    config = dataclasses.asdict(compose_config("dataset=usps", "model=vade"))
    (path / CONFIG).write_text(yaml.safe_dump(config))
    (path / METRICS).write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    (path / RESULT).write_text(json.dumps(a_result()))
    (path / "train.pt").write_bytes(b"weights")
    return StoredRun(path)


def test_a_finished_run_is_sent_in_order(run):
    tracker = Listening()
    send(run, tracker)
    names = [name for name, *_ in tracker.told]
    assert names == ["start", "parameters", *["metrics"] * 3, "artifacts", "end"]
    assert tracker.told[0] == ("start", str(run.path))
    parameters = tracker.told[1][1]
    assert parameters["model.name"] == "vade"
    assert "output_root" not in parameters
    assert tracker.told[2:5] == [
        ("metrics", 1, {"pretrain/seconds": 0.5, "pretrain/reconstruction": -4.0}),
        ("metrics", 2, {"train/seconds": 0.5, "train/elbo": -3.0, "train/used_clusters": 2.0}),
        ("metrics", 3, FINAL),
    ]
    assert [path.name for path in tracker.told[5][1]] == [CONFIG, METRICS, RESULT]
    assert tracker.told[-1] == ("end", "finished")


def test_a_failed_run_ends_as_failed(run):
    (run / RESULT).unlink()
    with pytest.raises(InputError, match="is not a finished run: the command that made it"):
        send(run, tracker := Listening())
    assert tracker.told == []
    (run / STATUS).write_text(json.dumps({"status": "failed", "reason": "no memory"}))
    send(run, tracker)
    assert tracker.told[-2:] == [
        ("artifacts", [run / CONFIG, run / METRICS, run / STATUS]),
        ("end", "failed"),
    ]


def test_a_tracker_that_fails_is_told_the_end(run):
    with pytest.raises(OSError, match="no connection"):
        send(run, tracker := Listening(fails=True))
    assert tracker.told[-1] == ("end", "failed")


def test_only_the_runs_own_files_are_sent(run, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (run / REPORT).symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="report.html is a link: a run's own files are sent"):
        send(run, tracker := Listening())
    assert tracker.told == []
