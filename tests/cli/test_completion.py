"""Completion of words, in Python and in the shells themselves."""

import os
import shutil
import subprocess
import sys
import time

import pytest

from gammvae.cli import main
from gammvae.cli.completion import SCRIPTS
from gammvae.cli.known import Known, allowed
from gammvae.cli.suggestions import runs, suggestions
from gammvae.config.ranges import METHODS
from gammvae.estimators.settings import leaves
from tests.terminal import in_terminal


def of(line):
    """What the last word of a command line can become."""
    return list(suggestions(line.split(" ")[1:]))


def test_all_settings_are_known():
    """Those of the schema, but for addresses of data, and also arguments of optimizers."""
    expected = {
        name for name in leaves() if not name.startswith(("dataset.about", "dataset.loader"))
    }
    found = set(Known().settings())
    assert found >= expected
    extra = ("optimizer.arguments.", "train.optimizer")
    assert all(name.startswith(extra) or name in expected for name in found)


def test_values_are_those_that_a_rule_holds_of():
    assert allowed("one of auto, cpu, cuda, cuda:N, mps") == ["auto", "cpu", "cuda", "mps"]
    assert allowed("null or one of full, diag") == ["null", "full", "diag"]
    assert allowed("a positive number") == []
    assert Known().values("model.method") == list(METHODS)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("gammvae tra", ["train", "track"]),
        ("gammvae train dataset.lik", ["dataset.likelihood="]),
        ("gammvae train model=de", ["model=dec"]),
        ("gammvae train n_clusters=", ["n_clusters=auto"]),
        ("gammvae train -m model=dec,va", ["model=dec,vade", "model=dec,vae_gmm"]),
        ("gammvae train report=", ["report=true", "report=false"]),
        ("gammvae train model.covariance=f", ["model.covariance=full"]),
        ("gammvae train hydra/launcher=s", ["hydra/launcher=slurm"]),
        ("gammvae train +optimizer@train.optimizer=s", ["+optimizer@train.optimizer=sgd"]),
        ("gammvae train --mul", ["--multirun"]),
        ("gammvae train --", ["--multirun", "--config-dir", "--cfg", "--help"]),
        ("gammvae train -m -", ["-m", "--multirun", "--config-dir", "--cfg", "--help"]),
        ("gammvae train --config-dir ", []),
        ("gammvae --", ["--help", "--version"]),
        ("gammvae track to=w", ["to=wandb"]),
        ("gammvae evaluate device=c", ["device=cpu", "device=cuda"]),
        ("gammvae evaluate generation=", ["generation=true", "generation=false"]),
        ("gammvae table --me", ["--metric"]),
        ("gammvae reproduce fam", ["family", "family_plain"]),
        ("gammvae reproduce dataset=digits,us", ["dataset=digits,usps"]),
        ("gammvae search netw", ["networks"]),
        ("gammvae search networks model=de", ["model=dec"]),
        ("gammvae search networks objective=a", ["objective=agreement"]),
        ("gammvae datasets us", ["usps"]),
        ("gammvae completion z", ["zsh"]),
        ("gammvae nothing ", []),
        ("gammvae train dataset.path=", []),
    ],
)  # fmt: skip
def test_words(line, found):
    assert of(line) == found


def test_every_command_can_be_completed():
    assert of("gammvae ") == list(main.COMMANDS)
    for name in main.COMMANDS:
        assert of(f"gammvae {name} --h") == ["--help"]


def test_the_users_own_files_are_options(tmp_path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "cells.yaml").write_text("# My cells. They are mine.\n")
    words = ["train", "--config-dir", str(tmp_path), "dataset=ce"]
    assert suggestions(words) == {"dataset=cells": "My cells"}


@pytest.fixture
def folder(tmp_path):
    """A folder with two runs and a folder that holds none."""
    for name in ("outputs/usps/vade/seed=0", "outputs/usps/vade/seed=1"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.yaml").touch()
    (tmp_path / "outputs" / "empty" / ".hidden").mkdir(parents=True)
    return tmp_path


@pytest.mark.parametrize("typed", ["", "out", "outputs/", "outputs/usps/va", "outputs/usps/vade/"])
def test_runs_are_found_below_what_is_typed(typed, folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert list(runs(typed)) == [f"outputs/usps/vade/seed={seed}" for seed in (0, 1)]
    assert not list(runs("outputs/emp"))
    assert list(runs(f"{folder}/outputs/usps/vade/seed=1")) == [
        f"{folder}/outputs/usps/vade/seed=1"
    ]


def test_a_word_is_completed_without_slow_imports():
    program = (
        "import sys; from gammvae.cli.suggestions import suggestions\n"
        "for words in (['train', ''], ['train', 'model='], ['evaluate', ''], ['track', 'to=']):\n"
        "    assert suggestions(words)\n"
        "print(sorted({'torch', 'hydra', 'omegaconf', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    began = time.process_time()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
    assert time.process_time() - began < 0.3  # of this process; the other is in the next test


@pytest.fixture
def shell(folder):
    """The environment of a shell in which ``gammvae`` is a program of this Python."""
    program = folder / "bin" / "gammvae"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m gammvae "$@"\n')
    program.chmod(0o755)
    for name, script in SCRIPTS.items():
        (folder / f"script.{name}").write_text(f"{script}\n")
    return {"PATH": f"{program.parent}:/usr/bin:/bin", "HOME": str(folder), "PS1": "READY> "}


INTERACTIVE = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}


@pytest.mark.parametrize("name", ["bash", "zsh"])
def test_a_tab_completes(name, folder, shell):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    keys = [
        ("READY> ", f"source ./script.{name}; echo loa''ded\n"),
        ("loaded", "gammvae sample outputs/usps/vade/seed=1 clus\t"),
        ("cluster=", "\x15gammvae train exper\tsmo\t"),  # and Ctrl-U before it
        ("experiment=smoke", "\x15gammvae train init.star\tkm\t"),
        ("init.start=kmeans", "\x15gammvae sample outp\t"),
        ("usps/vade/seed=", "\x15gammvae train --\t\t"),
        ("--multirun", "\x15gammvae train --mul\tseed=1\x15exit\n"),
    ]
    shown, _ = in_terminal(INTERACTIVE[name], folder, keys, shell, seconds=60)
    assert "command not found" not in shown


def test_fish_completes(folder, shell):
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    program = (
        "source script.fish; complete -C 'gammvae train init.start=k'; complete -C 'gammvae tra'"
    )
    done = subprocess.run(
        ["fish", "--no-config", "-c", program],
        cwd=folder,
        env=os.environ | shell,
        capture_output=True,
        text=True,
    )
    lines = done.stdout.splitlines()
    assert "init.start=kmeans" in lines
    assert f"train\t{main.train.SUMMARY}" in lines


def test_an_unknown_shell_is_refused(in_process):
    refused = in_process("completion", "tcsh")
    assert refused.returncode == 2
    assert refused.stderr == (
        "gammvae: completion tcsh is unknown: it must be one of bash, zsh, fish\n"
    )
    assert "complete -o default -F _gammvae gammvae" in in_process("completion", "bash").stdout
