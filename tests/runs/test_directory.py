import dataclasses
import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from gammvae.config.schema import identity
from gammvae.errors import InputError
from gammvae.runs.directory import (
    ASSIGNMENTS,
    CONFIG,
    DATA,
    DIGESTS,
    LOG,
    METRICS,
    RESULT,
    STATUS,
    RunDirectory,
)
from gammvae.runs.naming import run_path
from tests.conftest import a_result, compose_config

CHOICES = {"dataset": "digits", "model": "vade"}


def path_of(*overrides):
    return run_path(compose_config(*overrides), CHOICES, overrides)


def test_the_path_names_dataset_model_other_overrides_and_seed():
    assert path_of() == Path("outputs/digits/vade/seed=0")
    assert path_of("dataset=digits", "seed=3", "device=cpu", "overwrite=true") == Path(
        "outputs/digits/vade/seed=3"
    )
    both = path_of("train.epochs=3", "batch_size=64")
    assert both == Path("outputs/digits/vade/batch_size=64,train.epochs=3/seed=0")
    assert both == path_of("batch_size=64", "train.epochs=3")
    assert path_of("output_root=there").parts[0] == "there"


def test_overrides_that_make_no_file_name_stay_apart():
    first = path_of("init=labels", "init.labels=/a/b.npy")
    second = path_of("init=labels", "init.labels=/a_b.npy")
    assert len(first.parts) == len(second.parts) == 5
    assert first != second
    long = [f"+optimizer.arguments.{'x' * 80}{i}=1" for i in range(4)]
    name = run_path(compose_config(), CHOICES, long).parts[3]
    assert len(name) < 140


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
        "batch_size is 256 there and 64 here; optimizer.lr is 0.001 there and 0.5 here; "
        "optimizer.mixture_lr is 0.001 there and 0.5 here; overwrite=true"
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
        assert "it is made anew from the weights" in caplog.text


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


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": np.array([0, 1, 2])}, r"labels are from 0 to 2, with 2 clusters"),
        ({"labels": np.array([-1, 1, 0])}, "labels are from -1 to 1"),
        ({"labels": np.array([0, 1])}, r"labels is of type int64 and shape \(2,\)"),
        ({"labels": np.array([0.0, 1, 1])}, "labels is of type float64"),
        ({"responsibilities": np.ones((3, 3))}, r"responsibilities .* shape \(3, 3\)"),
        ({"embedding": np.full((3, 4), np.nan)}, "embedding holds a value that is not finite"),
    ],
)
def test_assignments_are_those_of_the_samples(tmp_path, arrays, message):
    good = {
        "labels": np.array([0, 1, 1]),
        "responsibilities": np.ones((3, 2)),
        "embedding": np.ones((3, 4)),
    }
    np.savez(tmp_path / ASSIGNMENTS, **good)
    assert set(RunDirectory(tmp_path).read_assignments(3, 2)) == set(good)
    np.savez(tmp_path / ASSIGNMENTS, **good | arrays)
    with pytest.raises(InputError, match=message):
        RunDirectory(tmp_path).read_assignments(3, 2)


def test_a_run_s_own_files_are_no_place_for_others(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    (tmp_path / "run").mkdir()
    for name in (ASSIGNMENTS, DATA, RESULT, CONFIG, "train.pt"):
        with pytest.raises(InputError, match="is a file of the run itself: name another"):
            directory.keep_from(tmp_path / "run" / ".." / "run" / name)
    directory.keep_from(tmp_path / "run" / "clusters.npz")
    directory.keep_from(tmp_path / ASSIGNMENTS)
    directory.keep_from(tmp_path / "run" / "report.html", "report.html")


def test_what_a_run_was_made_from_is_not_written_over(tmp_path):
    for name in ("x.csv", "y.npy"):
        (tmp_path / name).write_text("mine")
    mine = f"dataset.path={tmp_path}/x.csv", f"dataset.labels={tmp_path}/y.npy"
    directory = RunDirectory(tmp_path / "run")
    write_run(directory, compose_config("dataset=file", "n_clusters=2", *mine))
    for name in ("x.csv", "y.npy"):
        with pytest.raises(InputError, match=f"out=.* would replace .*{name}, which is read"):
            directory.check_output("out", tmp_path / "run" / ".." / name)
    directory.check_output("out", tmp_path / "z.csv")


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


def test_digests_that_lack_an_output_are_damaged(tmp_path):
    directory, config = RunDirectory(tmp_path), compose_config()
    write_run(directory, config)
    (tmp_path / DIGESTS).write_text("{}")
    with pytest.raises(InputError, match=r"digests\.json is damaged: it lacks result\.json"):
        directory.read_result()


def test_a_run_whose_folder_is_removed_says_so(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    with directory.open(compose_config()):
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(InputError, match="run is gone: metrics.jsonl cannot be written to it"):
            directory.append_metrics({"stage": "train", "epoch": 1, "seconds": 1.0})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "line 1: Invalid JSON"),
        (b'{"stage": "train"}', "line 1: epoch: Field required"),
        (b'{"stage": "x", "epoch": 1, "seconds": 1}', "line 1: stage: "),
        (b'{"stage": "train", "epoch": -1, "seconds": 1}', "line 1: epoch: "),
        (b'{"stage": "train", "epoch": 1, "seconds": NaN}', "line 1: seconds: "),
    ],
)
def test_metrics_that_are_damaged_are_refused_by_the_line(tmp_path, line, message):
    (tmp_path / METRICS).write_bytes(line + b"\n")
    with pytest.raises(InputError, match=message):
        RunDirectory(tmp_path).read_metrics()


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged"),
        (b"seed: abc", "is damaged: Value 'abc'"),
        (b"sed: 3", "is damaged: Key 'sed' not in 'Config'"),
        (b"{{{", "is damaged"),
        (b"\xff\xfe\x00", "is damaged"),
        (b"just text", "is damaged"),
        (b"- 1\n- 2", "is damaged"),
    ],
)
def test_a_damaged_configuration_is_refused(tmp_path, content, message):
    (tmp_path / CONFIG).write_bytes(content)
    with pytest.raises(InputError, match=rf"config\.yaml {message}"):
        RunDirectory(tmp_path).read_config()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"seed": 1}'])
def test_a_damaged_result_is_refused(tmp_path, content):
    (tmp_path / RESULT).write_text(content)
    with pytest.raises(InputError, match=r"result\.json is damaged"):
        RunDirectory(tmp_path).read_result()


def test_what_is_said_is_kept(tmp_path):
    with RunDirectory(tmp_path).open(compose_config()):
        logging.getLogger("gammvae.anything").warning("seven clusters")
    logging.getLogger("gammvae.anything").warning("too late")
    text = (tmp_path / LOG).read_text()
    assert "WARNING seven clusters" in text
    assert "too late" not in text
