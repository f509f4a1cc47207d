"""The types of settings, and the names below a key, for messages."""

import dataclasses
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from gammvae.config.schema import Config

WORDS = {
    NoneType: "null",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    str: "a text",
}
OF_SEVERAL = {int: "integers", float: "numbers", str: "texts"}


def kind_of(key: str) -> Any:  # noqa: ANN401 - a type, also one of typing's
    """The type of a setting such as ``train.epochs``, or of a section; ``None`` if there is none.

    Args:
        key: Its name; empty for the configuration itself.
    """
    kind: Any = Config
    for name in filter(None, key.split(".")):
        kind = next(filter(dataclasses.is_dataclass, [kind, *get_args(kind)]), None)  # or null
        if kind is None:
            return None
        kind = get_type_hints(kind).get(name)
    return kind


def options(key: str) -> list[str]:
    """Sorted names of the settings below a key; an empty list if the key is no section.

    Args:
        key: Key such as ``train``; empty for the top level.
    """
    kind = kind_of(key)
    kind = next(filter(dataclasses.is_dataclass, [kind, *get_args(kind)]), None)
    if kind is None:
        return []
    return sorted(field.name for field in dataclasses.fields(kind))


def in_words(kind: Any) -> str:  # noqa: ANN401 - as ``kind_of`` returns it
    """What a value of a type must be, as in "an integer"; an empty text if it can be anything."""
    inside = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        one_of = [in_words(one) for one in inside]
        return " or ".join(sorted(one_of, key="null".__ne__)) if all(one_of) else ""
    if get_origin(kind) is list:
        return f"a list of {OF_SEVERAL[inside[0]]} in brackets"
    if get_origin(kind) is dict:
        return "settings in braces"
    return WORDS.get(kind, "")
