"""One run in several processes, as torchrun starts them.

Process 0 leads: it runs the command as if it were alone. The others wait for its orders to train
along (``following.py``). Nothing else in the program knows of them.

Each process takes its share of every batch. All begin a stage with the same weights and optimizer,
and an epoch with the same random state. They draw all random numbers for the whole batch and keep
their own rows, so the draws do not depend on the number of processes. Before every step of the
optimizer they add up their gradients, so that their weights remain the same. Only the order of the
sums differs from that of one process.

The gradients are added up by one plain sum, not by ``DistributedDataParallel``. That averages over
processes, which is wrong for shares of different sizes; it needs an objective that is the output of
a module's ``forward``, and must be told of parameters without a gradient, such as the prior's in
pretraining. Its advantage is that it sends some gradients while others are being computed.

Notation: ``B`` samples of a batch, ``D`` latent features.
"""

import io
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributions import Independent

from gammvae.devices import choose_device
from gammvae.errors import InputError, ProcessLost
from gammvae.system.processes import count, rank

# The others wait for orders while process 0 computes the start, which may take hours. If it ends,
# its connections are closed, and they notice at once. A step takes seconds.
ORDER, STEP = timedelta(days=7), timedelta(minutes=10)
LOST = (
    "another process of this run has ended, or does not answer; "
    "the same command continues from the last checkpoint"
)

# The group in which steps are taken, on the device; orders go through torch's default group.
_steps: Any = None


@contextmanager
def joined(device: str) -> Iterator[None]:
    """Joins the processes of this run; at its end, process 0 lets the others go.

    Args:
        device: The setting.

    Raises:
        InputError: The processes cannot compute on this device.
        ProcessLost: Another process has ended.
    """
    global _steps
    kind = kind_of(device)
    with _talking():
        dist.init_process_group("gloo", timeout=ORDER)
        signal.signal(signal.SIGTERM, lambda *_: _lost())  # torchrun's, if a process has ended
        kinds: list[Any] = [None] * count()
        dist.all_gather_object(kinds, kind)
    if len(set(kinds)) > 1:
        raise InputError(
            f"{kinds.count('cpu')} of {count()} processes have no GPU, and each needs one of its "
            "own: start fewer processes, or take device=cpu"
        )
    with _talking():
        _steps = dist.new_group(backend="nccl" if kind == "cuda" else "gloo", timeout=STEP)
    yield
    if rank() == 0:
        send(None)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _steps = None  # the threads of a group that outlives the interpreter abort the process
    dist.destroy_process_group()


def kind_of(device: str) -> str:
    """``cpu`` or ``cuda``: where a process computes, given the setting.

    Raises:
        InputError: The device is not available, or is not for several processes.
    """
    if device.startswith("cuda:") or (kind := choose_device(device).type) == "mps":
        raise InputError(
            f"device={device} does not go with {count()} processes, of which each takes a GPU of "
            "its own: it must be cuda or cpu"
        )
    return kind


def send(order: object) -> None:
    """Sends something picklable to the other processes, with its tensors; called by process 0."""
    if count() > 1:
        buffer = io.BytesIO()
        torch.save(order, buffer)
        with _talking():
            dist.broadcast_object_list([buffer.getvalue()], src=0)


def receive() -> Any:  # noqa: ANN401 - what was sent
    """Waits for what process 0 sends next."""
    box: list[Any] = [None]
    with _talking():
        dist.broadcast_object_list(box, src=0)
    return torch.load(io.BytesIO(box[0]), weights_only=False)  # from a process of this run


def meet() -> None:
    """Waits until all processes have come to this point."""
    if count() > 1:
        with _talking():
            dist.barrier()


def shares(n: int) -> list[slice]:
    """Rows of each process in a batch of ``n`` samples; their numbers differ by at most one."""
    ends = [n * one // count() for one in range(count() + 1)]
    return [slice(*pair) for pair in zip(ends, ends[1:], strict=False)]


class Share(NamedTuple):
    """Rows of one process in a batch, and the part of the whole batch that they are."""

    rows: slice
    fraction: float


def own(n: int) -> Share:
    """The share of this process in a batch of ``n`` samples.

    Not every process has a row of a batch that is smaller than their number. Those without one
    compute the first as well, as no part of the batch, so that they take the same steps as the
    others.
    """
    rows = shares(n)[rank()]
    size = rows.stop - rows.start
    return Share(rows if size else slice(0, 1), size / n)


def add_up(tensors: Sequence[Tensor]) -> None:
    """Replaces every tensor by its sum over the processes; they have the same type."""
    if count() == 1 or not tensors:
        return
    flat = torch.cat([tensor.reshape(-1) for tensor in tensors])
    with _talking():
        dist.all_reduce(flat, group=_steps)
    parts = flat.split([tensor.numel() for tensor in tensors])
    for tensor, part in zip(tensors, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


def least(tensor: Tensor) -> None:
    """Replaces every value of a tensor by the least of all processes."""
    if count() > 1:
        with _talking():
            dist.all_reduce(tensor, dist.ReduceOp.MIN, group=_steps)


def drawn(q: Independent, n: int) -> Tensor:
    """A draw ``(B, D)`` from ``q(z|x)`` of this process's rows, as one process would draw it.

    The draws of some samplers depend on the distributions of the rows before. So the processes
    exchange the parameters, and each draws for the whole batch.

    Args:
        q: Distributions of this process's rows.
        n: Number of samples of the whole batch.
    """
    if count() == 1:
        return q.rsample()
    base, (rows, fraction) = q.base_dist, own(n)
    parameters = torch.stack([getattr(base, name) for name in base.arg_constraints])  # (2, B, D)
    whole = parameters.new_zeros(len(parameters), n, parameters.shape[-1])
    if fraction:
        whole[:, rows] = parameters.detach()
    add_up([whole])
    whole[:, rows] = parameters  # with their gradient
    named = dict(zip(base.arg_constraints, whole, strict=True))
    return type(base)(**named, validate_args=False).rsample()[rows]


@contextmanager
def _talking() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # a closed connection, or no answer in time
        _lost(error)


def _lost(cause: BaseException | None = None) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's would interrupt the message
    raise ProcessLost(LOST) from cause
