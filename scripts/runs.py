"""Runs and configurations of the program, as the benchmarks need them."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra import compose, initialize_config_module
from hydra.core.config_store import ConfigStore

from gammvae.config.schema import Config
from gammvae.config.typed import to_config
from gammvae.runs.contents import METRICS, RESULT


class Run(NamedTuple):
    """A finished run.

    Attributes:
        metrics: The figures in ``result.json``.
        records: The lines of ``metrics.jsonl``.
    """

    metrics: dict[str, Any]
    records: list[dict[str, Any]]


def finished(folder: Path, settings: Sequence[str]) -> Run:
    """Makes a run with one thread, unless it is there, and reads its figures.

    Args:
        folder: Folder of the run.
        settings: Settings of ``gammvae train``, without ``run_dir``; on the CPU without ``device``.

    Raises:
        RuntimeError: The run failed; the message has its last words.
    """
    if not (folder / RESULT).exists():
        done = subprocess.run(
            [*(sys.executable, "-m", "gammvae", "train"), "device=cpu", *settings]
            + [f'run_dir="{folder}"', "report=false"],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,  # the run has its own log
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{folder} ended with {done.returncode}:\n{done.stderr}")
    lines = (folder / METRICS).read_text().splitlines()
    return Run(json.loads((folder / RESULT).read_text())["metrics"], [*map(json.loads, lines)])


def compose_config(*overrides: str) -> Config:
    """The configuration of ``gammvae train`` with the given overrides."""
    ConfigStore.instance().store(name="schema", node=Config)
    with initialize_config_module("gammvae.conf", version_base="1.3"):
        return to_config(compose("train", overrides=[*overrides]))
