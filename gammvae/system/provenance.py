"""The commit of a checkout from which gammvae is imported."""

import functools
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


@functools.cache
def commit() -> str:
    """The commit of gammvae when it was first asked for, with a + if it has changes since.

    It is empty unless gammvae is imported from a checkout.
    """
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        return ""
    git = ["git", "-C", str(ROOT)]
    name, changed = (
        subprocess.run([*git, *words], capture_output=True, text=True).stdout.strip()
        for words in (
            ("rev-parse", "--short", "HEAD"),
            ("status", "--porcelain", "--", "gammvae", "conf"),
        )
    )
    return name + ("+" if name and changed else "")
