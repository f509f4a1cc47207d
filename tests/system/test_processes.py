import os
import sys

import pytest
import torch.distributed as dist

from gammvae.system import processes, waiting


@pytest.fixture
def told(monkeypatch):
    """Tells this process that it is one of several."""

    def tell(rank: int, count: int = 3, **more: str) -> None:
        told = {"RANK": rank, "WORLD_SIZE": count, "LOCAL_RANK": rank, "MASTER_ADDR": "localhost"}
        for name, value in {**told, "MASTER_PORT": 1, **more}.items():
            monkeypatch.setenv(name, str(value))

    return tell


def test_a_process_by_itself_is_the_only_one(monkeypatch):
    assert (processes.count(), processes.rank()) == (1, 0)
    monkeypatch.setenv("WORLD_SIZE", "4")  # left in a shell by something else
    assert (processes.count(), processes.rank()) == (1, 0)
    processes.prepare()
    assert processes.first_to_say()


def test_what_torchrun_tells_is_known(told):
    told(2)
    assert (processes.count(), processes.rank()) == (3, 2)


@pytest.mark.parametrize(
    ("seen", "taken"),
    [
        (None, ["0", "1", "2"]),
        ("4,6", ["4", "6", ""]),
        ("GPU-a,GPU-b,GPU-c", ["GPU-a", "GPU-b", "GPU-c"]),
    ],
)
def test_every_process_sees_one_gpu_of_its_own(told, monkeypatch, seen, taken):
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", type("Stream", (), {})())
    monkeypatch.setattr(processes.warnings, "simplefilter", lambda _: None)
    for rank, one in enumerate(taken):
        told(rank)
        monkeypatch.delenv(processes.VISIBLE, raising=False)
        if seen is not None:
            monkeypatch.setenv(processes.VISIBLE, seen)
        processes.prepare()
        assert os.environ[processes.VISIBLE] == one


def test_processes_of_a_run_do_not_take_each_other_for_neighbors(told, monkeypatch):
    monkeypatch.setattr(waiting, "watched", lambda: 1.0)
    assert waiting.cores_in_use.__wrapped__() == 1.0
    told(0)
    assert waiting.cores_in_use.__wrapped__() == 0.0


def test_the_first_to_say_why_it_ends_is_the_only_one(told):
    store = dist.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    told(1, MASTER_PORT=str(store.port))
    assert [processes.first_to_say() for _ in range(3)] == [True, False, False]
    told(1, MASTER_PORT=str(store.port), TORCHELASTIC_RESTART_COUNT="1")
    assert processes.first_to_say()
