"""The types of a configuration, its ranges and the rules between its fields.

Values live in the YAML files of ``conf/``; fields here are without a default, but for those that
came later, which have the value that stored runs were made with.
"""

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, cast

from hydra.errors import OverrideParseException
from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gammvae.config import overrides
from gammvae.config.published import AboutConfig
from gammvae.config.ranges import REPARAMETERIZATIONS, RULES
from gammvae.errors import InputError


@dataclass
class DatasetConfig:
    """Where the samples come from; ``loader`` names a function that returns a ``Dataset``."""

    name: str = MISSING
    n_clusters: int = MISSING
    likelihood: str = MISSING
    preprocess: str = MISSING
    root: str = MISSING
    cache: str = MISSING
    download: bool = MISSING
    mirror: str | None = MISSING
    loader: dict[str, Any] = MISSING
    path: str | None = MISSING
    array: str | None = MISSING
    labels: str | None = MISSING
    drop: list[str] = MISSING
    shape: list[int] | None = MISSING
    header: bool | None = None
    index: str | None = "counting"
    channels: str | None = "first"
    about: AboutConfig = field(default_factory=AboutConfig)


@dataclass
class ModelConfig:
    """The family of prior and posterior, and how the posterior is sampled.

    A ``clusterer`` takes the place of a mixture that is trained with the networks: it is fitted
    once to the samples, to the code or to a map of it, or trains the encoder by its own guesses.
    """

    name: str = MISSING
    family: str = MISSING
    reparameterization: str = MISSING
    clusterer: str | None = None
    space: str = "code"
    covariance: str | None = None
    components: int | None = None


@dataclass
class ArchitectureConfig:
    """Encoder widths or convolutions (the decoder mirrors them) and the latent size."""

    name: str = MISSING
    hidden: list[int] = MISSING
    channels: list[int] = MISSING
    latent_dim: int = MISSING


@dataclass
class OptimizerConfig:
    """A class of ``torch.optim`` with its ``arguments``, and what goes around it."""

    name: str = MISSING
    lr: float = MISSING
    mixture_lr: float = MISSING
    schedule: str = MISSING
    clip_grad_norm: float | None = MISSING
    arguments: dict[str, Any] = MISSING


@dataclass
class AugmentationConfig:
    """Largest random changes of the encoder's input; ``noise``: features swapped."""

    name: str = MISSING
    degrees: float = MISSING
    translate: float = MISSING
    scale: float = MISSING
    shear: float = MISSING
    noise: float = MISSING


@dataclass
class InitConfig:
    """How the mixture starts."""

    start: str = MISSING
    n_init: int = MISSING
    n_neighbors: int = MISSING
    resolution: float | None = MISSING
    doublings: int = MISSING
    halvings: int = MISSING
    stability: float = MISSING
    covariances: float | None = MISSING
    labels: str | None = MISSING
    max_samples: int = MISSING
    max_iter: int = MISSING
    tol: float = MISSING


@dataclass
class StageConfig:
    """A stage of training: ``epochs``, or as many as make about ``updates`` optimizer steps."""

    epochs: int | None = MISSING
    updates: int = MISSING
    kl_weight: float = MISSING
    kl_schedule: str = MISSING
    augment: bool = MISSING


@dataclass
class TrainConfig(StageConfig):
    """The stage that trains everything; ``anchored`` is the share of it that holds ``q(c|x)``."""

    anchored: float = MISSING
    rounds: int = MISSING
    agreement: float = MISSING


@dataclass
class Config:
    """All of ``gammvae train``; see ``conf/train.yaml`` for the values and their reasons."""

    dataset: DatasetConfig = MISSING
    model: ModelConfig = MISSING
    architecture: ArchitectureConfig = MISSING
    optimizer: OptimizerConfig = MISSING
    augmentation: AugmentationConfig = MISSING
    init: InitConfig = MISSING
    pretrain: StageConfig = MISSING
    train: TrainConfig = MISSING
    n_clusters: int = MISSING
    preprocess: str = MISSING
    batch_size: int = MISSING
    seed: int = MISSING
    device: str = MISSING
    precision: str = MISSING
    output_root: str = MISSING
    run_dir: str | None = MISSING
    pretrained: str | None = None
    overwrite: bool = MISSING
    report: bool = False
    tracking: str = "none"

    def __post_init__(self) -> None:
        for key, rule in RULES.items():
            value = attrgetter(key)(self)
            if not rule.holds(value):
                raise InputError(f"{key}={value} is out of range: it must be {rule.text}")
        check_rules_between_fields(self)


# What may differ between two calls that compute the same run. That the data are the same is
# decided by their digest.
VOLATILE = (
    *(f"dataset.{name}" for name in ("root", "cache", "download", "mirror", "about")),
    *(f"dataset.{name}" for name in ("header", "index", "channels")),
    *("device", "output_root", "run_dir", "pretrained", "overwrite", "report", "tracking"),
)


