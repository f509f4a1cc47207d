"""The processes that share one run, as torchrun starts them and tells them of each other.

Process 0 leads: it alone writes and prints. ``training/together.py`` says what the others do.
"""

import contextlib
import os
import sys
import warnings
from datetime import timedelta

# What torchrun tells every process; all of it, because other programs set some of these names.
TOLD = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
VISIBLE = "CUDA_VISIBLE_DEVICES"
# For the one question that a process asks before it ends.
PATIENCE = timedelta(seconds=5)


def count() -> int:
    """Number of processes that share this run; 1 without torchrun."""
    return int(os.environ["WORLD_SIZE"]) if all(name in os.environ for name in TOLD) else 1


def rank() -> int:
    """Number of this process, from 0."""
    return int(os.environ["RANK"]) if count() > 1 else 0


def prepare() -> None:
    """Gives this process a GPU of its own, before torch is imported; only process 0 speaks.

    The GPU is the ``LOCAL_RANK``-th of those that the user lets the program see. As it is the only
    one that the process sees, it is called ``cuda:0`` in all of them.
    """
    if count() == 1:
        return
    number = int(os.environ["LOCAL_RANK"])
    seen = os.environ.get(VISIBLE)
    names = [str(one) for one in range(number + 1)] if seen is None else seen.split(",")
    os.environ[VISIBLE] = names[number] if number < len(names) else ""
    if rank() > 0:
        warnings.simplefilter("ignore")
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the program ends
        setattr(sys.stderr, "isatty", lambda: False)  # noqa: B010 - tqdm then draws no bars


def first_to_say() -> bool:
    """Whether no other process of the run has said yet why it ends, so that one line is said.

    The processes count in the store that torchrun keeps for them.
    """
    if count() == 1:
        return True
    from torch.distributed import TCPStore

    place, attempt = os.environ["MASTER_ADDR"], os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    with contextlib.suppress(RuntimeError):  # the store has ended as well
        store = TCPStore(
            *(place, int(os.environ["MASTER_PORT"])), timeout=PATIENCE, wait_for_workers=False
        )
        return store.add(f"gammvae/said/{attempt}", 1) == 1
    return True
