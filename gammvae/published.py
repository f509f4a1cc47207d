"""What is published of a dataset: its files, and figures to check it against."""

from dataclasses import dataclass, field

from omegaconf import MISSING


@dataclass
class FileConfig:
    """A published file: where it comes from, and its digest as ``algorithm:hexadecimal``.

    What is downloaded may be a packed form of it (``unpack``: gzip, zip or tar); in an archive the
    member has the file's name.
    """

    url: str = MISSING
    digest: str = MISSING
    unpack: str | None = None


@dataclass
class AboutConfig:
    """What is published of a dataset, to be shown and checked against.

    ``stand_ins`` are files that serve in place of the published ``files`` if all of them are here;
    ``contents`` says of digests of samples and classes in what they are not the published ones.
    """

    samples: int | None = None
    features: int | None = None
    licence: str | None = None
    size: str | None = None
    files: dict[str, FileConfig] = field(default_factory=dict)
    stand_ins: list[str] = field(default_factory=list)
    contents: dict[str, str] = field(default_factory=dict)
