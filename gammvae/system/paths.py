"""Expands paths that users write."""

import os
from pathlib import Path


def user_path(text: str) -> Path:
    """The path of a text, in which a leading ``~`` or ``~/`` means the home directory.

    Any other text is used as is, even ``~x.csv``, because a shell has already expanded ``~user``.
    Without a home directory, ``~`` remains.
    """
    home = text == "~" or text.startswith("~/")
    return Path(os.path.expanduser(text) if home else text)
