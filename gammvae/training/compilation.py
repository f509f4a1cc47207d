"""Compiles the steps of a stage with ``torch.compile``, where that saves more time than it takes.

Compiled, hundreds of small operations become a few large ones. The first run of a shape waits for
the C++ compiler, up to half a minute; the results are kept for later runs. Random draws are those
of the plain steps, and figures differ only by rounding. ``scripts/benchmark_speed.py`` measures it.
"""

import logging
import os
import shutil
import sys
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import torch

from gammvae.model.vae import MixtureVAE
from gammvae.training.objective import Batch, Loss, Outcome

log = logging.getLogger(__name__)

# With compile=auto, a stage of this many steps is compiled, if on the processor. A step of MNIST's
# size saves 5 ms or more, so that they are 25 seconds.
STEPS = 5_000

# Random draws are those of the plain function.
OPTIONS: dict[str, Any] = {"fallback_random": True}
# How often torch may compile one function; layers that are trained one by one share theirs.
MOST_COMPILED = 256

Inputs = ParamSpec("Inputs")
Result = TypeVar("Result")


def is_compiled(wanted: bool | str, device: torch.device, n_steps: int) -> bool:
    """Whether a stage is to be compiled.

    Args:
        wanted: The setting ``compile``.
        device: Device of the run. On a GPU, ``auto`` does not compile.
        n_steps: Number of steps of the whole stage, so that a resumed stage decides alike.
    """
    if wanted != "auto":
        return bool(wanted)
    return device.type == "cpu" and n_steps >= STEPS and has_compiler()


def has_compiler() -> bool:
    """Whether the C++ compiler is there that torch calls."""
    usual = "clang++" if sys.platform == "darwin" else "g++"
    return shutil.which(os.environ.get("CXX", usual)) is not None


class Compilation:
    """What is compiled for a run. After the first failure, nothing is."""

    def __init__(self) -> None:
        torch._dynamo.reset()  # what is compiled for the models of earlier runs
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
        self.failed = False
        log.info("compile: the first steps wait for the compiler, up to half a minute")

    def fail(self, error: Exception) -> None:
        """Logs why the run goes on without."""
        self.failed = True
        # of all that torch and the compiler say, what the compiler calls an error
        lines = [line for line in str(error).splitlines() if not line.endswith("raised:")]
        cause = next((line for line in lines if "error:" in line), lines[0])
        log.warning("compile: training goes on without, because of %s", cause.strip())


class Compiled(Generic[Inputs, Result]):
    """A function, compiled when it is first called, or the plain one if that fails.

    Args:
        plain: The function.
        compilation: What is compiled for the run.
    """

    def __init__(self, plain: Callable[Inputs, Result], compilation: Compilation) -> None:
        self.plain, self.compilation = plain, compilation
        self.compiled: Callable[Inputs, Result] | None = None

    def __call__(self, *args: Inputs.args, **kwargs: Inputs.kwargs) -> Result:
        """The result of the function."""
        if not self.compilation.failed:
            try:
                if self.compiled is None:
                    self.compiled = torch.compile(self.plain, dynamic=False, options=OPTIONS)
                    with torch._dynamo.config.patch(recompile_limit=MOST_COMPILED):
                        return self.compiled(*args, **kwargs)
                return self.compiled(*args, **kwargs)
            except (torch._dynamo.exc.TorchDynamoException, OSError) as error:
                self.compilation.fail(error)
        return self.plain(*args, **kwargs)


class CompiledLoss:
    """A loss, compiled for batches of one size; smaller ones are computed uncompiled.

    Args:
        size: Number of samples ``B`` of a full batch.
        plain: The loss.
        compilation: What is compiled for the run.
    """

    def __init__(self, size: int, plain: Loss, compilation: Compilation) -> None:
        self.size, self.plain = size, plain
        self.compiled = Compiled(plain, compilation)

    def __call__(self, model: MixtureVAE, batch: Batch) -> Outcome:
        """The loss of a batch, and figures of it."""
        loss = self.compiled if len(batch.samples) == self.size else self.plain
        return loss(model, batch)
