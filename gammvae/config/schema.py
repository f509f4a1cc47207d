"""The types of a configuration, its ranges and the rules between its fields.

Values live in the YAML files of ``conf/``; fields here are without a default, but for those that
came later, which have the value that stored runs were made with.
"""

from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from omegaconf import MISSING

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
    """How clusters are found, and the family of prior and posterior.

    ``method`` names a file of ``gammvae/training/methods``, which has the stages of the run. The
    last three fields are options of methods that are fitted once to samples or to a code.
    """

    name: str = MISSING
    family: str = MISSING
    reparameterization: str = MISSING
    method: str = "mixture"
    space: str = "code"
    covariance: str | None = None
    components: int | None = None

    @property
    def has_mixture(self) -> bool:
        """Whether the model's prior is a mixture, to draw samples from and to compare them with."""
        return self.method == "mixture"


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


def check_rules_between_fields(config: Config) -> None:
    """Refuses values that are fine alone and not together."""
    model, init = config.model, config.init
    if model.reparameterization not in REPARAMETERIZATIONS[model.family]:
        raise InputError(
            f"model.reparameterization={model.reparameterization} is unknown: for "
            f"model.family={model.family} it must be one of "
            + ", ".join(REPARAMETERIZATIONS[model.family])
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