def check_rules_between_fields(config: Config) -> None:
    """Refuses values that are fine alone and not together."""
    model, init = config.model, config.init
    if model.reparameterization not in REPARAMETERIZATIONS[model.family]:
        raise InputError(
            f"model.reparameterization={model.reparameterization} is unknown: for "
            f"model.family={model.family} it must be one of "
            + ", ".join(REPARAMETERIZATIONS[model.family])
        )
    if (model.clusterer == "gmm") != (model.covariance is not None):
        raise InputError(
            f"model.covariance={model.covariance} does not go with model.clusterer="
            f"{model.clusterer}: it is given exactly for gmm"
        )
    if model.clusterer in (None, "dec", "idec") and model.space != "code":
        raise InputError(
            f"model.space={model.space} does not go with model.clusterer={model.clusterer}: "
            "it must be code, because the encoder is trained"
        )
    architecture = config.architecture
    if bool(architecture.hidden) == bool(architecture.channels):
        raise InputError(
            f"architecture.hidden={architecture.hidden} does not go with architecture.channels="
            f"{architecture.channels}: exactly one of them is a list of one or more layers"
        )
    if (init.start == "labels") != (init.labels is not None):
        raise InputError(
            f"init.labels={init.labels} does not go with init.start={init.start}: "
            "a file of labels is given exactly when the start is labels"
        )
    if "_target_" not in config.dataset.loader:
        raise InputError(
            f"dataset.loader={config.dataset.loader} names no function: it must have a _target_"
        )


def to_config(*layers: Any) -> Config:  # noqa: ANN401 - OmegaConf's many kinds of mapping
    """The typed configuration from untyped mappings, later ones over earlier ones.

    Raises:
        InputError: A key is unknown, or a value is missing, of another type or out of its range.
    """
    try:
        # through plain containers, so that a key added with + is checked like any other
        plain = [
            literal(OmegaConf.to_container(layer, resolve=True))
            if OmegaConf.is_config(layer)
            else layer
            for layer in layers
        ]
        merged = OmegaConf.merge(OmegaConf.structured(Config), *plain)
        return cast(Config, OmegaConf.to_object(merged))
    except OmegaConfBaseException as error:
        raise InputError(explain(error)) from error


# Names that loaders had when runs were stored, and what they are called now.
MOVED_LOADERS = {
    **{
        f"gammvae.benchmarks.{name}": f"gammvae.data.benchmarks.{name}"
        for name in ("digits", "idx_images", "usps", "hhar")
    },
    "gammvae.files.load": "gammvae.data.files.load",
    "gammvae.rcv1.reuters10k": "gammvae.data.rcv1.reuters10k",
    "gammvae.stl10.stl10": "gammvae.data.stl10.stl10",
}


def from_stored(tree: dict[str, Any]) -> Config:
    """The typed configuration from what a run's folder says, every text taken as it stands.

    What is published of a dataset is not taken from there: see ``reuse``.

    Raises:
        InputError: A key is unknown, or a value is missing, of another type or out of its range.
    """
    dataset = tree.get("dataset")
    if isinstance(dataset, dict):
        dataset = {**dataset, "about": {}}
        loader = dataset.get("loader")
        if isinstance(loader, dict) and (now := MOVED_LOADERS.get(str(loader.get("_target_")))):
            dataset["loader"] = {**loader, "_target_": now}
        tree = {**tree, "dataset": dataset}
    return to_config(literal(tree))


def literal(value: Any) -> Any:  # noqa: ANN401 - of any type that YAML has
    """The same tree, in whose texts OmegaConf finds nothing to interpolate."""
    if isinstance(value, dict):
        return {key: literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [literal(item) for item in value]
    return overrides.literal(value) if isinstance(value, str) else value


def identity(config: Config) -> dict[str, Any]:
    """The configuration as flat keys and values, without what cannot change the result."""
    return lasting(dataclasses.asdict(config))


def lasting(tree: dict[str, Any]) -> dict[str, Any]:
    """A nested configuration as ``identity`` has it."""
    return {
        key: value
        for key, value in flatten(tree)
        if not f"{key}.".startswith(tuple(f"{name}." for name in VOLATILE))
    }


def flatten(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields ``("a.b", value)`` for every leaf of nested dictionaries."""
    for name, value in tree.items():
        if isinstance(value, dict) and value:
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def options(key: str) -> list[str]:
    """The names that may follow ``key`` (``""``: at the top), for messages about unknown ones."""
    node: Any = Config
    for name in filter(None, key.split(".")):
        types = {field.name: field.type for field in dataclasses.fields(node)}
        node = types.get(name)
        if not dataclasses.is_dataclass(node):
            return []
    return sorted(field.name for field in dataclasses.fields(node))


def explain(error: Exception) -> str:
    """An error of Hydra or OmegaConf on one line, with the valid names where one was unknown."""
    text = " ".join(str(error).split())
    if isinstance(error, OverrideParseException):
        key, equals, value = error.override.partition("=")
        items = [item.strip() for item in value[1:-1].split(",")]
        quotable = items if value[:1] + value[-1:] == "[]" else value
        quoted = f"; with quotes it reads {overrides.override(key, quotable)}" if equals else ""
        return f"{error.override} cannot be parsed: {text.partition(' See http')[0]}{quoted}"
    ambiguous = re.match(
        r"Ambiguous value for argument '([^=]+)=(.*)'\s+1\. To use", str(error), re.DOTALL
    )
    if ambiguous:
        key, value = ambiguous.groups()
        return (
            f"{key}={value} stands for several values: {overrides.override(key, value)} is one "
            f"text, {overrides.override(key, value.split(','))} is a list, and -m runs every one"
        )
    # values that refer to each other are given by neither
    missing = re.search(r"Recursive interpolation detected full_key: (\S+)", text)
    if missing:
        key = missing[1].removeprefix("dataset.")
        return f"{key} is missing: {key}=VALUE must be given"
    unknown = re.match(r"Could not override '([^']+)'", text)
    if unknown:
        parent, _, name = unknown[1].rpartition(".")
        if valid := options(parent):
            return f"unknown option {unknown[1]}: {parent or 'train'} has {', '.join(valid)}"
    if error.__cause__ is not None:
        text += ": " + " ".join(str(error.__cause__).split())
    return re.sub(r" (Config search path|full_key|object_type|reference_type).*", "", text)
