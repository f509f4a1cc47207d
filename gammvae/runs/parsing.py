"""Checks the content of a file against a type, and says in one line what does not match.

The rules are pydantic's, in the words of this program: pydantic's own speak of its types.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gammvae.errors import InputError
from gammvae.runs.records import RECORD_JSON, Record

Content = TypeVar("Content")

# What an entry must be, by the type of pydantic's error.
RULES = {
    "missing": "it must be given",
    "extra_forbidden": "there is no such entry",
    "string_type": "it must be text",
    "string_pattern_mismatch": "it must match {pattern}",
    "bool_type": "it must be true or false",
    "int_type": "it must be a whole number",
    "float_type": "it must be a number",
    "finite_number": "it must be a finite number",
    "greater_than": "it must be greater than {gt}",
    "greater_than_equal": "it must be at least {ge}",
    "less_than_equal": "it must be at most {le}",
    "literal_error": "it must be {expected}",
    "list_type": "it must be a list",
    "dict_type": "it must have entries of the form NAME: VALUE",
    "too_short": "it must have more entries, at least {min_length}",
    "value_error": "{error}",
}
# Errors whose value says nothing.
WITHOUT_VALUE = ("json_invalid", "missing", "extra_forbidden")


def parse(
    kind: TypeAdapter[Content],
    found: Any,  # noqa: ANN401 - bytes, or values of any type
    path: Path,
    line: int = 0,
    fault: str = "is damaged",
    named: Callable[[Sequence[str | int]], str] = lambda place: ".".join(map(str, place)),
) -> Content:
    """Checks the content of a file against a type.

    Args:
        kind: Expected type.
        found: JSON as bytes, or values that were parsed from a file.
        path: Path of the file, for messages.
        line: Number of the line in that file, for messages; 0 for the whole file.
        fault: What the message says of a file that does not match.
        named: Words for the place of an entry, given as keys and indices.

    Raises:
        InputError: The content is not JSON or does not match; the message says where and why.
    """
    try:
        is_json = isinstance(found, bytes)
        return kind.validate_json(found) if is_json else kind.validate_python(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = named(first["loc"])
        value = "" if first["type"] in WITHOUT_VALUE else f", not {first['input']!r}"
        where = (f", line {line}" if line else "") + (f": {place}" if place else "")
        known = RULES.get(first["type"])
        rule = known.format_map(first.get("ctx", {})) if known else first["msg"]
        raise InputError(f"{path} {fault}{where}: {rule}{value[:80]}") from error


def parse_lines(text: bytes, path: Path) -> list[Record]:
    """The records in ``metrics.jsonl``; an incomplete last line, left by a kill, is skipped.

    Args:
        text: Content of the file.
        path: Path of the file, for messages.

    Raises:
        InputError: Another line is damaged.
    """
    lines = text.split(b"\n")[:-1]
    return [parse(RECORD_JSON, line, path, number) for number, line in enumerate(lines, start=1)]
