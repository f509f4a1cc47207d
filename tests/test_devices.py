import subprocess
import sys

import pytest
import torch

from gammvae.devices import (
    available_devices,
    choose_device,
    processor,
    random_numbers_kept,
    random_state,
    set_random_state,
)
from gammvae.errors import InputError


def test_auto_takes_the_fastest_device_there_is(monkeypatch):
    assert choose_device("auto") == torch.device(available_devices()[0])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert available_devices() == ["cuda:0", "cuda:1", "mps", "cpu"]
    assert choose_device("auto") == torch.device("cuda:0")
    assert choose_device("cuda") == torch.device("cuda:0")
    assert choose_device("cuda:1") == torch.device("cuda:1")
    assert choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "mps"])
def test_an_absent_device_is_refused_with_what_there_is(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match=f"device={name} is not available: this machine has cpu"):
        choose_device(name)


def test_random_state_is_restored():
    state = random_state(torch.device("cpu"))
    first = torch.rand(3)
    set_random_state(state, torch.device("cpu"))
    assert torch.equal(torch.rand(3), first)


def test_peak_memory_counts_a_large_tensor():
    program = (
        "import torch; from gammvae.devices import peak_memory; cpu = torch.device('cpu');"
        "before = peak_memory(cpu)['host']; torch.ones(2**28);"
        "print(peak_memory(cpu)['host'] - before)"
    )
    # through a shell, because a process inherits the peak of the one that started it
    shell = ["sh", "-c", '"$0" -c "$1"; exit $?', sys.executable, program]
    grown = int(subprocess.run(shell, capture_output=True, check=True).stdout)
    assert grown == pytest.approx(2**30, rel=0.1)  # 1 GiB of float32


def test_random_numbers_are_kept_for_the_code_around():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with random_numbers_kept(torch.device("cpu")):
        torch.manual_seed(4)
        torch.rand(2)
    assert torch.equal(torch.rand(4), expected)


def test_the_processor_has_a_name():
    assert processor().strip()
