"""Runs programs on a terminal of their own, as a user sees them."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time


def in_terminal(arguments, cwd, keys=(), environment=None, seconds=120):
    """What a program shows on a terminal of 200 columns, as text, and its exit code.

    Args:
        arguments: The program and its arguments.
        cwd: Folder in which it runs.
        keys: Pairs of a text and of the keys that are pressed as soon as it is shown.
        environment: Variables to add.
        seconds: How long to wait for its end.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("4H", 50, 200, 0, 0))
    process = subprocess.Popen(
        arguments,
        cwd=cwd,
        env={**os.environ, "TERM": "xterm", **(environment or {})},
        **dict.fromkeys(("stdin", "stdout", "stderr"), its),
        start_new_session=True,
        # its controlling terminal, so that Ctrl-C is a signal
        preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
    )
    os.close(its)
    shown, seen, waiting, end = "", 0, list(keys), time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                if not (part := os.read(ours, 65536)):
                    break
            except OSError:  # the program has closed its side
                break
            shown += part.decode(errors="replace")
        if waiting and waiting[0][0] in shown[seen:]:
            seen = len(shown)
            os.write(ours, waiting.pop(0)[1].encode())
    else:
        process.kill()
    os.close(ours)
    assert not waiting, f"{waiting[0][0]!r} is not shown: {shown}"
    return shown, process.wait()
