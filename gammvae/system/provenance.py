"""What a figure comes from besides its settings: the processor, and the commit of a checkout."""

import functools
import platform
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def processor() -> str:
    """The name of the processor, or its architecture where no name is known."""
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


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
