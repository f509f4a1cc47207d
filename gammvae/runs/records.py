"""Types and ranges of the fields in the JSON files of a run.

The files may come from an untrusted source: ``parsing`` checks them.
"""

from typing import Annotated, Literal, NotRequired

from pydantic import (
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    TypeAdapter,
    with_config,
)
from typing_extensions import TypedDict

strict = with_config(ConfigDict(strict=True, extra="allow", allow_inf_nan=False))

Share = Annotated[float, Field(ge=0, le=1)]
StageName = Literal["pretrain", "init", "train"]


@strict
class Metrics(TypedDict):
    """The figures of a clustering."""

    acc: NotRequired[Share]
    nmi: NotRequired[Share]
    ari: NotRequired[Annotated[float, Field(ge=-1, le=1)]]
    silhouette: Annotated[float, Field(ge=-1, le=1)] | None
    used_clusters: NonNegativeInt
    assignment_entropy: float
    elbo: NotRequired[float]
    reconstruction: NotRequired[float]
    kl_z: NotRequired[float]
    kl_c: NotRequired[float]
    elbo_unlikely: NotRequired[float]
    elbo_held: NotRequired[float]
    moved: NotRequired[NonNegativeInt]
    acc_held: NotRequired[Share]


@strict
class Versions(TypedDict):
    """Versions of the software that computed a run."""

    python: str
    torch: str
    gammvae: str
    commit: NotRequired[str]


@strict
class Result(TypedDict):
    """Content of ``result.json``."""

    dataset: str
    model: str
    seed: NonNegativeInt
    n_clusters: PositiveInt
    samples: PositiveInt
    features: PositiveInt
    likelihood: Literal["bernoulli", "normal"]
    dataset_digest: str
    dataset_notes: list[str]
    command: NotRequired[str]
    device: str
    machine: NotRequired[str]
    precision: str
    threads: PositiveInt
    processes: NotRequired[PositiveInt]
    versions: Versions
    metrics: Metrics
    seconds: dict[str, NonNegativeFloat]
    epochs: NotRequired[dict[str, NonNegativeInt]]
    steps: NotRequired[dict[str, NonNegativeInt]]
    parameters: NotRequired[NonNegativeInt]
    peak_memory_bytes: NotRequired[dict[str, NonNegativeInt]]


@strict
class Record(TypedDict):
    """A line of ``metrics.jsonl``, about one epoch of a stage."""

    stage: StageName
    epoch: PositiveInt
    seconds: NonNegativeFloat
    steps: NotRequired[PositiveInt]
    layer: NotRequired[PositiveInt]
    reconstruction: NotRequired[float | None]
    kl_z: NotRequired[float | None]
    kl_c: NotRequired[float | None]
    elbo: NotRequired[float | None]
    weights_entropy: NotRequired[float | None]
    assignment_entropy: NotRequired[float | None]
    used_clusters: NotRequired[NonNegativeInt | None]
    acc: NotRequired[Share]
    nmi: NotRequired[Share]
    ari: NotRequired[Annotated[float, Field(ge=-1, le=1)]]


@strict
class Status(TypedDict):
    """Content of ``status.json``, which a failed run has."""

    status: Literal["failed"]
    reason: str


@strict
class Candidate(TypedDict):
    """A number of clusters that was tried; see ``initialization.number``."""

    n_clusters: PositiveInt
    recovery: Share
    weakest: Share
    agreement: Annotated[float, Field(ge=-1, le=1)]
    modularity: float
    silhouette: Annotated[float, Field(ge=-1, le=1)] | None


@strict
class Choice(TypedDict):
    """Content of ``clusters.json``: how the data have chosen the number of clusters."""

    n_clusters: PositiveInt
    supported: bool
    runners_up: list[PositiveInt]
    candidates: Annotated[list[Candidate], Field(min_length=1)]
    samples: PositiveInt
    dataset_digest: str
    seconds: NonNegativeFloat


@strict
class Generation(TypedDict):
    """Content of ``generation.json``: the figures that ``realism.realism`` returns."""

    samples: PositiveInt
    min_posterior: Share
    precision: Share
    recall: Share
    real_precision: Share
    real_recall: Share
    distance: NonNegativeFloat
    real_distance: NonNegativeFloat
    copies: Share
    log_likelihood: float
    log_likelihood_error: NotRequired[NonNegativeFloat]
    draws: PositiveInt
    agreement: NotRequired[Share]
    agreement_by_cluster: NotRequired[list[Share | None]]
    judge_accuracy: NotRequired[Share]


@strict
class Tracked(TypedDict):
    """What a tracker has of a run: the content of ``tracking.json``.

    ``run`` is what ``Tracker.start`` returned, ``sent`` the number of steps that it was told.
    """

    kind: str
    folder: str
    project: str
    run: Annotated[str, Field(pattern=r"^[^\x00-\x1f]*$")]
    sent: NonNegativeInt


@strict
class Named(TypedDict):
    """The part of ``dataset`` or ``model`` in ``config.yaml`` that a table needs."""

    name: str
    path: NotRequired[str | None]
    labels: NotRequired[str | None]


@strict
class Settings(TypedDict):
    """The part of ``config.yaml`` that a table needs; it is the same in all versions."""

    dataset: Named
    model: Named
    seed: NonNegativeInt


RESULT_JSON: TypeAdapter[Result] = TypeAdapter(Result)
RECORD_JSON: TypeAdapter[Record] = TypeAdapter(Record)
STATUS_JSON: TypeAdapter[Status] = TypeAdapter(Status)
CHOICE_JSON: TypeAdapter[Choice] = TypeAdapter(Choice)
GENERATION_JSON: TypeAdapter[Generation] = TypeAdapter(Generation)
TRACKED_JSON: TypeAdapter[Tracked] = TypeAdapter(Tracked)
SETTINGS_YAML: TypeAdapter[Settings] = TypeAdapter(Settings)
DIGESTS_JSON: TypeAdapter[dict[str, str]] = TypeAdapter(
    dict[str, Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]],
    config=ConfigDict(strict=True),
)
