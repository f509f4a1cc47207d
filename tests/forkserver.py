"""Runs ``gammvae`` and Python files in forks of a process that has imported everything.

Importing torch takes seconds, a fork of a process that has done so milliseconds. A fork has the
caller's words, environment, folder and streams, and has computed nothing yet. This file is both
sides: ``forkserver.py serve NUMBER`` forks for every client that connects to the socket of this
number, until its standard input ends, and ``forkserver.py SOCKET gammvae WORD...`` or ``SOCKET
FILE WORD...`` has a program run and exits as it did.
"""

import json
import os
import socket
import sys
from typing import NoReturn

# What a run imports late, beside the modules of the package.
LATE = ("torch._dynamo", "matplotlib.pyplot", "sklearn.neighbors", "sklearn.mixture", "sklearn.svm")


def load_everything() -> None:
    """Imports what the commands import, so that a forked process need not."""
    import importlib
    import pkgutil

    import gammvae

    for module in pkgutil.walk_packages(gammvae.__path__, "gammvae."):
        if module.name != "gammvae.__main__":
            importlib.import_module(module.name)
    for name in LATE:
        importlib.import_module(name)


def ask(address: str, words: list[str]) -> int:
    """Has a program run, with the streams of this process that are open; its exit code."""
    streams = [number for number in range(3) if is_open(number)]
    request = {"words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.connect(address)
        # one more than the streams, because no message can go without any
        socket.send_fds(server, [bytes([*streams, 3])], [*streams, server.fileno()])
        server.sendall(json.dumps(request).encode() + b"\n")
        return int(server.makefile().readline())


def is_open(number: int) -> bool:
    """Whether this process has a stream of this number."""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def serve(listener: socket.socket) -> list[str]:
    """Forks for every client. It returns in the forks alone: the words of what each is to run."""
    import select
    import signal

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how those below end
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        client, _ = listener.accept()
        if os.fork() == 0:
            break
        client.close()
    else:
        os._exit(0)
    listener.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests in the background ignore it
    numbers, streams, _, _ = socket.recv_fds(client, 4, 4)
    request = json.loads(client.makefile().readline())
    if program := os.fork():
        _, status = os.waitpid(program, 0)
        client.sendall(b"%d\n" % (os.waitstatus_to_exitcode(status) % 256))
        os._exit(0)
    client.close()
    take_over(dict(zip(numbers, streams, strict=True)))
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    return request["words"]


def take_over(streams: dict[int, int]) -> None:
    """Makes these the standard streams, and those that are missing closed ones, as Python does."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = None
        if number in streams:
            os.dup2(streams[number], number)
            errors = "backslashreplace" if number == 2 else None
            stream = open(number, "w" if number else "r", errors=errors, closefd=False)  # noqa: SIM115
        else:
            os.close(number)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    for number in streams.values():
        os.close(number)


def become(words: list[str]) -> NoReturn:
    """Runs a program in this process, and ends as it does, but without freeing all modules."""
    import atexit
    import threading
    import traceback

    code = 1
    try:
        run(words)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code)


def run(words: list[str]) -> None:
    """Runs a program in this process."""
    import runpy

    given = os.environ.get("PYTHONPATH")
    sys.path[:1] = given.split(os.pathsep) if given else []
    sys.argv = words
    if words[0] == "gammvae":
        runpy.run_module("gammvae", run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(words[0])))
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    first, *rest = sys.argv[1:]
    if first == "serve":
        import gc

        load_everything()
        gc.freeze()
        become(serve(socket.socket(fileno=int(rest[0]))))
    elif sys.platform == "darwin":  # whose frameworks do not survive a fork
        program = ["-m", *rest] if rest[0] == "gammvae" else rest
        os.execv(sys.executable, [sys.executable, *program])
    else:
        sys.exit(ask(first, rest))
