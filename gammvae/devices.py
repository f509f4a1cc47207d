"""Devices, and the random states with which an interrupted run resumes exactly."""

import platform
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

import gammvae
from gammvae.errors import InputError


def available_devices() -> list[str]:
    """The devices of this machine, the fastest first."""
    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return [*devices, "cpu"]


def choose_device(name: str) -> torch.device:
    """The device called ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

    Raises:
        InputError: The device is not available.
    """
    available = available_devices()
    if name == "auto":
        return torch.device(available[0])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in available:
        raise InputError(f"device={name} is not available: this machine has {', '.join(available)}")
    return torch.device(wanted)


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """The states of torch's random generators on the CPU and on the device."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    elif device.type == "mps":
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Restores the states from ``random_state``; a device that is not among them is skipped."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
    elif device.type == "mps" and "mps" in state:
        torch.mps.set_rng_state(state["mps"])


@contextmanager
def random_numbers_kept(device: torch.device) -> Iterator[None]:
    """Leaves torch's random generators as they were for the code around."""
    before = random_state(device)
    try:
        yield
    finally:
        set_random_state(before, device)


def processor() -> str:
    """The name of the processor, or its architecture where no name is known."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def surroundings(device: torch.device, precision: torch.dtype, commit: str) -> dict[str, Any]:
    """What a run's figures depend on besides its configuration and data.

    Args:
        device: Device of the run.
        precision: Precision of its networks.
        commit: Commit of gammvae when it began; empty outside of a checkout.
    """
    return {
        "device": str(device),
        "machine": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "precision": str(precision).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "gammvae": gammvae.__version__,
            **({"commit": commit} if commit else {}),
        },
    }


def peak_memory(device: torch.device) -> dict[str, int]:
    """Peak memory of this process so far, and on a GPU that of its tensors, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak: dict[str, Any] = {
        "host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
    }
    if device.type == "cuda":
        peak["cuda"] = torch.cuda.max_memory_allocated(device)
    return peak
