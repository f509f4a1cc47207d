import numpy as np
import pytest

from gammvae.errors import InputError
from gammvae.runs.contents import ASSIGNMENTS, CONFIG, DATA, METRICS, RESULT
from gammvae.runs.directory import RunDirectory
from gammvae.runs.stored_run import StoredRun
from tests.conftest import compose_config
from tests.runs.test_directory import write_run


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
    assert set(StoredRun(tmp_path).read_assignments(3, 2)) == set(good)
    np.savez(tmp_path / ASSIGNMENTS, **good | arrays)
    with pytest.raises(InputError, match=message):
        StoredRun(tmp_path).read_assignments(3, 2)


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


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"{", "line 1: Invalid JSON"),
        (b'{"stage": "train"}', "line 1: epoch: it must be given"),
        (b'{"stage": "x", "epoch": 1, "seconds": 1}', "line 1: stage: "),
        (b'{"stage": "train", "epoch": -1, "seconds": 1}', "line 1: epoch: "),
        (b'{"stage": "train", "epoch": 1, "seconds": NaN}', "line 1: seconds: "),
    ],
)
def test_metrics_that_are_damaged_are_refused_by_the_line(tmp_path, line, message):
    (tmp_path / METRICS).write_bytes(line + b"\n")
    with pytest.raises(InputError, match=message):
        StoredRun(tmp_path).read_metrics()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged"),
        (b"seed: abc", "is damaged: seed=abc is of the wrong type"),
        (b"sed: 3", "is damaged: unknown option sed: did you mean seed"),
        (b"{{{", "is damaged"),
        (b"\xff\xfe\x00", "is damaged"),
        (b"just text", "is damaged"),
        (b"- 1\n- 2", "is damaged"),
    ],
)
def test_a_damaged_configuration_is_refused(tmp_path, content, message):
    (tmp_path / CONFIG).write_bytes(content)
    with pytest.raises(InputError, match=rf"config\.yaml {message}"):
        StoredRun(tmp_path).read_config()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"seed": 1}'])
def test_a_damaged_result_is_refused(tmp_path, content):
    (tmp_path / RESULT).write_text(content)
    with pytest.raises(InputError, match=r"result\.json is damaged"):
        StoredRun(tmp_path).read_result()
