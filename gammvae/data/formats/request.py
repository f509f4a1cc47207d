"""What the user says of a file: which of its columns or arrays are samples, and which classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gammvae.config.overrides import override


@dataclass(frozen=True)
class Keys:
    """The names of a command's settings for a file; empty where the command has no such setting."""

    path: str = "dataset.path"
    array: str = "dataset.array"
    labels: str = "dataset.labels"
    drop: str = "dataset.drop"
    header: str = "dataset.header"
    index: str = "dataset.index"
    missing: str = "dataset.missing"
    categorical: str = "dataset.categorical"


@dataclass(frozen=True)
class Request:
    """What the user says about a file besides its path.

    Attributes:
        array: Name of the samples' array, in a file that holds several.
        labels: Name of the classes' column or array, or the path of another file.
        drop: Columns that are no features.
        spare: Columns that are no features either, and need not exist.
        known: Names that columns are likely to have.
        header: Whether the first line of a text table holds names; ``None``: it is detected.
        index: What happens to a row index without a name. ``None``: it is left out; ``keep``: it
            is a feature; ``counting``: it is left out if it counts the rows.
        missing: What happens to missing values; ``refuse``: a cell without a value is an error,
            else it becomes NaN.
        categorical: What happens to columns of text; ``refuse``: they are an error; ``onehot``:
            each of their texts becomes a feature.
        categories: The texts of each such column, if they are known.
        keys: The names of these settings, for messages.
    """

    array: str | None = None
    labels: str | None = None
    drop: Sequence[str] = ()
    spare: Sequence[str] = ()
    known: Sequence[str] = ()
    header: bool | None = None
    index: str | None = None
    missing: str = "refuse"
    categorical: str = "refuse"
    categories: Mapping[str, Sequence[str]] | None = None
    keys: Keys = Keys()

    def takes_text(self, name: str) -> bool:
        """Whether a column of text may be a feature."""
        known = self.categories is None or name in self.categories
        return self.categorical == "onehot" and known

    def advice(self, *settings: tuple[str, Any, str]) -> str:
        """The end of a message: which settings help, after a semicolon.

        Args:
            settings: Key, value and effect of each; one with an empty key is left out.
        """
        parts = [f"{override(key, value)} {effect}" for key, value, effect in settings if key]
        return f"; {', '.join(parts)}" if parts else ""


def listed(names: Sequence[str]) -> str:
    """The names that a file has, for a message; only the first ones of many."""
    shown = ", ".join(names[:20])
    return f"it has {shown}, ..." if len(names) > 20 else f"it has {shown}"
