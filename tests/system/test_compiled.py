import os
import subprocess
import sys

import pytest

from gammvae.errors import InputError
from gammvae.system.compiled import CACHE, choose_cache


def test_compiled_code_is_kept_in_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv(CACHE, raising=False)
    choose_cache()
    assert os.environ[CACHE] == str(tmp_path / ".cache" / "gammvae" / "compiled")
    assert (tmp_path / ".cache" / "gammvae" / "compiled").is_dir()


def test_without_a_folder_for_the_user_torch_decides(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.delenv(CACHE, raising=False)
    choose_cache()
    assert CACHE not in os.environ


def test_the_users_choice_counts_and_a_bad_one_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv(CACHE, str(tmp_path / "mine"))
    choose_cache()
    assert os.environ[CACHE] == str(tmp_path / "mine")
    monkeypatch.setenv(CACHE, str(tmp_path / "file" / "mine"))
    with pytest.raises(InputError, match=CACHE):
        choose_cache()


def test_the_program_refuses_a_bad_folder_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    environment = {**os.environ, CACHE: str(tmp_path / "file" / "mine")}
    command = [sys.executable, "-m", "gammvae", "train", "run_dir=run"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"gammvae: {CACHE}=")
    assert done.stderr.count("\n") == 1
