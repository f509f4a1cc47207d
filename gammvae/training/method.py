"""The interface of the files in ``training/methods``, and how the configuration chooses one."""

import importlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Protocol

from gammvae.config.ranges import OF_BATCH
from gammvae.config.schema import Config
from gammvae.config.sections import ModelConfig
from gammvae.errors import InputError
from gammvae.evaluation.assignments import Assigner, Assignments
from gammvae.system.processes import count
from gammvae.training.workspace import Workspace

# Methods that train jointly, toward targets that are computed now and then, and others.
WITH_TARGETS, WITHOUT_TARGETS = ("dec", "idec"), ("mixture", "dcn")


class Method(Protocol):
    """A clustering method; every run has its own instance."""

    def stages(self) -> Sequence[Callable[[], None]]:
        """The stages of a run, in order. A stage whose outcome is already stored does nothing."""

    def restore(self) -> None:
        """Restores the final state of a finished run, for its figures and its report.

        Raises:
            InputError: The stored state is missing, damaged, or of other data.
        """

    def assigner(self) -> Assigner:
        """Assigns any samples like those of the run, once the stages are done; can be pickled."""

    def evaluate(self, keep: Callable[[Assignments], None]) -> dict[str, Any]:
        """Assigns all samples, and returns the figures of this clustering.

        Args:
            keep: Function that receives the assignments in the dataset's order, a chunk at a time.
        """


def method_of(config: Config) -> Callable[[Workspace], Method]:
    """The function ``method`` of the file that ``model.method`` names.

    Raises:
        InputError: An option of ``model`` is set that this method does not have, or a setting does
            not go with it or with several processes.
    """
    module = importlib.import_module(f"gammvae.training.methods.{config.model.method}")
    check_options(config.model, module)
    check_targets(config)
    if count() > 1 and not config.model.on_samples:
        check_parts_of_batches(config)
    return module.method


def check_parts_of_batches(config: Config) -> None:
    """Refuses what is computed from whole batches, of which several processes have a part each.

    Raises:
        InputError: Such a setting is given.
    """
    dropout = config.pretrain.layers.dropout
    needing = {
        "architecture.batch_norm=true": config.architecture.batch_norm,
        f"train.targets_every={OF_BATCH}": config.train.targets_every == OF_BATCH,
        f"pretrain.layers.dropout={dropout}": dropout > 0,
    }
    for setting, given in needing.items():
        if given:
            raise InputError(
                f"{setting} needs whole batches, and each of {count()} processes has a part of "
                "every batch: start one process"
            )


def check_targets(config: Config) -> None:
    """Refuses settings of targets in joint training that has none, or none of all samples.

    Methods without joint training ignore all of its settings.

    Raises:
        InputError: Such a setting is given.
    """
    train = config.train
    with_targets = config.model.method in WITH_TARGETS
    if with_targets and train.targets_every == OF_BATCH and train.tolerance is not None:
        raise InputError(
            f"train.tolerance={train.tolerance} does not go with train.targets_every={OF_BATCH}, "
            "which compares no targets of all samples: it must be null"
        )
    if config.model.method not in WITHOUT_TARGETS:
        return
    for name in ("targets_every", "tolerance"):
        if (value := getattr(train, name)) is not None:
            raise InputError(
                f"train.{name}={value} does not go with model={config.model.name}, which has no "
                "targets: it must be null"
            )


def check_options(model: ModelConfig, module: ModuleType) -> None:
    """Refuses options of other methods, which ``OPTIONS`` in the method's file does not list.

    Raises:
        InputError: Such an option is set.
    """
    defaults = ModelConfig().options()
    for name, value in model.options().items():
        unset = defaults[name]
        if name not in module.OPTIONS and value != unset:
            raise InputError(
                f"model.{name}={value} does not go with model.method={model.method}: "
                f"it must be {unset or 'null'}"
            )
