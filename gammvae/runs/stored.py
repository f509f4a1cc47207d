"""What stands in the files of a run, read once with its types and ranges.

A run may have been made by anybody, so its files are data: nothing in them is executed, looked up
or followed, and what does not fit is refused in one line that names the file.

Letters: ``N`` samples, ``K`` clusters, ``D`` latent features, ``F`` features of the data.
"""

import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypeVar

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import (
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    TypeAdapter,
    ValidationError,
    with_config,
)
from typing_extensions import TypedDict

from gammvae.errors import InputError, reading
from gammvae.memory import memory_of_machine

Content = TypeVar("Content")

# What a program of ours writes as text is far smaller; so deep, or of so many parts, is none of it.
TEXT_BYTES = 2**26
YAML_BYTES, YAML_DEPTH, YAML_NODES, NUMBER_LENGTH = 2**20, 20, 2**17, 40

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


@strict
class Versions(TypedDict):
    """What a run was made with."""

    python: str
    torch: str
    gammvae: str


@strict
class Result(TypedDict):
    """``result.json``."""

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
    precision: str
    threads: PositiveInt
    versions: Versions
    metrics: Metrics
    seconds: dict[str, NonNegativeFloat]
    peak_memory_bytes: NotRequired[dict[str, NonNegativeInt]]


@strict
class Record(TypedDict):
    """A line of ``metrics.jsonl``: an epoch of a stage."""

    stage: StageName
    epoch: PositiveInt
    seconds: NonNegativeFloat
    reconstruction: NotRequired[float | None]
    kl_z: NotRequired[float | None]
    kl_c: NotRequired[float | None]
    elbo: NotRequired[float | None]
    weights_entropy: NotRequired[float | None]
    assignment_entropy: NotRequired[float | None]
    used_clusters: NotRequired[NonNegativeInt | None]


@strict
class Status(TypedDict):
    """``status.json``."""

    status: Literal["failed"]
    reason: str


@strict
class Generation(TypedDict):
    """``generation.json``, the figures of ``realism.realism``."""

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
class Named(TypedDict):
    """Part of a configuration that has a name."""

    name: str
    path: NotRequired[str | None]
    labels: NotRequired[str | None]


@strict
class Settings(TypedDict):
    """What a table must know of ``config.yaml``, of whatever version."""

    dataset: Named
    model: Named
    seed: NonNegativeInt


RESULT: TypeAdapter[Result] = TypeAdapter(Result)
RECORD: TypeAdapter[Record] = TypeAdapter(Record)
STATUS: TypeAdapter[Status] = TypeAdapter(Status)
GENERATION: TypeAdapter[Generation] = TypeAdapter(Generation)
SETTINGS: TypeAdapter[Settings] = TypeAdapter(Settings)
DIGESTS: TypeAdapter[dict[str, str]] = TypeAdapter(
    dict[str, Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]],
    config=ConfigDict(strict=True),
)


def content(path: Path, most: int = TEXT_BYTES) -> bytes:
    """The bytes of an ordinary file that is not larger than ``most``.

    Raises:
        InputError: It is something else, or cannot be read.
    """
    with reading(path):
        check_ordinary(path, most)
        return path.read_bytes()


def check_ordinary(path: Path, most: int | None = None) -> None:
    """Refuses what is no file, such as a pipe that would never end, and what is too large.

    Raises:
        InputError: It is something else, or larger than ``most`` bytes.
        OSError: There is none.
    """
    about = path.stat()
    if not stat.S_ISREG(about.st_mode):
        raise InputError(f"{path} is not a file")
    if most is not None and about.st_size > most:
        raise InputError(f"{path} has {about.st_size:,} bytes: it may have {most:,}")


