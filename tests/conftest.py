"""Fixtures: seeded generators, composed configurations, the command in a second process."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from gammvae import cli
from gammvae.config import Config

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


def without_report(arguments: tuple[str, ...]) -> list[str]:
    """The arguments, and ``report=false`` for runs that say nothing of it: a report takes long."""
    silent = arguments[:1] == ("train",) and not any("report" in one for one in arguments)
    flags = ("--help", "-h", "--info", "--version")
    return [*arguments, *(["report=false"] if silent and not set(flags) & set(arguments) else [])]


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def gammvae(tmp_path: Path) -> Command:
    """Runs ``python -m gammvae`` in an empty folder, without dataset files and without network."""

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "gammvae", *without_report(arguments)],
            cwd=tmp_path,
            env={**os.environ, "GAMMVAE_DATA": str(tmp_path / "data"), **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return call


@pytest.fixture
def in_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Like ``gammvae``, in this process, which saves the seconds that importing torch takes."""

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
