"""Paths as users write them."""

import os
from pathlib import Path


def user_path(text: str) -> Path:
    """The path that a text stands for: ``~`` and ``~/...`` begin at home.

    Every other text is the path as it stands, ``~x.csv`` too: a shell has expanded ``~user``
    before. Where there is no home, ``~`` stays.
    """
    home = text == "~" or text.startswith("~/")
    return Path(os.path.expanduser(text) if home else text)
