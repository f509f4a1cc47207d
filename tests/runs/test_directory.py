import dataclasses
import json
import logging
import shutil
import subprocess
import sys

import pytest
import yaml

from gammvae.config.identity import identity
from gammvae.errors import InputError
from gammvae.runs.contents import ASSIGNMENTS, CONFIG, DATA, LOG, METRICS, RESULT, STATUS
from gammvae.runs.directory import RunDirectory
from tests.conftest import a_result, compose_config


def write_run(directory, config):
    with directory.open(config):
        directory.append_metrics({"stage": "train", "epoch": 1, "seconds": 1.0})
        for name in (ASSIGNMENTS, DATA):
            directory.write(name, lambda file: file.write(b"arrays"))
        directory.finish(a_result())


def test_a_finished_run_of_the_same_configuration_is_found(tmp_path):
    directory, config = RunDirectory(tmp_path / "run"), compose_config()
    assert directory.finished(config) is None
    write_run(directory, config)
    assert directory.finished(compose_config("device=cpu")) == a_result()
    assert directory.finished(compose_config("overwrite=true")) is None
    assert identity(directory.read_config()) == identity(config)


def test_another_configuration_is_refused_with_the_difference(tmp_path):
    directory = RunDirectory(tmp_path)
    write_run(directory, compose_config())
    other = compose_config("batch_size=64", "optimizer.lr=0.5")
    message = (
        "batch_size is 256 there and 64 here; optimizer.lr is None there and 0.5 here; "
        "optimizer.mixture_lr is None there and 0.5 here; overwrite=true"
    )
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(InputError, match=message):
        directory.finished(other)
    with pytest.raises(InputError, match=message), directory.open(other):
        pass
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_overwrite_removes_the_run_and_nothing_else(tmp_path):
    directory = RunDirectory(tmp_path)
    write_run(directory, compose_config())
    (tmp_path / "notes.txt").write_text("mine")
    with directory.open(compose_config("batch_size=64", "overwrite=true")):
        assert sorted(path.name for path in tmp_path.iterdir() if path.name[0] != ".") == [
            CONFIG,
            "notes.txt",
            LOG,
        ]
        assert directory.read_config().batch_size == 64


@pytest.mark.parametrize("content", ["name: theirs\nsteps: [1]\n", "", "- x", "a: &a [*a]"])
def test_what_is_no_run_of_ours_is_not_overwritten(tmp_path, content):
    theirs = {CONFIG: content, RESULT: "{}", LOG: "said", "train.pt": "weights"}
    for name, text in theirs.items():
        (tmp_path / name).write_text(text)
    with (
        pytest.raises(InputError, match="is not overwritten, because it holds no run of gammvae"),
        RunDirectory(tmp_path).open(compose_config("overwrite=true")),
    ):
        pass
    assert {name: (tmp_path / name).read_text() for name in theirs} == theirs


def test_a_status_of_others_is_not_replaced(tmp_path):
    (tmp_path / STATUS).write_text('{"status": 200}')
    with (
        pytest.raises(InputError, match=r"status\.json is damaged: status"),
        RunDirectory(tmp_path).open(compose_config()),
    ):
        pass
    assert (tmp_path / STATUS).read_text() == '{"status": 200}'


@pytest.mark.parametrize("name", [METRICS, ASSIGNMENTS, DATA, RESULT])
@pytest.mark.parametrize("damage", ["removed", "changed"])
def test_outputs_that_are_missing_or_changed_are_made_anew(tmp_path, name, damage, caplog):
    directory, config = RunDirectory(tmp_path), compose_config()
    write_run(directory, config)
    if damage == "removed":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes() + b" ")
    assert directory.finished(config) is None
    if (name, damage) != (RESULT, "removed"):
        assert f"{name} is" in caplog.text
        assert "it is recomputed from the weights" in caplog.text


def test_weights_that_were_changed_make_nothing_anew(tmp_path):
    directory, config = RunDirectory(tmp_path), compose_config()
    (tmp_path / "train.pt").write_bytes(b"weights")
    (tmp_path / CONFIG).write_text(yaml.safe_dump(dataclasses.asdict(config)))
    write_run(directory, config)
    assert directory.finished(config) == a_result()
    (tmp_path / "train.pt").write_bytes(b"others")
    (tmp_path / DATA).unlink()
    with pytest.raises(InputError, match=r"train\.pt is damaged or was changed: .*overwrite=true"):
        directory.finished(config)
    (tmp_path / "train.pt").unlink()
    assert directory.finished(config) is None


