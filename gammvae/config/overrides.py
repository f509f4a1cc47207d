"""Quotes settings for messages, so that they can be pasted into a shell."""

import re
import shlex
from collections.abc import Sequence

Value = str | bool | int | None | Sequence[str] | Sequence[int]

# Text that needs no quotes in Hydra's grammar.
PLAIN = re.compile(r"(?!(?:null|true|false|nan|inf)$)[A-Za-z_][\w.-]*", re.ASCII | re.IGNORECASE)


def override(key: str, value: Value) -> str:
    """A setting as one word of a POSIX shell, such as ``dataset.drop='[a,b]'``.

    Args:
        key: Name of the setting, such as ``dataset.drop``.
        value: Text, integer, Boolean, ``None`` for ``null``, or a list of texts or integers.
    """
    return shell_word(f"{key}={in_grammar(value)}")


def in_grammar(value: Value) -> str:
    """A value in the grammar of Hydra's overrides."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        return f"[{','.join(map(in_grammar, value))}]"
    if PLAIN.fullmatch(value):
        return value
    # Hydra interprets backslashes only before a quote, including the closing one: double those.
    escaped = re.sub(r'(\\*)"', r"\1\1\"", escape_interpolations(value))
    return '"' + re.sub(r"(\\+)\Z", r"\1\1", escaped) + '"'


def escape_interpolations(text: str) -> str:
    """The text with escaped interpolations, so that OmegaConf takes it literally."""
    return re.sub(r"(\\*)\$\{", lambda found: 2 * found[1] + r"\${", text)


def shell_word(text: str) -> str:
    """A text as one word on one line of a shell, with unprintable characters escaped."""
    if text.isprintable():
        return shlex.quote(text)
    escaped = "".join(
        letter
        if letter.isascii() and letter.isprintable() and letter not in "\\%'!"
        else "".join(f"\\{byte:03o}" for byte in letter.encode(errors="surrogateescape"))
        for letter in text
    )
    return f"\"$(printf '{escaped}')\""
