"""The ``key=value`` settings of the commands that use a finished run.

Descriptions are wanted at once, by the shell's completion, so what parses the values is imported
where it is needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, TypeVar, cast, get_type_hints

from gammvae.config.overrides import escape_interpolations, override
from gammvae.config.ranges import MOST_CLUSTERS, MOST_SEED, MOST_WIDTH, TRACKERS
from gammvae.config.rules import Rule, at_least, between, one_of, optional, positive
from gammvae.errors import InputError, nearest
from gammvae.search.names import OBJECTIVES

Kind = TypeVar("Kind", bound="Settings")

OVERWRITE = "whether out replaces a file that exists"


def about(text: str, default: Any) -> Any:  # noqa: ANN401 - of any field's type
    """A dataclass field with a description.

    Args:
        text: Description of the setting.
        default: Default value, or a function that returns it.
    """
    metadata = {"text": text}
    if callable(default):
        return field(default_factory=default, metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class Settings:
    """Base class of settings: ``RULES`` are ranges, ``NEEDED`` the names of required settings."""

    RULES: ClassVar[Mapping[str, Rule]] = {}
    NEEDED: ClassVar[Sequence[str]] = ()


@dataclass
class SampleSettings(Settings):
    """Settings of ``gammvae sample``."""

    RULES: ClassVar[Mapping[str, Rule]] = {
        "cluster": optional(at_least(0, MOST_CLUSTERS)),
        "n": at_least(1, MOST_WIDTH),
        "min_posterior": between(0, 1),
        "temperature": positive(),
        "seed": at_least(0, MOST_SEED),
    }

    cluster: int | None = about("the cluster to sample from; all clusters if it is not given", None)
    n: int = about("number of samples of each cluster", 64)
    min_posterior: float = about(
        "smallest posterior probability of the cluster that a sample may have", 0.99
    )
    temperature: float = about(
        "factor by which the variance of the latent distribution is multiplied", 1.0
    )
    seed: int = about("seed of the random numbers", 0)
    out: str | None = about(
        "path of the files without extension; by default samples in the run's folder", None
    )
    overwrite: bool = about(OVERWRITE, False)
    device: str = about("where to compute: auto, cpu, cuda, cuda:N or mps", "auto")


@dataclass
class PredictSettings(Settings):
    """Settings of ``gammvae predict``."""

    NEEDED: ClassVar[Sequence[str]] = ("data", "out")

    data: str = about("the file of new samples, in any format of dataset=file", "")
    out: str = about("the file to write; it must end in .npz, .csv or .parquet", "")
    array: str | None = about("name of the array in an .npz or .h5ad file that holds several", None)
    drop: list[str] = about("columns to leave out", list)
    header: bool | None = about("whether the first row of the file holds names", None)
    overwrite: bool = about(OVERWRITE, False)
    device: str = about("where to compute: auto, cpu, cuda, cuda:N or mps", "auto")


@dataclass
class ExportSettings(Settings):
    """Settings of ``gammvae export``."""

    NEEDED: ClassVar[Sequence[str]] = ("out",)

    out: str = about(
        "the file to write: a program (.pt2 for PyTorch, .onnx) or a table of all samples (.csv, "
        ".parquet)",
        "",
    )
    embedding: bool = about("whether the table has the embedding", False)
    columns: bool = about("whether the table has all columns of the data", False)
    overwrite: bool = about(OVERWRITE, False)


@dataclass
class TrackSettings(Settings):
    """Settings of ``gammvae track``."""

    RULES: ClassVar[Mapping[str, Rule]] = {"to": one_of(*TRACKERS)}
    NEEDED: ClassVar[Sequence[str]] = ("to",)

    to: str = about("the tracker", "")
    folder: str = about("the folder in which the tracker's files are", ".")
    project: str = about("the name under which the tracker groups runs", "gammvae")


@dataclass
class SearchSettings(Settings):
    """Settings of ``gammvae search``."""

    RULES: ClassVar[Mapping[str, Rule]] = {
        "trials": at_least(1, 10_000),
        "objective": one_of(*OBJECTIVES),
        "seeds": at_least(1, 100),
        "seed": at_least(0, MOST_SEED),
    }

    trials: int = about("number of trials, of which the first is the default", 20)
    objective: str = about(
        "how a trial is judged: by the agreement of its seeds, or by how well clusters are "
        "predicted from the samples",
        OBJECTIVES[0],
    )
    seeds: int = about("number of runs of each trial, which differ in their seeds", 3)
    seed: int = about("seed of the choices, and of the first run of each trial", 0)


def described(kind: type[Settings]) -> dict[str, str]:
    """Descriptions of the settings, with defaults and ranges."""
    texts = {}
    for one in fields(kind):
        text = one.metadata["text"]
        if one.default not in (MISSING, None, ""):
            text += f", {one.default} by default"
        if one.name in kind.RULES:
            text += f"; {kind.RULES[one.name].text}"
        texts[one.name] = text
    return texts


def read_settings(kind: type[Kind], command: str, words: Sequence[str]) -> Kind:
    """Parses the settings of a command.

    Args:
        kind: Class of the settings.
        command: Name of the command, for messages.
        words: ``key=value`` words.

    Raises:
        InputError: A setting is unknown, missing, of the wrong type or out of range.
    """
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    from gammvae.config.explain import explain
    from gammvae.config.kinds import in_words

    names = [field.name for field in fields(kind)]
    for word in words:
        name, equals, _ = word.partition("=")
        if name not in names or not equals:
            near = "" if name in names else nearest(name, names)
            raise InputError(f"{command} has no setting {word}: {near}it takes {', '.join(names)}")
    types = get_type_hints(kind)
    try:
        given = [read_value(word, types) for word in words]
        settings = cast(
            Any, OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(kind), *given))
        )
    except (OmegaConfBaseException, HydraException, YAMLError) as error:
        key = getattr(error, "full_key", None)
        if key in types:
            word = next(word for word in words if word.startswith(f"{key}="))
            needed = in_words(types[key])
            raise InputError(
                f"{command}: {word} is of the wrong type: it must be {needed}"
            ) from error
        raise InputError(f"{command}: {explain(error)}") from error
    for name in kind.NEEDED:
        if not getattr(settings, name):
            rules = kind.RULES
            wanted = f"it must be {rules[name].text}" if name in rules else f"{name}=FILE"
            raise InputError(f"{command} needs {name}: {wanted}")
    for name, rule in kind.RULES.items():
        if not rule.holds(value := getattr(settings, name)):
            raise InputError(f"{name}={value} is out of range: it must be {rule.text}")
    return cast(Kind, settings)


def read_value(word: str, types: Mapping[str, Any]) -> Any:  # noqa: ANN401 - OmegaConf's
    """A setting in a form that OmegaConf can merge; text is literal, lists are as in ``train``.

    Args:
        word: ``key=value``.
        types: Types of all settings, by name.

    Raises:
        InputError: The setting needs a list and the value is none.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    name, _, text = word.partition("=")
    if types[name] in (str, str | None):
        return {name: escape_interpolations(text)}
    if types[name] == list[str]:
        value = OverridesParser.create().parse_override(word).value()
        if not isinstance(value, list):
            form = override(name, text.split(",") if text else [])
            raise InputError(f"{word} is no list: it must have the form {form}")
        return {name: value}
    return OmegaConf.from_dotlist([word])