@pytest.mark.parametrize("overwrite", ["true", "false"])
def test_a_run_is_not_written_over_its_own_input(tmp_path, overwrite):
    directory = RunDirectory(tmp_path)
    write_run(directory, compose_config())
    path = f"dataset.path={tmp_path}/{ASSIGNMENTS}"
    config = compose_config("dataset=file", "n_clusters=2", path, f"overwrite={overwrite}")
    with (
        pytest.raises(InputError, match="assignments.npz is a file of the run itself"),
        directory.open(config),
    ):
        pass
    assert (tmp_path / ASSIGNMENTS).read_bytes() == b"arrays"


@pytest.mark.parametrize("damage", [None, b"others"])
def test_weights_that_are_amiss_are_told_of_a_finished_run(tmp_path, damage, caplog):
    directory, config = RunDirectory(tmp_path), compose_config()
    (tmp_path / "train.pt").write_bytes(b"weights")
    (tmp_path / CONFIG).write_text(yaml.safe_dump(dataclasses.asdict(config)))
    write_run(directory, config)
    if damage is None:
        (tmp_path / "train.pt").unlink()
    else:
        (tmp_path / "train.pt").write_bytes(damage)
    assert directory.finished(config) == a_result()
    assert "train.pt is" in caplog.text
    assert "overwrite=true runs it again" in caplog.text


def test_a_run_whose_folder_is_removed_says_so(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    with directory.open(compose_config()):
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(InputError, match="run does not exist: metrics.jsonl cannot be"):
            directory.append_metrics({"stage": "train", "epoch": 1, "seconds": 1.0})


def test_a_folder_of_other_things_is_not_touched(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    directory = RunDirectory(tmp_path)
    with (
        pytest.raises(InputError, match=r"is not a run directory: it holds thesis\.tex"),
        directory.open(compose_config("overwrite=true")),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir() if path.name[0] != "."] == ["thesis.tex"]


def test_a_result_without_its_configuration_is_not_reported(tmp_path):
    RunDirectory(tmp_path).write_json(RESULT, {"metrics": {}})
    with pytest.raises(InputError, match=r"is not a run directory: it holds result\.json"):
        RunDirectory(tmp_path).finished(compose_config())


HOLD = """
import sys, time
from gammvae.runs.directory import RunDirectory
from tests.conftest import compose_config
with RunDirectory(sys.argv[1]).open(compose_config()):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_and_a_killed_one_frees_the_run(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(InputError, match="is in use by another process"),
            RunDirectory(tmp_path).open(compose_config()),
        ):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with RunDirectory(tmp_path).open(compose_config()):
        pass


def test_a_failed_write_leaves_the_old_file(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.write_json(RESULT, a_result())

    def fail(file):
        file.write(b"half")
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        directory.write(RESULT, fail)
    assert directory.read_result() == a_result()
    assert [path.name for path in tmp_path.iterdir()] == [RESULT]


def test_metrics_are_cut_where_the_run_goes_on(tmp_path):
    directory = RunDirectory(tmp_path)
    lines = [
        {"stage": stage, "epoch": epoch, "seconds": 0.5, "elbo": -0.1 - epoch / 3}
        for stage, epochs in [("pretrain", 3), ("init", 1), ("train", 4)]
        for epoch in range(1, epochs + 1)
    ]
    for line in lines:
        directory.append_metrics(line)
    with (tmp_path / METRICS).open("a") as file:
        file.write('{"stage": "train", "epo')  # killed while writing
    assert directory.read_metrics() == lines
    directory.drop_metrics("train", 2)
    assert directory.read_metrics() == lines[:6]
    text = "".join(json.dumps(line) + "\n" for line in lines[:6])
    assert (tmp_path / METRICS).read_text() == text
    directory.drop_metrics("init", 0)
    assert directory.read_metrics() == lines[:3]
    directory.drop_metrics("pretrain", 0)
    assert directory.read_metrics() == []


def test_what_is_said_is_kept(tmp_path):
    with RunDirectory(tmp_path).open(compose_config()):
        logging.getLogger("gammvae.anything").warning("seven clusters")
    logging.getLogger("gammvae.anything").warning("too late")
    text = (tmp_path / LOG).read_text()
    assert "WARNING seven clusters" in text
    assert "too late" not in text
