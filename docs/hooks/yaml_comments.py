"""Reads the comments of a configuration file: what it says of itself, and of each of its keys."""

import re
from pathlib import Path
from typing import NamedTuple

KEY = re.compile(r"(?P<indent> *)(?:- )?(?P<name>[\w/]+):(?: |$)")
COMMENT = re.compile(r" *# ?(?P<text>.*)")
GLOBAL = "# @package _global_"


class Comments(NamedTuple):
    """The comments of a YAML file.

    Attributes:
        head: The text at its top; empty if there is none.
        keys: The text right above a key, by the key's dotted name.
        is_global: Whether its keys count from the top of the configuration, not from its group.
    """

    head: str
    keys: dict[str, str]
    is_global: bool


def read_comments(path: Path) -> Comments:
    """The comments of a file in block style.

    Those at its top are the file's own. Any others belong to the key on the next line.
    """
    lines = path.read_text().splitlines()
    is_global = lines[0] == GLOBAL
    head, rest = leading_comments(lines[is_global:])
    keys = {}
    parents: list[tuple[int, str]] = []
    while rest:
        above, rest = leading_comments(rest)
        if rest and (key := KEY.match(rest[0])):
            indent = len(key["indent"])
            parents = [parent for parent in parents if parent[0] < indent]
            parents.append((indent, key["name"]))
            if above:
                keys[".".join(name for _, name in parents)] = above
        rest = rest[1:]
    return Comments(head, keys, is_global)


def leading_comments(lines: list[str]) -> tuple[str, list[str]]:
    """The comments that lines begin with, as one text, and the lines after them."""
    texts = []
    for line in lines:
        if not (found := COMMENT.match(line)):
            break
        texts.append(found["text"])
    return " ".join(texts), lines[len(texts) :]
