import os
import subprocess
import sys
import time

import pytest

from gammvae.system import waiting

STAT = """cpu  30 0 10 160 0 0 0 0 0 0
cpu0 20 0 5 75 0 0 0 0 0 0
cpu1 10 0 5 80 5 0 0 0 7 0
intr 5
"""


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for name in waiting.USERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delitem(sys.modules, "torch", raising=False)


def test_idle_and_total_time_of_every_core():
    assert waiting.idle_and_total(STAT) == {0: (75, 100), 1: (85, 100)}


@pytest.mark.parametrize(("used", "spins"), [(0.1, waiting.QUIET), (1.0, waiting.BUSY)])
def test_threads_sleep_beside_other_processes(monkeypatch, used, spins):
    monkeypatch.setattr(waiting, "cores_in_use", lambda: used)
    waiting.choose_waiting()
    assert os.environ.pop(waiting.SPINS) == spins


@pytest.mark.parametrize("name", waiting.USERS)
def test_the_user_s_choice_stays(monkeypatch, name):
    monkeypatch.setenv(name, "7")
    monkeypatch.setattr(waiting, "cores_in_use", lambda: 1.0)
    waiting.choose_waiting()
    assert os.environ[name] == "7"
    assert name == waiting.SPINS or waiting.SPINS not in os.environ


def test_nothing_is_set_where_the_cores_cannot_be_watched(monkeypatch, tmp_path):
    monkeypatch.setattr(waiting, "STAT", tmp_path / "none")
    assert waiting.watched() is None
    monkeypatch.setattr(waiting, "cores_in_use", waiting.watched)
    waiting.choose_waiting()
    assert waiting.SPINS not in os.environ


def test_it_is_too_late_once_torch_is_loaded(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", sys)
    monkeypatch.setattr(waiting, "cores_in_use", lambda: 1.0)
    waiting.choose_waiting()
    assert waiting.SPINS not in os.environ


@pytest.mark.parametrize("command", ["train", "evaluate", "sample", "predict", "report"])
def test_every_command_that_computes_chooses_before_torch_is_loaded(command, tmp_path):
    program = (
        "import os, sys, gammvae.system.waiting as w\n"
        "w.cores_in_use = lambda: 1.0\n"
        "from gammvae.cli.main import dispatch\n"
        "class Stop(Exception): pass\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'torch': raise Stop(os.environ.get(w.SPINS))\n"
        "sys.meta_path.insert(0, Finder())\n"
        f"try: dispatch([{command!r}, 'run' if {command!r} != 'train' else 'experiment=smoke'])\n"
        "except Stop as stop: print('torch with', stop)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert "torch with 0" in run.stdout, run.stderr


@pytest.mark.skipif(not waiting.STAT.exists(), reason="needs /proc/stat")
def test_a_busy_neighbor_is_seen(monkeypatch):
    monkeypatch.setattr(waiting, "SECONDS", 0.5)
    core = min(os.sched_getaffinity(0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {core})
    program = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    busy = subprocess.Popen([sys.executable, "-c", program])
    try:
        time.sleep(0.5)
        assert waiting.watched() > 0.9
    finally:
        busy.kill()
        busy.wait()
