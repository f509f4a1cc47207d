"""Settings that are valid only separately."""

from operator import attrgetter
from typing import TYPE_CHECKING

from gammvae.config.ranges import CODE, OWN, REPARAMETERIZATIONS
from gammvae.errors import InputError

if TYPE_CHECKING:
    from gammvae.config.schema import Config


def check_conflicts(config: "Config") -> None:
    """Refuses combinations of settings that are valid only separately."""
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
    if config.pretrain.loss == "squared_error" and config.pretrain.kl_weight:
        raise InputError(
            f"pretrain.kl_weight={config.pretrain.kl_weight} does not go with "
            "pretrain.loss=squared_error, which draws nothing: it must be 0"
        )
    if "_target_" not in config.dataset.loader:
        raise InputError(
            f"dataset.loader={config.dataset.loader} names no function: it must have a _target_"
        )


def check_code(config: "Config") -> None:
    """Refuses functions of the user that name none, or that other settings leave without use."""
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
