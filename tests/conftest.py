"""Fixtures: seeded generators, composed configurations, the command in a second process."""

import hashlib
import logging
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from gammvae.cli import main as cli
from gammvae.config.published import FileConfig
from gammvae.config.schema import Config
from gammvae.runs.directory import RunDirectory
from gammvae.runs.records import Result
from gammvae.training.experiment import prepared
from tests import forkserver

# Several tests run at a time: one thread each, here and in the processes that they start.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)

ConfigStore.instance().store(name="schema", node=Config)

TINY = ("architecture.hidden=[64]", "architecture.latent_dim=4", "init.n_init=1")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _nothing_outside(tmp_path_factory, monkeypatch):
    """Prepared arrays go into a temporary folder."""
    monkeypatch.setenv("GAMMVAE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("GAMMVAE_MIRROR", raising=False)


def compose_config(*overrides: str) -> Config:
    """The configuration of ``gammvae train OVERRIDES``."""
    with initialize_config_module("gammvae.conf", version_base="1.3"):
        config = OmegaConf.to_object(compose("train", overrides=["report=false", *overrides]))
    assert isinstance(config, Config)
    return config


def as_published(root: Path, names: Iterable[str], url: str) -> dict[str, FileConfig]:
    """The files of a folder as if they were published, and those that are missing from it."""
    contents = {name: (root / name).read_bytes() for name in names if (root / name).exists()}
    return {
        name: FileConfig(url, "sha256:" + hashlib.sha256(contents.get(name, b"?")).hexdigest())
        for name in names
    }


def run(config: Config, directory: RunDirectory) -> Result:
    """Runs one experiment as ``gammvae train`` does, and shares nothing outside of its folder."""
    beside = str(directory.path.parent / ".pretrained")
    return prepared(replace(config, pretrained=config.pretrained or beside), directory).run()


def a_result(**changes: Any) -> dict[str, Any]:
    """What ``result.json`` holds of a finished run."""
    return {
        **{"dataset": "usps", "model": "vade", "seed": 0, "n_clusters": 2, "samples": 4},
        **{"features": 3, "likelihood": "normal", "dataset_digest": "d", "dataset_notes": []},
        **{"device": "cpu", "precision": "float32", "threads": 1},
        "versions": {"python": "3.11", "torch": "2.15", "gammvae": "0.1"},
        "metrics": {"silhouette": None, "used_clusters": 2, "assignment_entropy": 0.2},
        "seconds": {"train": 2.0, "init": 1.0},
        **changes,
    }


def without_report(arguments: tuple[str, ...]) -> list[str]:
    """The arguments, and ``report=false`` for runs that say nothing of it: a report takes long."""
    silent = arguments[:1] == ("train",) and not any("report" in one for one in arguments)
    flags = ("--help", "-h", "--info", "--version")
    return [*arguments, *(["report=false"] if silent and not set(flags) & set(arguments) else [])]


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def forks() -> Iterator[list[str]]:
    """The command before ``gammvae`` or a Python file that runs it quickly: see ``forkserver``."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener,
    ):
        listener.bind(address := f"{folder}/socket")
        listener.listen()
        number, program = listener.fileno(), forkserver.__file__
        serve = [sys.executable, program, "serve", str(number)]
        with subprocess.Popen(serve, stdin=subprocess.PIPE, pass_fds=[number]) as server:
            yield [sys.executable, "-IS", program, address]
            server.terminate()


@pytest.fixture
def gammvae(tmp_path: Path, forks: list[str]) -> Command:
    """Runs ``gammvae`` in another process, in an empty folder, without dataset files."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*forks, "gammvae", *without_report(arguments)],
            cwd=tmp_path,
            env={**os.environ, "GAMMVAE_DATA": str(tmp_path / "data"), **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
        done.stderr = re.sub(r"^other processes use .*\n", "", done.stderr)
        return done

    return call


@pytest.fixture
def in_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Like ``gammvae``, in this process."""

    # what other processes do must not show in the output
    monkeypatch.setattr("gammvae.cli.train.cores_in_use", lambda: 0.0)
    logger = logging.getLogger("gammvae")
    for attribute in ("handlers", "level", "propagate"):
        monkeypatch.setattr(logger, attribute, getattr(logger, attribute))

    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(logger, "handlers", [])
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("GAMMVAE_DATA", str(tmp_path / "data"))
        monkeypatch.setattr(sys, "argv", ["gammvae", *without_report(arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code
        out, err = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, code, out, err)

    return call


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real dataset files, where ``GAMMVAE_DATA`` names one."""
    root = os.environ.get("GAMMVAE_DATA")
    if root is None or not (Path(root) / "MNIST").is_dir():
        pytest.skip("GAMMVAE_DATA names no folder with dataset files")
    return Path(root)
