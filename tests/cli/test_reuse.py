"""Run folders that somebody else made: what they name is not called, asked or written."""

import dataclasses
import http.server
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
import yaml

from gammvae.cli.places import places
from gammvae.cli.reuse import usable_config
from gammvae.errors import InputError
from gammvae.runs.directory import RunDirectory
from tests.conftest import a_result, compose_config

DATASET = """
name: blobs
n_clusters: 3
likelihood: normal
loader:
  _target_: blobs_of_the_test.load
  n: 90
"""
LOADER = """
import numpy as np
from gammvae.data.dataset import Dataset
def load(n):
    y = np.arange(n) % 3
    x = np.eye(3, 5)[y] * 4 + np.random.default_rng(0).normal(size=(n, 5))
    return Dataset(x.astype(np.float32), y, (5,))
"""


@pytest.fixture
def crafted(tmp_path):
    """Makes a run folder whose configuration has other values in its dataset."""

    def make(*overrides, **dataset):
        run = tmp_path / "run"
        run.mkdir()
        tree = dataclasses.asdict(compose_config(*overrides))
        tree["dataset"] |= dataset
        (run / "config.yaml").write_text(yaml.safe_dump(tree))
        (run / "result.json").write_text(json.dumps(a_result()))
        return RunDirectory(run)

    return make


