"""Compiles the loss of a batch with ``torch.compile``, where that saves more time than it takes.

Compiled, hundreds of small operations become a few large ones. The first run of a shape waits for
the C++ compiler, up to half a minute; the results are kept for later runs. Random draws are those
of the plain loss, and figures differ only by rounding. ``scripts/benchmark_speed.py`` measures it.
"""

import logging
import os
import shutil
import sys
from typing import Any

import torch

from gammvae.model.vae import MixtureVAE
from gammvae.training.objective import Batch, Loss, Outcome, batch_loss

log = logging.getLogger(__name__)

# With compile=auto, a stage of this many steps is compiled, if on the processor. A step of MNIST's
# size saves some 4 ms, so that they are 20 seconds.
STEPS = 5_000


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


class CompiledLoss:
    """A loss, compiled for batches of one size; smaller ones are computed uncompiled.

    Args:
        size: Number of samples ``B`` of a full batch.
        plain: The loss.
    """

    def __init__(self, size: int, plain: Loss = batch_loss) -> None:
        self.size = size
        torch._dynamo.reset()  # what is compiled for the models of earlier runs
        logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
        options: dict[str, Any] = {"fallback_random": True}  # the draws of the plain loss
        log.info("compile: the first steps wait for the compiler, up to half a minute")
        self.plain = self.loss = plain
        try:
            self.loss = torch.compile(plain, dynamic=False, options=options)
        except OSError as error:
            self._go_on_without(error)

    def __call__(self, model: MixtureVAE, batch: Batch) -> Outcome:
        """The loss of a batch, and figures of it."""
        if len(batch.samples) != self.size:
            return self.plain(model, batch)
        try:
            return self.loss(model, batch)
        except (torch._dynamo.exc.TorchDynamoException, OSError) as error:
            self._go_on_without(error)
            return self.plain(model, batch)

    def _go_on_without(self, error: Exception) -> None:
        # of all that torch and the compiler say, what the compiler calls an error
        lines = [line for line in str(error).splitlines() if not line.endswith("raised:")]
        cause = next((line for line in lines if "error:" in line), lines[0])
        log.warning("compile: training goes on without, because of %s", cause.strip())
        self.loss = self.plain
