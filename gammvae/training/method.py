"""What a file of ``training/methods`` must hold, and how the configuration chooses one."""

import importlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Protocol

from gammvae.config.schema import Config, ModelConfig
from gammvae.errors import InputError
from gammvae.evaluation.assignments import Assignments
from gammvae.training.workspace import Workspace


class Method(Protocol):
    """One way to find clusters, made anew for every run."""

    def stages(self) -> Sequence[Callable[[], None]]:
        """The stages of a run, in order. A stage whose outcome is stored already does nothing."""

    def restore(self) -> None:
        """Brings back what the finished run ended with, for its figures and its report.

        Raises:
            InputError: It is not there, damaged, or of other data.
        """

    def evaluate(self, keep: Callable[[Assignments], None]) -> dict[str, Any]:
        """Assigns all samples, and returns the figures of this clustering.

        Args:
            keep: Is given the assignments in the dataset's order, a chunk at a time.
        """


def method_of(config: Config) -> Callable[[Workspace], Method]:
    """The method that ``model.method`` names: the function ``method`` of its file.

    Raises:
        InputError: An option of ``model`` is set that this method does not have.
    """
    module = importlib.import_module(f"gammvae.training.methods.{config.model.method}")
    check_options(config.model, module)
    return module.method


def check_options(model: ModelConfig, module: ModuleType) -> None:
    """Refuses options that belong to other methods, as ``OPTIONS`` of the method's file says.

    Raises:
        InputError: One is set.
    """
    for name, unset in (("space", "code"), ("covariance", None), ("components", None)):
        value = getattr(model, name)
        if name not in module.OPTIONS and value != unset:
            raise InputError(
                f"model.{name}={value} does not go with model.method={model.method}: "
                f"it must be {unset or 'null'}"
            )
