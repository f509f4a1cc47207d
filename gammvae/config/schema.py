"""The type of all settings together, and rules that involve several of them."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from omegaconf import MISSING

import gammvae.config.by_dataset  # noqa: F401 - registers what experiments use
from gammvae.config.ranges import CODE, OWN, REPARAMETERIZATIONS, RULES
from gammvae.config.sections import (
    ArchitectureConfig,
    AugmentationConfig,
    DatasetConfig,
    InitConfig,
    ModelConfig,
    OptimizerConfig,
    PretrainConfig,
    TrainConfig,
)
from gammvae.errors import InputError


@dataclass
class Config:
    """All settings of ``gammvae train``, which the files of ``conf/`` describe.

    A default here is the value that runs of versions without the setting were made with.

    ``n_clusters`` is a number, or a text until the data have chosen one; see ``candidates``.
    """

    dataset: DatasetConfig = MISSING
    model: ModelConfig = MISSING
    architecture: ArchitectureConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    augmentation: AugmentationConfig = MISSING
    init: InitConfig = MISSING
    pretrain: PretrainConfig = MISSING
    train: TrainConfig = MISSING
    n_clusters: Any = MISSING
    preprocess: str = MISSING
    batch_size: int = MISSING
    seed: int = MISSING
    device: str = MISSING
    precision: str = MISSING
    compile: bool | str = False
    output_root: str = MISSING
    run_dir: str | None = MISSING
    pretrained: str | None = None
    overwrite: bool = MISSING
    report: bool = False
    tracking: str = "none"
    tracking_folder: str = "."
    tracking_project: str = "gammvae"
    score_every: int = 0

    def __post_init__(self) -> None:
        for key, rule in RULES.items():
            section, _, name = key.rpartition(".")
            owner = attrgetter(section)(self) if section else self
            if owner is None:  # a section that is not given
                continue
            if not rule.holds(value := getattr(owner, name)):
                shown = f'"{value}"' if isinstance(value, str) and value.isdecimal() else value
                raise InputError(f"{key}={shown} is out of range: it must be {rule.text}")
        check_conflicts(self)


def check_conflicts(config: Config) -> None:
    """Refuses combinations of settings that are valid only separately.

    Raises:
        InputError: There is one.
    """
    model, init = config.model, config.init
    if model.reparameterization not in REPARAMETERIZATIONS[model.family]:
        raise InputError(
            f"model.reparameterization={model.reparameterization} is unknown: for "
            f"model.family={model.family} it must be one of "
            + ", ".join(REPARAMETERIZATIONS[model.family])
        )
    if model.family != "gamma" and model.gain is not None:
        raise InputError(
            f"model.gain={model.gain} must be null for model.family={model.family}: it says how "
            "asymmetric Gamma distributions are"
        )
    architecture = config.architecture
    if architecture.layers is None and (architecture.hidden != []) == bool(architecture.channels):
        raise InputError(
            f"architecture.hidden={architecture.hidden} does not go with architecture.channels="
            f"{architecture.channels}: exactly one of them must be given and not be empty"
        )
    if architecture.batch_norm and architecture.hidden == []:
        raise InputError(
            "architecture.batch_norm=true goes with architecture.hidden only, which is []"
        )
    if architecture.batch_norm and config.batch_size < 3:
        raise InputError(
            f"batch_size={config.batch_size} does not go with architecture.batch_norm=true: it "
            "must be at least 3"
        )
    check_code(config)
    if (init.start == "labels") != (init.labels is not None):
        raise InputError(
            f"init.labels={init.labels} does not go with init.start={init.start}: "
            "init.labels must be given if and only if init.start=labels"
        )
    check_pretraining(config)
    if "_target_" not in config.dataset.loader:
        raise InputError(
            f"dataset.loader={config.dataset.loader} names no function: it must have a _target_"
        )


def check_pretraining(config: Config) -> None:
    """Refuses combinations of settings of pretraining.

    Raises:
        InputError: There is one.
    """
    pretrain, layers = config.pretrain, config.pretrain.layers
    if pretrain.loss != "likelihood" and pretrain.kl_weight:
        raise InputError(
            f"pretrain.kl_weight={pretrain.kl_weight} does not go with "
            f"pretrain.loss={pretrain.loss}, which draws nothing: it must be 0"
        )
    if layers.dropout and not layers.given:
        raise InputError(
            f"pretrain.layers.dropout={layers.dropout} must be 0 unless pretrain.layers.epochs or "
            "pretrain.layers.updates is above 0, with which layers are trained one by one"
        )
    if layers.given and config.architecture.hidden == []:
        raise InputError(
            "layers cannot be trained one by one where architecture.hidden=[]: add "
            "pretrain.layers.epochs=0 pretrain.layers.dropout=0"
        )


def check_code(config: Config) -> None:
    """Refuses functions of the user that name none, or that other settings leave without use.

    Raises:
        InputError: There is one.
    """
    model, architecture = config.model, config.architecture
    for key in CODE:
        value = attrgetter(key)(config)
        if value is not None and not isinstance(value.get("_target_"), str):
            raise InputError(f"{key}={value} names no function: it must have a _target_")
    if (model.latents is not None) != (model.family == OWN):
        raise InputError(
            f"model.latents={model.latents} does not go with model.family={model.family}: "
            f"model.latents must be given if and only if model.family={OWN}"
        )
    if (model.peer is not None) != (model.method == OWN):
        raise InputError(
            f"model.peer={model.peer} does not go with model.method={model.method}: "
            f"model.peer must be given if and only if model.method={OWN}"
        )
    if architecture.layers is not None and (architecture.hidden != [] or architecture.channels):
        raise InputError(
            f"architecture.layers={architecture.layers} does not go with architecture.hidden="
            f"{architecture.hidden} and architecture.channels={architecture.channels}: both must "
            "be []"
        )
