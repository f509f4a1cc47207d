"""Records a training step on a GPU as a CUDA graph, which later steps replay.

A step is some 400 small operations. Launched one by one they keep the processor busy for eight
times as long as they take on the GPU; as a graph, one launch runs them all. Random draws are those
of the plain step, and nothing else changes either: a graph repeats operations, not their results.
``scripts/benchmark_gpu.py`` measures it.

References:
    CUDA semantics: CUDA graphs, https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import SGD, Optimizer

from gammvae.training.objective import Outcome

log = logging.getLogger(__name__)

# Steps before one is recorded, in which libraries choose their kernels and the optimizer makes its
# moments.
PLAIN_STEPS = 3

Inputs = tuple[Tensor | None, ...]
Step = Callable[..., Outcome]


def is_recorded(compile_setting: bool | str, device: torch.device, optimizer: Optimizer) -> bool:
    """Whether the steps of a stage are to be recorded.

    Args:
        compile_setting: The setting ``compile``; only ``false`` forbids it.
        device: Device of the run.
        optimizer: It must be able to read its learning rate from the GPU.
    """
    groups = optimizer.param_groups
    able = all(
        group.get("capturable") or (isinstance(optimizer, SGD) and group["fused"])
        for group in groups
    )
    return device.type == "cuda" and compile_setting is not False and able


class Recording(NamedTuple):
    """A recorded step.

    Attributes:
        graph: The operations.
        inputs: Where the graph reads its inputs.
        outcome: Where it leaves the outcome, until the next step.
    """

    graph: torch.cuda.CUDAGraph
    inputs: Inputs
    outcome: Outcome


class RecordedStep:
    """A training step that is recorded once for every kind of inputs, and replayed.

    A step that cannot be recorded, because it waits for the GPU, goes on as it is.

    Args:
        step: Changes the weights by the gradient of a batch. Its inputs are tensors or ``None``.
    """

    def __init__(self, step: Step) -> None:
        self.step, self.can_be_recorded = step, True
        self.stream = torch.cuda.Stream()
        self.done: dict[Any, int] = {}
        self.recordings: dict[Any, Recording] = {}

    def __call__(self, *inputs: Tensor | None) -> Outcome:
        """Takes a step; the outcome stays as it is until the next one."""
        kind = tuple(None if given is None else (given.shape, given.dtype) for given in inputs)
        done = self.done[kind] = self.done.get(kind, 0) + 1
        if self.can_be_recorded and done == PLAIN_STEPS + 1:
            self._try_to_record(kind, inputs)
        if kind not in self.recordings:
            return self._plainly(inputs)
        graph, places, outcome = self.recordings[kind]
        for place, given in zip(places, inputs, strict=True):
            if place is not None and given is not None:
                place.copy_(given)
        graph.replay()
        return outcome

    def _plainly(self, inputs: Inputs) -> Outcome:
        """Takes a step on another stream than the default one, as a recording wants it before."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            outcome = self.step(*inputs)
        torch.cuda.current_stream().wait_stream(self.stream)
        return outcome._replace(loss=outcome.loss.detach())

    def _try_to_record(self, kind: Any, inputs: Inputs) -> None:  # noqa: ANN401
        """Records the step, without taking it."""
        places = tuple(None if given is None else given.clone() for given in inputs)
        graph = torch.cuda.CUDAGraph()
        pool = next((other.graph.pool() for other in self.recordings.values()), None)
        try:
            with torch.cuda.graph(graph, pool=pool):
                outcome = self.step(*places)
        except RuntimeError as error:
            cause = str(error).splitlines()[0]
            log.warning("steps are not recorded as a CUDA graph, because of %s", cause)
            self.can_be_recorded = False
            return
        # the loss without the operations that led to it, which would be kept
        outcome = outcome._replace(loss=outcome.loss.detach())
        self.recordings[kind] = Recording(graph, places, outcome)


class Rates:
    """The learning rates of an optimizer's groups, which change from step to step.

    Recorded steps read them from the GPU.

    Args:
        optimizer: Its groups have their initial rates as ``initial_lr``.
        device: Where recorded steps read the rates; ``None`` if steps are not recorded.
    """

    def __init__(self, optimizer: Optimizer, device: torch.device | None) -> None:
        self.groups: Sequence[dict[str, Any]] = optimizer.param_groups
        self.places: list[Tensor] = []
        if device is not None:
            self.places = [torch.zeros((), device=device) for _ in self.groups]

    def set(self, factor: float) -> None:
        """Sets every rate to a multiple of its initial value."""
        self.as_numbers(factor)
        for place, group in zip(self.places, self.groups, strict=False):
            group["lr"] = place.fill_(group["lr"])

    def as_numbers(self, factor: float) -> None:
        """Like ``set``, but as they are stored with the optimizer."""
        for group in self.groups:
            group["lr"] = group["initial_lr"] * factor