def parse(kind: TypeAdapter[Content], found: Any, path: Path, line: int = 0) -> Content:  # noqa: ANN401
    """What a file holds, if it is of a kind.

    Args:
        kind: What it must be.
        found: Bytes of JSON, or what was read from them.
        path: Of the file, for messages.
        line: In that file, or 0.

    Raises:
        InputError: It is no JSON, or not of the kind; the message says where and why.
    """
    try:
        is_json = isinstance(found, bytes)
        return kind.validate_json(found) if is_json else kind.validate_python(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        found = "" if first["type"] in ("json_invalid", "missing") else f", not {first['input']!r}"
        where = (f", line {line}" if line else "") + (f": {place}" if place else "")
        raise InputError(f"{path} is damaged{where}: {first['msg']}{found[:80]}") from error


def parse_lines(text: bytes, path: Path) -> list[Record]:
    """All whole lines of metrics; a kill may have cut the last one short.

    Args:
        text: The lines.
        path: Of their file, for messages.

    Raises:
        InputError: They are damaged otherwise.
    """
    lines = text.split(b"\n")[:-1]
    return [parse(RECORD, line, path, number) for number, line in enumerate(lines, start=1)]


def read_yaml(path: Path) -> dict[str, Any]:
    """A mapping that stands in a YAML file, without aliases, tags or interpolation.

    Raises:
        InputError: It cannot be read, is no mapping, or is larger or deeper than any of ours.
    """
    text = content(path, YAML_BYTES)
    with reading(path):
        depth = 0
        for number, event in enumerate(yaml.parse(text, Loader=yaml.SafeLoader)):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent):  # a few of them can stand for any amount
                raise InputError(f"{path} is damaged: it holds the alias *{event.anchor}")
            if isinstance(event, yaml.ScalarEvent) and is_long_number(event):
                raise InputError(
                    f"{path} is damaged: it holds a number of {len(event.value)} digits"
                )
            if depth > YAML_DEPTH or number > YAML_NODES:
                raise InputError(f"{path} is damaged: it is deeper or longer than any of ours")
        found = yaml.safe_load(text)
        if not isinstance(found, dict):
            raise InputError(f"{path} is damaged: it holds no mapping of settings to values")
        return found


def is_long_number(event: yaml.ScalarEvent) -> bool:
    """Whether a scalar is a number that takes longer to read than any of ours."""
    if len(event.value) <= NUMBER_LENGTH or not event.implicit[0]:
        return False
    tag = yaml.resolver.Resolver().resolve(yaml.ScalarNode, event.value, event.implicit)
    return tag in ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")


def read_arrays(path: Path, most: int | None = None) -> dict[str, NDArray]:
    """The arrays of a ``.npz`` file by name.

    Args:
        path: The file.
        most: Bytes that all of them may take; half of the memory by default.

    Raises:
        InputError: It is no such file, or holds pickled objects, or takes more.
    """
    with reading(path):
        check_ordinary(path)
        check_unpacked(path, most)
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)


def check_unpacked(path: Path, most: int | None = None) -> None:
    """Refuses a zip archive that unpacks to too much, or is damaged.

    Args:
        path: The archive.
        most: Bytes that it may unpack to; half of this machine's memory by default.

    Raises:
        InputError: It unpacks to more, or a part does not match its checksum.
        BadZipFile: It is no archive.
    """
    if most is None:
        most = memory_of_machine() // 2
    with zipfile.ZipFile(path) as archive:
        size = sum(info.file_size for info in archive.infolist())
        if size > most:
            raise InputError(f"{path} unpacks to {size:,} bytes: it may have {most:,}")
        if (part := archive.testzip()) is not None:
            raise InputError(f"{path} is damaged: {part} does not match its checksum")


def check_array(
    arrays: Mapping[str, NDArray], name: str, kinds: str, shape: tuple[int | None, ...], path: Path
) -> NDArray:
    """One of some arrays, if it has the right type and shape and is finite.

    Args:
        arrays: By name.
        name: Which.
        kinds: Of numpy's kinds of type, those that are right.
        shape: With ``None`` where any length is.
        path: Of their file, for messages.

    Raises:
        InputError: There is none, or it has not.
    """
    if name not in arrays:
        raise InputError(f"{path} is damaged: it holds no array {name}")
    array = arrays[name]
    lengths = zip(array.shape, shape, strict=False)
    fits = len(array.shape) == len(shape) and all(b in (None, a) for a, b in lengths)
    if array.dtype.kind not in kinds or not fits:
        wanted = "x".join("any" if size is None else str(size) for size in shape)
        raise InputError(
            f"{path} is damaged: {name} is of type {array.dtype} and shape {array.shape}, "
            f"not of kind {kinds} and shape {wanted or 'of a single value'}"
        )
    if array.dtype.kind in "fc" and not np.isfinite(array).all():
        raise InputError(f"{path} is damaged: {name} holds a value that is not finite")
    return array
