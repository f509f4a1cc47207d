"""The types of the settings in sections, such as ``train.updates``.

The values are in the YAML files of ``conf/``. Fields have no default here, except those that were
added in later versions: their default is the value that earlier runs were made with.
"""

from dataclasses import dataclass, field
from typing import Any

from omegaconf import MISSING

from gammvae.config.published import AboutConfig


@dataclass
class DatasetConfig:
    """The data; ``loader`` names a function that returns a ``Dataset``."""

    name: str = MISSING
    n_clusters: Any = MISSING  # as ``Config.n_clusters``
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
    missing: str = "refuse"
    categorical: str = "refuse"
    network: str | None = None
    about: AboutConfig = field(default_factory=AboutConfig)


@dataclass
class ModelConfig:
    """How clusters are found, and the family of prior and posterior.

    ``method`` names a file in ``gammvae/training/methods``, which defines the stages of the run.
    ``latents`` names the user's own family. The last six fields are options of some methods only.
    """

    name: str = MISSING
    family: str = MISSING
    reparameterization: str = MISSING
    gain: float | None = None
    latents: dict[str, Any] | None = None
    method: str = "mixture"
    space: str = "code"
    covariance: str | None = None
    components: int | None = None
    starts: int | None = None
    center_rate: float | None = None
    peer: dict[str, Any] | None = None

    def options(self) -> dict[str, Any]:
        """The options of some methods only, by name."""
        names = "space", "covariance", "components", "starts", "center_rate", "peer"
        return {name: getattr(self, name) for name in names}

    @property
    def on_samples(self) -> bool:
        """Whether samples are clustered, as they are or projected, so that no network is needed."""
        return self.space in ("samples", "samples_umap")

    @property
    def has_mixture(self) -> bool:
        """Whether the prior is a mixture, as generating samples and predicting clusters require."""
        return self.method == "mixture"


@dataclass
class ArchitectureConfig:
    """Layers of the encoder, which the decoder mirrors, their first weights, and their units.

    ``layers`` names the user's own, in place of ``hidden`` (with ``batch_norm``) and ``channels``.
    """

    name: str = MISSING
    hidden: list[int] | None = MISSING
    channels: list[int] = MISSING
    latent_dim: int = MISSING
    units: str = "auto"
    weights: str = "glorot"
    batch_norm: bool = False
    decoder_gain: float = 10.0
    layers: dict[str, Any] | None = None


@dataclass
class OptimizerConfig:
    """A class of ``torch.optim`` with its ``arguments``, learning rates and gradient clipping."""

    name: str = MISSING
    lr: float | None = MISSING
    mixture_lr: float | None = MISSING
    schedule: str = MISSING
    warmup: float = 0.1
    step_factor: float = 0.9
    step_epochs: int = 10
    step_updates: int | None = None
    step_floor: float = 0.0
    clip_grad_norm: float | None = MISSING
    arguments: dict[str, Any] = MISSING


@dataclass
class AugmentationConfig:
    """Largest random changes of the encoder's input; ``noise``: share of features replaced.

    ``change`` names the user's own.
    """

    name: str = MISSING
    degrees: float = MISSING
    translate: float = MISSING
    scale: float = MISSING
    shear: float = MISSING
    noise: float = MISSING
    change: dict[str, Any] | None = None


@dataclass
class InitConfig:
    """How the mixture is initialized."""

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
    """A stage of training, whose length is given by ``epochs`` or by about ``updates`` steps."""

    epochs: int | None = MISSING
    updates: int | None = MISSING
    kl_weight: float = MISSING
    kl_schedule: str = MISSING
    augment: bool = MISSING


@dataclass
class LayersConfig:
    """How long each layer is pretrained with its mirror in the decoder, before all together.

    Layers are not trained one by one where neither ``epochs`` nor ``updates`` is given.
    """

    epochs: int | None = None
    updates: int | None = None
    dropout: float = 0.0

    @property
    def given(self) -> bool:
        """Whether layers are trained one by one."""
        return bool(self.updates if self.epochs is None else self.epochs)


@dataclass
class PretrainConfig(StageConfig):
    """The stage that trains the autoencoder; ``loss`` is what it minimizes."""

    loss: str = "likelihood"
    layers: LayersConfig = field(default_factory=LayersConfig)


@dataclass
class TrainConfig(StageConfig):
    """The stage that trains all parameters; ``q(c|x)`` is held in the share ``anchored`` of it.

    ``targets_every`` and ``tolerance`` are of methods that train toward their own assignments.
    """

    anchored: float = MISSING
    rounds: int = MISSING
    agreement: float = MISSING
    targets_every: Any = None  # a number of steps or a word
    tolerance: float | None = None
    optimizer: OptimizerConfig | None = None