@pytest.fixture
def listener():
    """A server that notes what it is asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("command", ["evaluate", "report"])
@pytest.mark.parametrize(
    "target",
    ["os.system", "builtins.exec", "subprocess.run", "gammvae.data.files.load", "os.mkdir"],
)
def test_a_stored_loader_is_not_called(command, target, crafted, in_process, tmp_path):
    loader = {"_target_": target, "command": "touch hacked", "path": "hacked", "args": "hacked"}
    crafted(loader=loader)
    result = in_process(command, "run")
    assert result.returncode == 2
    assert f"run/config.yaml has dataset.loader._target_='{target}'" in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("dataset", "target"),
    [
        ("digits", "gammvae.benchmarks.digits"),
        ("mnist", "gammvae.benchmarks.idx_images"),
        ("usps", "gammvae.benchmarks.usps"),
        ("hhar", "gammvae.benchmarks.hhar"),
        ("reuters10k", "gammvae.rcv1.reuters10k"),
        ("stl10", "gammvae.stl10.stl10"),
    ],
)
def test_runs_of_before_the_modules_moved_are_read(dataset, target, crafted):
    expected = compose_config(f"dataset={dataset}").dataset.loader
    directory = crafted(f"dataset={dataset}", loader={**expected, "_target_": target})
    assert usable_config(directory, {}, None).dataset.loader == expected


@pytest.mark.parametrize("name", ["blobs", "mnist,usps", "../x", "digits +a=1", "${oc.env:HOME}"])
def test_a_dataset_that_does_not_come_with_the_program_is_named(name, crafted):
    with pytest.raises(InputError, match="which does not come with gammvae: --config-dir FOLDER"):
        usable_config(crafted(name=name), {}, None)


def test_other_arguments_of_a_loader_are_refused(crafted):
    directory = crafted("dataset=mnist", "dataset.loader.side=27")
    with pytest.raises(InputError, match=r"dataset\.loader\.side=27, the dataset mnist has 28"):
        usable_config(directory, {}, None)


def test_nothing_leaves_and_nothing_is_written_elsewhere(
    crafted, in_process, listener, tmp_path, monkeypatch
):
    monkeypatch.setenv("TOKEN", "secret")
    monkeypatch.setenv("GAMMVAE_MIRROR", f"http://127.0.0.1:{listener.server_port}/ours")
    theirs = f"http://127.0.0.1:{listener.server_port}/${{oc.env:TOKEN}}"
    digest = "sha256:" + 64 * "0"
    files = {
        "../escaped": {"url": theirs, "digest": "sha256:", "unpack": None},
        "USPS/usps.bz2": {"url": "file:///etc/hostname", "digest": digest, "unpack": None},
    }
    crafted(
        "dataset=usps",
        mirror=theirs,
        root=str(tmp_path / "theirs"),
        cache=str(tmp_path / "theirs"),
        about={"files": files},
    )
    result = in_process("evaluate", "run")
    assert result.returncode == 2
    assert "404" in result.stderr
    assert listener.asked == ["/ours/usps/usps.bz2"]
    written = {path.name for path in tmp_path.rglob("*")} - {"run", "config.yaml", "result.json"}
    assert written <= {"data", "USPS", ".usps.bz2.lock"}


def test_what_is_published_and_where_files_lie_comes_from_here(crafted, tmp_path, monkeypatch):
    monkeypatch.setenv("GAMMVAE_DATA", str(tmp_path / "mine"))
    stored = crafted("dataset=usps", mirror="http://theirs", download=False, root="/theirs")
    config = usable_config(stored, {}, None)
    expected = compose_config("dataset=usps").dataset
    assert config.dataset == expected
    assert config.dataset.root == str(tmp_path / "mine")
    where = places(["dataset.root=/a b", "dataset.download=false", "device=cpu"])
    config = usable_config(stored, where, None)
    assert (config.dataset.root, config.dataset.download, config.device) == ("/a b", False, "cpu")


def test_the_place_of_the_run_s_files_is_pointed_to(crafted, caplog):
    usable_config(crafted("dataset=usps", root="/their data"), {}, None)
    assert "the run used 'dataset.root=/their data'" in caplog.text


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("seed=3", "seed=3 cannot be set: it must be one of device, dataset.root"),
        ("dataset.root", "dataset.root cannot be set"),
        ("dataset.download=maybe", "must be true or false"),
        ("dataset.loader._target_=os.system", "cannot be set"),
    ],
)
def test_only_where_and_on_what_can_be_set(word, message):
    with pytest.raises(InputError, match=message):
        places([word])


def test_a_user_s_own_dataset_comes_back_by_the_yaml_that_is_named(
    tmp_path, in_process, monkeypatch
):
    (tmp_path / "mine" / "dataset").mkdir(parents=True)
    (tmp_path / "mine" / "dataset" / "blobs.yaml").write_text(DATASET)
    (tmp_path / "blobs_of_the_test.py").write_text(LOADER)
    monkeypatch.syspath_prepend(tmp_path)
    smoke = ("experiment=smoke", "architecture.hidden=[16]", "architecture.latent_dim=2")
    mine = ("--config-dir", "mine")
    made = in_process("train", *mine, "dataset=blobs", *smoke, "run_dir=run", "device=cpu")
    assert made.returncode == 0, made.stderr
    alone = in_process("evaluate", "run")
    assert alone.returncode == 2
    assert "run/config.yaml names the dataset 'blobs', which does not come with" in alone.stderr
    again = in_process("evaluate", "run", *mine)
    assert again.returncode == 0, again.stderr
    assert again.stdout.endswith("all figures agree\n")
    assert in_process("report", "run", *mine, "out=r.html").returncode == 0
    yaml_file = tmp_path / "mine" / "dataset" / "blobs.yaml"
    yaml_file.write_text(DATASET.replace("n: 90", "n: 91"))
    other = in_process("evaluate", "run", *mine)
    assert "has dataset.loader.n=90, the dataset blobs has 91" in other.stderr


def test_links_in_a_foreign_folder_lead_nowhere(in_process, tmp_path):
    """Every name that is known to be written, as a link to a file of the user's."""
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 4)))
    call = (
        *("train", "dataset=file", "dataset.path=x.npy", "n_clusters=2", "experiment=smoke"),
        *("architecture.hidden=[16]", "architecture.latent_dim=2", "device=cpu", "run_dir=run"),
    )
    assert in_process(*call).returncode == 0
    shutil.copytree(tmp_path / "run", tmp_path / "whole")
    mine = tmp_path / "mine"
    mine.write_text("mine")
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    for name in sorted(names | {"status.json", "report.html", ".result.json.tmp"}):
        shutil.rmtree(tmp_path / "run")
        shutil.copytree(tmp_path / "whole", tmp_path / "run")
        if name != "result.json":
            (tmp_path / "run" / "result.json").unlink()  # so that it goes on
        link = Path(tmp_path / "run" / name)
        link.unlink(missing_ok=True)
        link.symlink_to(mine)
        result = in_process(*call)
        assert "Traceback" not in result.stderr, name
        assert mine.read_text() == "mine", name
