"""Damaged and crafted run folders, against every command that reads them.

Every case is a copy of a run folder in which one file was changed, and one command. It must end in
a refusal, one line that names the file or the folder and exit code 2, or in the right answer: that
of the folder as it was, or any where the new value is one that a run can have. Nothing is executed,
requested, lost or written elsewhere. A case runs in a process of its own, forked from this one,
which has all modules loaded and has computed nothing.
"""

import copy
import functools
import hashlib
import http.server
import io
import json
import logging
import math
import os
import pickle
import random
import re
import resource
import shutil
import signal
import sys
import threading
import traceback
import unicodedata
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import yaml

from gammvae.cli import main as cli
from tests.conftest import TINY, compose_config
from tests.forkserver import load_everything

SEED = 0
SECONDS = 30  # a case takes one; one that takes longer hangs
MEMORY = 3 * 2**30  # bytes, on top of what the process has
SECRET = "s3cr3t-t0k3n"
ESCAPE = "\x1b[2J\x1b]0;owned\x07"
# What any command may write beside what it is for.
NOTES = {"run.log", "status.json", ".lock", "multirun.yaml"}
DIGESTS = "digests.json"


# --- Run folders -----------------------------------------------------------------------------


class Base(NamedTuple):
    """A folder with data and a run, and the command that made the run."""

    name: str
    folder: Path
    run: str
    command: tuple[str, ...]


DATA = ("train", "dataset=file", "dataset.path=x.npy", "dataset.labels=y.npy", "n_clusters=3")
SMALL = (*DATA, *TINY, "device=cpu", "report=false", "batch_size=40", "preprocess=standardize")
EPOCHS = ("pretrain.epochs=20", "train.epochs=20", "init.n_init=2")
# So many that the components lie apart, as those must whose samples are judged.
LONG = ("pretrain.epochs=60", "train.epochs=60", "optimizer.lr=0.01", "optimizer.mixture_lr=0.01")
MADE = {
    "gammvae": (*SMALL, *LONG, "run_dir=study"),
    "interrupted": (*SMALL, *EPOCHS, "run_dir=study"),
    "pretraining": (*SMALL, *EPOCHS, "run_dir=study"),
    "kmeans": (*SMALL, "model=kmeans", "run_dir=study"),
    "ae_kmeans": (*SMALL, *EPOCHS, "model=ae_kmeans", "run_dir=study"),
    "dec": (*SMALL, *EPOCHS, "model=dec", "run_dir=study"),
    "sweep": (*SMALL, "model=kmeans", "-m", "seed=0,1"),
}
# Stage and epoch after whose checkpoint the process ends.
ENDS_AFTER = {"interrupted": ("train", 12), "pretraining": ("pretrain", 12)}


@pytest.fixture(scope="module")
def bases(tmp_path_factory, address) -> dict[str, Base]:
    """All run folders, each made once."""
    load_everything()
    compose_config()
    home = tmp_path_factory.mktemp("bases")
    made = {name: make(name, home / name, own(address)) for name in MADE}
    base = made["gammvae"]
    judged = run(COMMANDS["generation"](base), base.folder, mirror=own(address))
    assert judged.code == 0, judged.err
    status = {"status": "failed", "reason": "the disk was full"}
    (made["interrupted"].folder / "study" / "status.json").write_text(json.dumps(status))
    return made


def own(address: str) -> str:
    """The mirror that the user has set, which may be asked, and has nothing."""
    return f"{address}/own"


def make(name: str, folder: Path, mirror: str) -> Base:
    """Trains a run, to its end or up to a checkpoint."""
    folder.mkdir()
    rng = np.random.default_rng(SEED)
    y = np.arange(120) % 3
    np.save(folder / "x.npy", np.eye(3, 6)[y] * 12 + rng.normal(size=(120, 6)))
    np.save(folder / "y.npy", y)
    for part in ("home", "data", "out", "outside"):
        (folder / part).mkdir()
    (folder / "outside" / "mine.txt").write_text("mine")
    if name in ENDS_AFTER:
        done = run(MADE[name], folder, functools.partial(end_after, *ENDS_AFTER[name]), mirror)
    else:
        done = run(MADE[name], folder, mirror=mirror)
    assert done.code == (7 if name in ENDS_AFTER else 0), done.err
    found = sorted(folder.rglob("config.yaml"))[0].parent
    return Base(name, folder, str(found.relative_to(folder)), MADE[name])


def end_after(stage: str, epoch: int) -> None:
    """Makes this process save every epoch, and end as if killed after a checkpoint."""
    from gammvae.training import stages

    save = stages.save_checkpoint

    def save_and_end(directory, name, done, *rest):
        save(directory, name, done, *rest)
        if (name, done) == (stage, epoch):
            os._exit(7)

    stages.save_checkpoint = save_and_end
    stages.CHECKPOINT_SECONDS = stages.CHECKPOINT_RATIO = 0.0


# --- Commands --------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What a process left: its exit code, negative for a signal, and what it said."""

    code: int
    out: str
    err: str


def run(
    arguments: tuple[str, ...],
    folder: Path,
    prepare: Callable[[], Any] = lambda: None,
    mirror: str = "http://127.0.0.1:9/own",
) -> Outcome:
    """Runs a command in a forked process, as ``python -m gammvae`` would."""
    shown = [folder.parent / f"{folder.name}.{kind}" for kind in ("out", "err")]
    process = os.fork()
    if process == 0:
        code = 70
        try:
            code = forked(arguments, folder, shown, prepare, mirror)
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return Outcome(code, *(path.read_text(errors="surrogateescape") for path in shown))


def forked(
    arguments: tuple[str, ...],
    folder: Path,
    shown: list[Path],
    prepare: Callable[[], Any],
    mirror: str,
) -> int:
    """The exit code of a command, in this process, whose surroundings are changed for it."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # which ends the process
    signal.alarm(SECONDS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, hard))
    os.chdir(folder)
    # Relative: a run's configuration says the same in every copy of its folder.
    os.environ.update(GAMMVAE_DATA="data", GAMMVAE_CACHE="data/cache", GAMMVAE_MIRROR=mirror)
    os.environ.update(HOME=str(folder / "home"), TOKEN=SECRET)
    for number, path in enumerate(shown, 1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    as_by_itself()
    sys.argv = ["gammvae", *arguments]
    code: Any = 0
    try:
        prepare()
        cli.main()
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def as_by_itself() -> None:
    """Undoes what pytest does to logging, warnings and random numbers; blocks other hosts."""
    import socket

    logging.getLogger("gammvae").handlers = []
    warnings.resetwarnings()
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)
    warnings.showwarning = lambda message, kind, *_: print(
        f"{kind.__name__}: {message}", file=sys.stderr
    )
    connect = socket.socket.connect

    def nearby(self, address):
        if isinstance(address, tuple) and address[0] != "127.0.0.1":
            raise OSError(101, "Network is unreachable")
        return connect(self, address)

    socket.socket.connect = nearby  # type: ignore[method-assign]
    socket.getaddrinfo = functools.partial(only_here, socket.getaddrinfo)


def only_here(resolve: Callable, host: Any, *rest: Any, **options: Any) -> Any:
    """Resolves no other name than this machine's."""
    if host not in ("127.0.0.1", None):
        import socket

        raise socket.gaierror(-2, "Name or service not known")
    return resolve(host, *rest, **options)


COMMANDS: dict[str, Callable[[Base], tuple[str, ...]]] = {
    "evaluate": lambda base: ("evaluate", base.run, "device=cpu"),
    "generation": lambda base: ("evaluate", base.run, "generation=true", "device=cpu"),
    "report": lambda base: ("report", base.run, "device=cpu", "out=out/report.html"),
    "sample": lambda base: (
        *("sample", base.run, "device=cpu", "n=2", "min_posterior=0", "out=out/samples"),
    ),
    "predict": lambda base: ("predict", base.run, "device=cpu", "data=x.npy", "out=out/p.npz"),
    "table": lambda base: ("table", base.run, "--metric", "acc", "seconds"),
    "export": lambda base: ("export", base.run, "out=out/t.csv", "embedding=true"),
    "track": lambda base: ("track", base.run, "to=tensorboard", "folder=out"),
    "train": lambda base: base.command,
    "overwrite": lambda base: (*base.command, "overwrite=true"),
}
READ_ONLY = ("evaluate", "report", "sample", "predict", "table", "export", "track")


def answer(command: str, base: Base, folder: Path, out: str) -> Any:
    """What a command that went well came to, without what differs from time to time."""
    if command == "report":
        return hashlib.sha256((folder / "out" / "report.html").read_bytes()).hexdigest()
    if command == "sample":
        return arrays_of(folder / "out" / "samples.npz"), (folder / "out/samples.csv").read_bytes()
    if command == "predict":
        return arrays_of(folder / "out" / "p.npz"), out
    if command == "export":
        return (folder / "out" / "t.csv").read_bytes(), out
    if base.name == "sweep" and command == "train":  # a run of it may have been repaired
        return re.findall(r"the 2 seeds agree .*", out)
    if command in ("train", "overwrite"):
        lines = (folder / base.run / "metrics.jsonl").read_text().splitlines()
        records = [without_times(json.loads(line)) for line in lines]
        result = json.loads((folder / base.run / "result.json").read_text())
        # A finished run is only shown; what was missing or damaged may have been written again.
        shown = "is finished" in out
        arrays = {} if shown else arrays_of(folder / base.run / "assignments.npz")
        return records, result["metrics"], arrays
    if command == "generation":
        return out, (folder / base.run / "generation.json").read_text()
    return out


def arrays_of(path: Path) -> dict[str, tuple]:
    """The arrays of an archive, comparable."""
    with np.load(path) as arrays:
        return {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()}


def without_times(record: dict) -> dict:
    return {k: v for k, v in record.items() if k not in ("seconds", "samples_per_second")}


# --- Damage ----------------------------------------------------------------------------------


class Mutation(NamedTuple):
    """A change of one file.

    Attributes:
        name: For messages.
        apply: Changes the file at a path.
        plausible: Whether what it leaves can be a run's: then any answer is right.
        everywhere: Whether it is tried with several commands, rather than with one of them.
        also: What else a refusal may name in place of the file or the folder.
    """

    name: str
    apply: Callable[[Path], None]
    plausible: bool = False
    everywhere: bool = True
    also: tuple[str, ...] = ()


def rewritten(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Applies a change of bytes."""
    return lambda path: void(path.write_bytes(change(path.read_bytes())))


def void(_: object) -> None:
    """Nothing."""


def of_bytes(file: str) -> Iterator[Mutation]:
    """Damage that does not depend on what a file holds."""
    text = file.endswith((".yaml", ".json", ".jsonl"))
    for share in (0.0, 0.02, 0.3, 0.6, 0.95):
        yield Mutation(
            f"cut to {share:.0%}",
            rewritten(lambda content, share=share: content[: int(share * len(content))]),
            everywhere=share in (0.0, 0.6),
        )
    for number in range(8):
        yield Mutation(
            f"bytes flipped, {number}",
            rewritten(functools.partial(flipped, seed=number)),
            plausible=text,
            everywhere=False,
        )
    yield Mutation("not UTF-8", rewritten(lambda content: b"\xff\xfe\x80" + content))
    yield Mutation("zeros", rewritten(lambda content: bytes(len(content))), everywhere=False)
    yield Mutation("a folder", replaced(lambda path: path.mkdir()))
    yield Mutation("a filled folder", replaced(filled_folder), everywhere=False)
    yield Mutation("a link to a copy outside", link_outside)
    yield Mutation(
        "a link to a foreign file",
        replaced(lambda path: path.symlink_to("../outside/mine.txt")),
        everywhere=False,
    )
    yield Mutation(
        "a link to nothing",
        replaced(lambda path: path.symlink_to("../outside/new.txt")),
        plausible=True,  # a file that is missing
    )
    yield Mutation(
        "a link to itself",
        replaced(lambda path: path.symlink_to(path.name)),
        plausible=True,
        everywhere=False,
    )
    yield Mutation(
        "an endless device", replaced(lambda path: path.symlink_to("/dev/zero")), everywhere=False
    )
    yield Mutation("a pipe", replaced(os.mkfifo), everywhere=False)


def flipped(content: bytes, seed: int) -> bytes:
    """Some bits of the content, one to twenty, turned over."""
    rng = random.Random(seed)
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 20))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def replaced(make: Callable[[Path], Any]) -> Callable[[Path], None]:
    """Puts something else in a file's place."""

    def apply(path: Path) -> None:
        path.unlink()
        make(path)

    return apply


def filled_folder(path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("mine")


def link_outside(path: Path) -> None:
    """Moves the file out of the run, and links to it."""
    target = root_of(path) / "outside" / path.name
    path.rename(target)
    path.symlink_to(target)


def root_of(path: Path) -> Path:
    """The folder of the case that a file belongs to."""
    return next(parent for parent in path.parents if (parent / "outside").is_dir())


VALUES: dict[str, Any] = {
    "null": None,
    "text": "text",
    "-1": -1,
    "0": 0,
    "1.5": 1.5,
    "1e308": 1e308,
    "NaN": math.nan,
    "Infinity": math.inf,
    "a huge integer": 10**30,
    "true": True,
    "a list": [1, "a", None],
    "nested": {"a": {"b": [[]]}},
}


def leaves(tree: Any, path: tuple = ()) -> Iterator[tuple]:
    """The path of everything in nested dictionaries and lists, inner nodes included."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in items:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from leaves(value, (*path, key))


def at(tree: Any, path: tuple) -> Any:
    """The value at a path."""
    return functools.reduce(lambda node, key: node[key], path, tree)


def could_be(old: Any, new: Any, *, nullable: bool) -> bool:
    """Whether a value may stand where another does, for all that a reader can know."""
    if old is None or new is None:
        return nullable or old is None
    if isinstance(new, float) and not math.isfinite(new):
        return nullable and isinstance(old, str)
    if isinstance(old, int | float):  # a boolean among them
        return isinstance(new, int | float)
    return isinstance(old, str) and isinstance(new, str | int | float)


def of_tree(tree: Any, file: str) -> Iterator[Mutation]:
    """Every value of a JSON or YAML file replaced and removed, one at a time."""
    yaml_file = file.endswith(".yaml")
    for path in leaves(tree):
        where = ".".join(map(str, path))
        old = at(tree, path)
        # A configuration's own schema says what may be null; in a result figures may be.
        nullable = yaml_file or path[0] == "metrics"
        yield Mutation(
            f"without {where}",
            edited(lambda tree, path=path: at(tree, path[:-1]).__delitem__(path[-1])),
            plausible=nullable or isinstance(path[-1], int) or path[-1] in NOT_ALWAYS,
            everywhere=False,
        )
        for name, new in VALUES.items():
            if type(new) is type(old) and new == old:
                continue
            yield Mutation(
                f"{where} is {name}",
                edited(functools.partial(put, path=path, value=new)),
                plausible=could_be(old, new, nullable=nullable),
                everywhere=False,
            )
    yield Mutation("a foreign key", edited(lambda tree: tree.update(color="red")), plausible=True)


# Figures that take classes, or that earlier versions did not have.
NOT_ALWAYS = ("agreement", "judge_accuracy", "log_likelihood_error", "command")


def put(tree: Any, path: tuple, value: Any) -> None:
    at(tree, path[:-1])[path[-1]] = value


def edited(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Applies a change of what a JSON or YAML file holds."""

    def apply(path: Path) -> None:
        load, dump = (yaml.safe_load, yaml.safe_dump) if path.suffix == ".yaml" else JSON
        tree = load(path.read_text())
        change(tree)
        path.write_text(dump(tree))

    return apply


JSON = (json.loads, functools.partial(json.dumps, indent=2))


def text(content: str) -> Callable[[Path], None]:
    """Writes a text in a file's place."""
    return lambda path: void(path.write_text(content))


def of_json(file: str) -> Iterator[Mutation]:
    """Well-formed JSON of another shape."""
    others = {
        **{"a list": "[1, 2]", "a number": "3", "text": '"text"', "null": "null", "{}": "{}"},
        **{"NaN": "NaN", "true": "true", "twice": '{"a": 1}{"a": 2}'},
        "deep": "[" * 10_000 + "]" * 10_000,
        "deep keys": '{"a":' * 10_000 + "1" + "}" * 10_000,
        "5,000 digits": '{"metrics": {"acc": ' + "1" * 5000 + "}}",
        "half a surrogate": '{"metrics": {}, "dataset": "\\ud800"}',
    }
    for name, content in others.items():
        yield Mutation(name, text(content))


# --- config.yaml -----------------------------------------------------------------------------


def of_config(bases: dict[str, Base], address: str) -> Iterator[Mutation]:
    """Crafted configurations."""
    yield from (Mutation(name, text(content)) for name, content in YAML_TEXTS.items())
    for name, change in CONFIG_CHANGES.items():
        yield Mutation(name, edited(change), plausible=True, also=KEYS)
    for name, change in ADDRESS_CHANGES.items():
        change = functools.partial(change, address=address)
        yield Mutation(name, edited(change), plausible=True, also=KEYS)
    yield Mutation(
        "a file's own address",
        in_folder(lambda tree, root: published(tree, f"file://{root}/outside/mine.txt", "x")),
        plausible=True,
        also=KEYS,
    )
    yield Mutation(
        "a file with an absolute name",
        in_folder(lambda tree, root: published(tree, f"{address}/x", f"{root}/outside/new.txt")),
        plausible=True,
        also=KEYS,
    )


def in_folder(change: Callable[[dict, Path], Any]) -> Callable[[Path], None]:
    """Applies a change that needs the path of the case's folder."""
    return lambda path: edited(lambda tree: change(tree, root_of(path)))(path)


# What is wrong may be the data that a configuration names, which another setting can replace.
KEYS = ("usps", "dataset.path=", "dataset.labels=")
YAML_TEXTS = {
    "a list": "[1, 2]",
    "a number": "3",
    "text": "text",
    "null": "null",
    "two documents": "a: 1\n---\nb: 2\n",
    "a foreign project's": "site_name: My thesis\nnav:\n- index.md\n",
    "an alias bomb": "\n".join(
        ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    ),
    "an alias of itself": "dataset: &a\n  name: x\n  loader: *a\n",
    "deep": "[" * 10_000 + "]" * 10_000,
    "deep keys": "{a: " * 5_000 + "1" + "}" * 5_000,
    "python/object/apply": "!!python/object/apply:os.system ['touch canary']\n",
    "python/object/new": "seed: !!python/object/new:os.system ['touch canary']\n",
    "python/module": "seed: !!python/module:os\n",
    "5,000 digits": "seed: " + "1" * 5000,
    "a date out of range": "seed: 2001-99-99\n",
    "a key that is a list": "? [a, b]\n: 1\n",
    "a key that is a number": "1: 2\n",
    "keys twice": "seed: 0\nseed: 1\n",
    "tabs": "seed:\t- 1\n",
}

CANARY = {"_target_": "os.system", "command": "touch canary"}


def loader(value: Any) -> Callable[[dict], None]:
    return functools.partial(put, path=("dataset", "loader"), value=value)


def setting(path: str, value: Any) -> Callable[[dict], None]:
    return functools.partial(put, path=tuple(path.split(".")), value=value)


CONFIG_CHANGES: dict[str, Callable[[dict], Any]] = {
    "loader os.system": loader(CANARY),
    "loader subprocess": loader({"_target_": "subprocess.run", "args": ["touch", "canary"]}),
    "loader exec": loader({"_target_": "builtins.exec", "source": "open('canary', 'w')"}),
    "loader open": loader({"_target_": "io.open", "file": "canary", "mode": "w"}),
    "loader rmtree": loader({"_target_": "shutil.rmtree", "path": "outside"}),
    "loader of the package that is none": loader(
        {"_target_": "gammvae.runs.directory.RunDirectory"}
    ),
    "loader that imports": loader({"_target_": "antigravity.fly"}),
    "loader in a loader": loader({"_target_": "gammvae.data.benchmarks.digits", "extra": CANARY}),
    "loader that is text": loader("os.system"),
    "loader that is a list": loader({"_target_": ["os.system"]}),
    "loader that is null": loader({"_target_": None}),
    "loader of a module alone": loader({"_target_": "os"}),
    "loader without module": loader({"_target_": "print"}),
    "loader of other data": loader({"_target_": "gammvae.data.benchmarks.digits"}),
    "_target_ at the top": setting("_target_", "os.system"),
    "_target_ in the optimizer": setting("optimizer.arguments", CANARY),
    "optimizer of another class": setting("optimizer.name", "Optimizer"),
    "optimizer that is a module": setting("optimizer.name", "lr_scheduler"),
    "optimizer that is private": setting("optimizer.name", "__doc__"),
    "path ${oc.env}": setting("dataset.path", "${oc.env:TOKEN}.npy"),
    "name ${oc.env}": setting("dataset.name", "${oc.env:TOKEN}"),
    "seed ${oc.env}": setting("seed", "${oc.env:TOKEN}"),
    "seed ${oc.decode}": setting("seed", "${oc.decode:${oc.env:TOKEN}}"),
    "seed refers to itself": setting("seed", "${seed}"),
    "seed refers to nothing": setting("seed", "${nothing}"),
    "half an interpolation": setting("dataset.name", "${"),
    "run_dir ${oc.env}": setting("run_dir", "${oc.env:TOKEN}"),
    "labels elsewhere": setting("dataset.labels", "/etc/passwd"),
    "path is a device": setting("dataset.path", "/dev/zero"),
    "path with a null byte": setting("dataset.path", "x\0.npy"),
    "escapes in the name": setting("dataset.name", f"file{ESCAPE}"),
    "escapes in the model": setting("model.name", f"gammvae{ESCAPE}"),
    "escapes in the path": setting("dataset.path", f"x{ESCAPE}.npy"),
    "escapes in a key": lambda tree: tree.update({ESCAPE: 1}),
    "escapes in a value": setting("precision", ESCAPE),
    "another family": setting("model.family", "gaussian"),
    "another method": setting("model.method", "dec"),
    "a vast network": setting("architecture.hidden", [2**40]),
    "many layers": setting("architecture.hidden", [1] * 100_000),
    "a vast latent space": setting("architecture.latent_dim", 10**11),
    "a vast batch": setting("batch_size", 2**63 - 1),
    "vast clusters": setting("n_clusters", 10**9),
    "a device that is none": setting("device", "cuda:99999999999999999999"),
    "a vast shape": setting("dataset.shape", [2**62, 2**62]),
    "overwrite": setting("overwrite", True),
    "pretrained elsewhere": setting("pretrained", "outside/kept"),
    **{
        f"without {section}": lambda tree, section=section: tree.pop(section)
        for section in ("dataset", "model", "architecture", "optimizer", "init", "train")
    },
}


def usps(tree: dict, files: dict[str, dict], mirror: str | None = None) -> None:
    """Makes the run one of a benchmark whose files are downloaded."""
    names = list(files)
    tree["dataset"] |= {
        **{"name": "usps", "likelihood": "bernoulli", "path": None, "labels": None},
        **{"mirror": mirror, "root": "data", "download": True},
        "loader": {
            "_target_": "gammvae.data.benchmarks.usps",
            "parts": dict.fromkeys(names, 60),
            "side": 16,
        },
    }
    tree["dataset"]["about"]["files"] = files


def published(tree: dict, url: str, file: str = "USPS/usps.bz2", **source: str) -> None:
    """A published file with an address of the sender's choice, whose digest suits everything."""
    usps(tree, {file: {"url": url, "digest": "sha256:", "unpack": None, **source}})


ADDRESS_CHANGES: dict[str, Callable[..., None]] = {
    "mirror ${oc.env}": lambda tree, address: usps(
        tree,
        {"USPS/usps.bz2": {"url": f"{address}/usps.bz2", "digest": "sha256:", "unpack": None}},
        f"{address}/${{oc.env:TOKEN}}",
    ),
    "url ${oc.env}": lambda tree, address: published(tree, f"{address}/${{oc.env:TOKEN}}"),
    "url of the sender's": lambda tree, address: published(tree, f"{address}/mine"),
    "file above": lambda tree, address: published(tree, f"{address}/x", "../outside/mine.txt"),
    "file far above": lambda tree, address: published(tree, f"{address}/x", "a/../../outside/new"),
    "file with an empty name": lambda tree, address: published(tree, f"{address}/x", ""),
    "digest without algorithm": lambda tree, address: published(tree, f"{address}/x", digest=":"),
    "digest that is empty": lambda tree, address: published(tree, f"{address}/x", digest=""),
    "digest of no algorithm": lambda tree, address: published(
        tree, f"{address}/x", digest="rot13:00"
    ),
    "digest of any length": lambda tree, address: published(
        tree, f"{address}/x", digest="shake_128:"
    ),
    "unpack of no kind": lambda tree, address: published(tree, f"{address}/x", unpack="rar"),
    "ftp": lambda tree, address: published(tree, f"{address.replace('http', 'ftp')}/x"),
    "data address": lambda tree, address: published(tree, "data:text/plain,mine"),
    "names that are equal": lambda tree, address: tree["dataset"].update(name="../outside"),
}


class Canary(http.server.BaseHTTPRequestHandler):
    """Answers every request, and remembers it."""

    seen: list[str] = []

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(404 if self.path.startswith("/own/") else 200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"mine")

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a local server that no stored file may make the program speak to."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Canary) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


# --- metrics.jsonl, status.json --------------------------------------------------------------


def of_lines(lines: list[dict]) -> Iterator[Mutation]:
    """Crafted lines of metrics."""
    contents = {
        "a blank line": [lines[0], "", *lines[1:]],
        "a list in between": [lines[0], [1], *lines[1:]],
        "a number in between": [lines[0], 3, *lines[1:]],
        "null in between": [lines[0], None, *lines[1:]],
        "a broken line in between": [lines[0], '{"stage"', *lines[1:]],
        "a deep line": [*lines, "[" * 10_000 + "]" * 10_000],
        "5,000 digits": [*lines, "1" * 5000],
        "reversed": lines[::-1],
        "twice": [*lines, *lines],
        "without the first half": lines[len(lines) // 2 :],
        "without the last half": lines[: len(lines) // 2],
        "without the middle": [*lines[:5], *lines[-5:]],
        "another program's": [{"loss": 1.0}, {"loss": 0.5}],
    }
    for name, given in contents.items():
        content = "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in given)
        yield Mutation(name, text(content))
    for key in lines[0]:
        for number in (0, -1):
            changed = copy.deepcopy(lines)
            del changed[number][key]
            name = f"line {number} without {key}"
            yield Mutation(name, text(jsonl(changed)), plausible=True, everywhere=False)
            for called, value in VALUES.items():
                changed = copy.deepcopy(lines)
                changed[number][key] = value
                yield Mutation(
                    f"line {number}: {key} is {called}",
                    text(jsonl(changed)),
                    plausible=could_be(lines[number][key], value, nullable=True),
                    everywhere=False,
                )
    changed = copy.deepcopy(lines)
    changed[-1] |= {"color": "red", ESCAPE: ESCAPE}
    yield Mutation("foreign keys", text(jsonl(changed)), plausible=True)


def jsonl(lines: list[dict]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def of_status() -> Iterator[Mutation]:
    """Crafted reasons of a failure."""
    for name, reason in VALUES.items():
        yield Mutation(
            f"reason is {name}",
            text(json.dumps({"status": "failed", "reason": reason})),
            plausible=isinstance(reason, str),
        )
    for name, reason in {"escapes": ESCAPE, "lines": "a\nb\r\nc", "long": "a" * 10**6}.items():
        content = json.dumps({"status": "failed", "reason": reason})
        yield Mutation(f"reason with {name}", text(content), plausible=True)
    yield Mutation("no reason", text('{"status": "failed"}'))


def of_figures(tree: dict) -> Iterator[Mutation]:
    """Crafted words in a result."""
    for path in leaves(tree):
        if isinstance(at(tree, path), str):
            name = f"escapes in {'.'.join(map(str, path))}"
            yield Mutation(name, edited(setting_at(path, ESCAPE)), plausible=True, everywhere=False)
    another = edited(lambda tree: tree["metrics"].update({ESCAPE: 1}))
    yield Mutation("escapes in a key", another, plausible=True)  # a later version may have more
    for name in ("of another run", "without figures"):
        figures = {"acc": 0.5} if name == "of another run" else {}
        yield Mutation(f"figures {name}", edited(setting("metrics", figures)), plausible=True)


def setting_at(path: tuple, value: Any) -> Callable[[Any], None]:
    return functools.partial(put, path=path, value=value)


# --- Archives of arrays ----------------------------------------------------------------------


class Pickled:
    """Leaves a canary if it is ever unpickled."""

    def __reduce__(self):
        return os.system, ("touch canary",)


def with_arrays(change: Callable[[dict], Any]) -> Callable[[Path], None]:
    """Applies a change of the arrays of an archive."""

    def apply(path: Path) -> None:
        with np.load(path) as stored:
            arrays = dict(stored)
        change(arrays)
        np.savez(path, **arrays)

    return apply


ARRAY_CHANGES: dict[str, Callable[[np.ndarray], Any]] = {
    "pickled": lambda a: np.array([Pickled()], dtype=object),
    "text": lambda a: np.full(a.shape, "text"),
    "bytes": lambda a: np.full(a.shape, b"\xff"),
    "complex": lambda a: np.zeros(a.shape, complex),
    "dates": lambda a: np.zeros(a.shape, "datetime64[s]"),
    "a record": lambda a: np.zeros(a.shape, [("a", "i4"), ("b", "f8")]),
    "NaN": lambda a: np.full(a.shape, np.nan),
    "infinite": lambda a: np.full(a.shape, np.inf),
    "empty": lambda a: a[:0] if a.ndim else np.zeros((0,)),
    "shorter": lambda a: a[:-1] if a.ndim else np.zeros((2, 2)),
    "longer": lambda a: np.concatenate([a, a]) if a.ndim else np.array([a, a]),
    "of more dimensions": lambda a: a[..., None],
    "a scalar": lambda a: np.array(3.0),
    "transposed": lambda a: a.T[::-1] if a.ndim > 1 else np.zeros((3, 3)),
}


def of_arrays(names: list[str]) -> Iterator[Mutation]:
    """Every array of an archive changed and removed, one at a time."""
    for name in names:
        yield Mutation(f"without {name}", with_arrays(lambda a, name=name: a.pop(name)))
        for called, change in ARRAY_CHANGES.items():
            yield Mutation(
                f"{name} {called}",
                with_arrays(functools.partial(change_array, name=name, change=change)),
                everywhere=called in ("pickled", "NaN", "shorter"),
                plausible=(name, called) in PLAUSIBLE_ARRAYS,
            )
    yield Mutation(f"a bomb in {names[0]}", rewritten(lambda _: bomb(names[0])))
    foreign = with_arrays(lambda arrays: arrays.update(color=np.array([Pickled()], dtype=object)))
    yield Mutation("a foreign array", foreign, plausible=True)
    yield Mutation("an empty archive", lambda path: zipfile.ZipFile(path, "w").close())
    yield Mutation("an array alone", lambda path: np.save(path.open("wb"), np.arange(9)))
    yield Mutation("a pickle alone", lambda path: void(path.write_bytes(pickle.dumps(Pickled()))))


def change_array(arrays: dict, name: str, change: Callable[[np.ndarray], Any]) -> None:
    arrays[name] = change(arrays[name])


# Names of features are anything, of any number only if there are none.
PLAUSIBLE_ARRAYS = {("names", "text"), ("names", "longer")}


@functools.cache
def bomb(name: str) -> bytes:
    """A gibibyte of zeros as an array of an archive."""
    target, header = io.BytesIO(), io.BytesIO()
    shape = (2**27,)
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<i8", "fortran_order": False, "shape": shape}
    )
    with (
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{name}.npy", "w", force_zip64=True) as file,
    ):
        file.write(header.getvalue())
        for _ in range(2**10):
            file.write(bytes(2**20))
    return target.getvalue()


def of_assignments() -> Iterator[Mutation]:
    """Arrays of the right kind with wrong values."""
    changes: dict[str, Callable[[dict], Any]] = {
        "labels negative": lambda a: a.update(labels=a["labels"] - 1),
        "labels beyond the clusters": lambda a: a.update(labels=a["labels"] + 2),
        "labels huge": lambda a: a.update(labels=a["labels"] + 2**40),
        "labels unsigned": lambda a: a.update(labels=a["labels"].astype("u1")),
        "responsibilities negative": lambda a: a.update(responsibilities=-a["responsibilities"]),
        "responsibilities of more clusters": lambda a: a.update(
            responsibilities=np.repeat(a["responsibilities"], 2, 1)
        ),
        "embedding without features": lambda a: a.update(embedding=a["embedding"][:, :0]),
    }
    for name, change in changes.items():
        yield Mutation(name, with_arrays(change), plausible=name == "labels unsigned")
    permuted = with_arrays(lambda a: a.update(labels=(a["labels"] + 1) % 3))
    yield Mutation("labels of another run", permuted, plausible=True)


def of_facts(figures: list[str]) -> Iterator[Mutation]:
    """What is known of the data, with wrong values."""
    values: dict[str, list[Any]] = {
        "shape": [[-6], [0], [2**62, 2**62], [7], [6, 1, 1, 1], [2, 3], [-2, -3]],
        "likelihood": ["poisson", "", "bernoulli", ESCAPE],
        "preprocess": ["none", "tfidf", "l2", "os.system", "", ESCAPE],
        "names": [[ESCAPE] * 6, ["a"] * 6, ["a", "b"], ["text"]],
        **{name: [[0.0] * 6, [-1.0] * 6, [1e308] * 6, [1.0]] for name in figures},
    }
    plausible = {("names", 0), ("names", 1), ("shape", 4), ("shape", 5)} | {
        (name, number) for name in figures for number in (0, 1, 2) if "mean" in name
    }
    for name, given in values.items():
        for number, value in enumerate(given):
            yield Mutation(
                f"{name} is {str(value)[:40]!r}",
                with_arrays(lambda a, name=name, value=value: a.update({name: np.array(value)})),
                plausible=(name, number) in plausible
                or name in ("likelihood", "preprocess")
                and value in ("bernoulli", "l2"),
            )


# --- Checkpoints -----------------------------------------------------------------------------


def with_content(change: Callable[[dict], Any]) -> Callable[[Path], None]:
    """Applies a change of what a checkpoint holds."""

    def apply(path: Path) -> None:
        content = torch.load(path, weights_only=True)
        changed = change(content)
        torch.save(content if changed is None else changed, path)

    return apply


def of_checkpoint(base: Base, file: str) -> Iterator[Mutation]:
    """Crafted checkpoints."""
    content = torch.load(base.folder / base.run / file, weights_only=True)
    for name, change in CHECKPOINT_CHANGES.items():
        plausible = name in ("weights of another run", "held is null", "epoch 0", "epoch 1")
        yield Mutation(name, with_content(change), plausible=plausible)
    for key in content:
        without = with_content(lambda c, key=key: void(c.pop(key)))
        yield Mutation(f"without {key}", without, plausible=key == "held")
        for name, value in VALUES.items():
            if key != "epoch" or name not in ("0", "-1"):
                yield Mutation(
                    f"{key} is {name}",
                    with_content(functools.partial(put, path=(key,), value=value)),
                    everywhere=False,
                    plausible=value is None and key in ("held", "optimizer"),
                )
    if content["held"] is not None:
        yield from (
            Mutation(
                name,
                with_content(lambda c, change=change: change(c["held"])),
                plausible=name == "held neighbors vast",
            )
            for name, change in HELD_CHANGES.items()
        )
    if content["optimizer"] is not None:
        yield from (
            Mutation(
                name,
                with_content(lambda c, change=change: change(c["optimizer"])),
                plausible=name in ("a negative step", "a huge rate"),
            )
            for name, change in OPTIMIZER_CHANGES.items()
        )
    yield Mutation("a pickle", lambda path: void(path.write_bytes(pickle.dumps(Pickled()))))
    yield Mutation("a pickle in its archive", lambda path: torch.save({"model": Pickled()}, path))
    yield Mutation("a bomb", pickle_bomb)
    yield Mutation("an archive of arrays", lambda path: np.savez(path.open("wb"), a=np.arange(3)))


def pickle_bomb(path: Path) -> None:
    """Adds a gibibyte of zeros to the archive of a checkpoint."""
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        zipfile.ZipFile(io.BytesIO(bomb("labels"))) as packed,
        packed.open("labels.npy") as source,
        archive.open("archive/data/bomb", "w", force_zip64=True) as target,
    ):
        shutil.copyfileobj(source, target, 2**20)


def first_weight(content: dict) -> tuple[dict, str]:
    weights = content["model"]
    return weights, next(name for name, value in weights.items() if value.ndim == 2)


def change_weight(change: Callable[[torch.Tensor], Any]) -> Callable[[dict], None]:
    """Changes one matrix of the weights."""

    def apply(content: dict) -> None:
        weights, name = first_weight(content)
        weights[name] = change(weights[name])

    return apply


def all_weights(change: Callable[[torch.Tensor], Any]) -> Callable[[dict], None]:
    def apply(content: dict) -> None:
        content["model"] = {name: change(value) for name, value in content["model"].items()}

    return apply


def noise(weight: torch.Tensor) -> torch.Tensor:
    """Other weights of the same shape and scale."""
    generator = torch.Generator().manual_seed(SEED)
    scale = weight.float().std() if weight.numel() > 1 else 0.1
    return (weight + 0.1 * scale * torch.randn(weight.shape, generator=generator)).to(weight.dtype)


CHECKPOINT_CHANGES: dict[str, Callable[[dict], Any]] = {
    "NaN in one weight": change_weight(lambda w: torch.full_like(w, math.nan)),
    "NaN in all weights": all_weights(lambda w: torch.full_like(w, math.nan)),
    "infinite weights": change_weight(lambda w: torch.full_like(w, math.inf)),
    "weights of another run": change_weight(noise),
    "weights of another shape": change_weight(lambda w: w[:-1]),
    "weights transposed": change_weight(lambda w: w.T.contiguous()),
    "weights in float64": change_weight(lambda w: w.double() * 1e300),
    "weights in integers": change_weight(lambda w: torch.ones_like(w, dtype=torch.int64)),
    "weights that are complex": change_weight(lambda w: w.to(torch.complex64)),
    "weights that are sparse": change_weight(lambda w: w.to_sparse()),
    "weights that are a list": change_weight(lambda w: [1.0]),
    "a weight missing": lambda c: void(c["model"].pop(first_weight(c)[1])),
    "a weight too many": lambda c: c["model"].update(color=torch.zeros(2)),
    "a weight's name is a number": lambda c: c["model"].update({3: torch.zeros(2)}),
    "no weights": lambda c: c.update(model={}),
    "epoch 0": lambda c: c.update(epoch=0),
    "epoch 1": lambda c: c.update(epoch=1),
    "epoch -1": lambda c: c.update(epoch=-1),
    "epoch far past the end": lambda c: c.update(epoch=10**9),
    "epoch beyond 64 bits": lambda c: c.update(epoch=10**30),
    "epoch as a tensor": lambda c: c.update(epoch=torch.tensor([1, 2])),
    "a foreign key": lambda c: c.update(color="red"),
    "of another format": lambda c: c.update(format="gammvae checkpoint 99"),
    "digest of other data": lambda c: c.update(digest="0" * 64),
    "digest with escapes": lambda c: c.update(digest=ESCAPE),
    "a list": lambda c: [c],
    "a tensor": lambda c: torch.zeros(3),
    "null": lambda c: [],
    "random state empty": lambda c: c.update(random={}),
    "random state too short": lambda c: c["random"].update(cpu=torch.zeros(3, dtype=torch.uint8)),
    "random state of zeros": lambda c: c["random"].update(cpu=torch.zeros_like(c["random"]["cpu"])),
    "random state all ones": lambda c: c["random"].update(
        cpu=torch.full_like(c["random"]["cpu"], 255)
    ),
    "random state of numbers": lambda c: c["random"].update(cpu=torch.zeros(5056)),
    "random state as text": lambda c: c["random"].update(cpu="text"),
    "held is null": lambda c: c.update(held=None),
}

HELD_CHANGES: dict[str, Callable[[dict], Any]] = {
    "held labels negative": lambda h: h.update(labels=h["labels"] - 1),
    "held labels beyond the clusters": lambda h: h.update(labels=h["labels"] + 100),
    "held labels of other samples": lambda h: h.update(labels=h["labels"][:-1]),
    "held labels in floats": lambda h: h.update(labels=h["labels"].float()),
    "held labels as a matrix": lambda h: h.update(labels=h["labels"][None]),
    "held labels as a list": lambda h: h.update(labels=h["labels"].tolist()),
    "held neighbors negative": lambda h: h.update(n_neighbors=-1),
    "held neighbors vast": lambda h: h.update(n_neighbors=10**9),
    "held neighbors as text": lambda h: h.update(n_neighbors="text"),
    "held resolution NaN": lambda h: h.update(resolution=math.nan),
    "held resolution negative": lambda h: h.update(resolution=-1.0),
    "held without resolution": lambda h: void(h.pop("resolution")),
    "held with a foreign key": lambda h: h.update(color="red"),
}


def states(change: Callable[[dict], Any]) -> Callable[[dict], None]:
    """Changes the optimizer's state of one parameter."""
    return lambda optimizer: void(change(next(iter(optimizer["state"].values()))))


OPTIMIZER_CHANGES: dict[str, Callable[[dict], Any]] = {
    "optimizer empty": lambda o: o.clear(),
    "optimizer without groups": lambda o: o.update(param_groups=[]),
    "optimizer without state": lambda o: void(o.pop("state")),
    "optimizer with a state of text": lambda o: o.update(state="text"),
    "optimizer of other parameters": lambda o: o["param_groups"][0].update(params=[0]),
    "moments of another shape": states(lambda s: s.update(exp_avg=torch.zeros(1, 2, 3))),
    "moments NaN": states(lambda s: s.update(exp_avg=torch.full_like(s["exp_avg"], math.nan))),
    "moments missing": states(lambda s: s.pop("exp_avg")),
    "moments as text": states(lambda s: s.update(exp_avg="text")),
    "a negative step": states(lambda s: s.update(step=torch.tensor(-5.0))),
    "a step of text": states(lambda s: s.update(step="text")),
    "a rate of text": lambda o: o["param_groups"][0].update(lr="text"),
    "a rate that is NaN": lambda o: o["param_groups"][0].update(lr=math.nan),
    "a huge rate": lambda o: o["param_groups"][0].update(lr=0.5),
    "rates of text": lambda o: o["param_groups"][0].update(betas="text"),
}


# --- Links in a folder that somebody sent ----------------------------------------------------

PLANTED = (
    *(".config.yaml.tmp", ".result.json.tmp", ".metrics.jsonl.tmp", ".report.html.tmp"),
    *(".train.pt.tmp", ".data.npz.tmp", ".status.json.tmp", ".generation.json.tmp"),
    *(".assignments.npz", ".assignments.npz.tmp", ".digests.json.tmp", ".samples.npz.tmp"),
    *("run.log", ".lock", "report.html", "assignments.npz", "samples.npz", "generation.json"),
    *("../out/.report.html.tmp", "../out/.samples.npz.tmp", "../out/.samples.csv.tmp"),
    *("../out/.p.npz.tmp", "../out/.p.npz.parts", "../out/p.npz", "../out/report.html"),
)


def of_links() -> Iterator[Mutation]:
    """Links to a file outside, under names that a command writes to."""
    for name in PLANTED:
        yield Mutation(
            f"{name} is a link",
            functools.partial(plant, name=name),
            plausible=not name.startswith("."),
        )


def plant(path: Path, name: str) -> None:
    target = path.parent / name
    target.unlink(missing_ok=True)
    target.symlink_to(root_of(path) / "outside" / "mine.txt")


# --- Cases -----------------------------------------------------------------------------------


class Case(NamedTuple):
    """One changed file, and one command."""

    base: Base
    file: str
    mutation: Mutation
    command: str
    sealed: bool


# What reads a file: commands by run, the run that the file's changes are made for first.
READ_BY: dict[str, dict[str, tuple[str, ...]]] = {
    "config.yaml": {
        "gammvae": (
            *("evaluate", "report", "sample", "predict", "table", "train", "export", "track"),
        ),
        "kmeans": ("evaluate", "overwrite", "report"),
        "interrupted": ("train", "table"),
    },
    "result.json": {
        "gammvae": (
            *("evaluate", "report", "sample", "predict", "table", "train", "export", "track"),
        ),
        "sweep": ("train", "table"),
    },
    "metrics.jsonl": {
        "interrupted": ("train",),
        "gammvae": ("report", "track"),
        "pretraining": ("train",),
    },
    "status.json": {"interrupted": ("table", "train", "track")},
    "generation.json": {"gammvae": ("report",)},
    "data.npz": {"gammvae": ("sample", "predict")},
    "assignments.npz": {
        "gammvae": ("report", "train", "generation", "export"),
        "sweep": ("train",),
    },
    "train.pt": {
        "interrupted": ("train",),
        "gammvae": ("evaluate", "report", "sample", "predict"),
        "dec": ("evaluate", "report"),
    },
    "pretrain.pt": {"pretraining": ("train",), "ae_kmeans": ("evaluate", "report")},
    DIGESTS: {"gammvae": ("evaluate", "report", "train", "predict")},
    "links": {
        "interrupted": ("train",),
        "gammvae": ("report", "generation", "sample", "predict", "train"),
    },
}
# Of the changes of a second run, and of those of single values, this many.
SHARE_OF_SECOND = {"train.pt": 0.6, "config.yaml": 0.1, "links": 1.0}
SHARE_OF_VALUES = {"config.yaml": 0.2, "result.json": 0.3, "generation.json": 0.25}
MOST_COMMANDS = {"links": 5}


def mutations(file: str, base: Base, bases: dict[str, Base], address: str) -> Iterator[Mutation]:
    """All changes of one file."""
    if file == "links":
        yield from of_links()
        return
    path = base.folder / base.run / file
    yield from of_bytes(file)
    others = [other for other in bases.values() if other.name != base.name]
    for other in others[:4]:
        if (source := other.folder / other.run / file).exists():
            yield Mutation(
                f"that of {other.name}",
                lambda path, source=source: void(shutil.copyfile(source, path)),
                plausible=True,
                everywhere=False,
            )
    if path.suffix == ".json":
        yield from of_json(file)
        yield from of_tree(json.loads(path.read_text()), file)
    if file == "config.yaml":
        yield from of_tree(yaml.safe_load(path.read_text()), file)
        yield from of_config(bases, address)
    elif file == "result.json":
        yield from of_figures(json.loads(path.read_text()))
    elif file == "metrics.jsonl":
        yield from of_lines([json.loads(line) for line in path.read_text().splitlines()])
    elif file == "status.json":
        yield from of_status()
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            names = list(arrays)
        yield from of_arrays(names)
        if file == "assignments.npz":
            yield from of_assignments()
        else:
            yield from of_facts([name for name in names if "." in name])
    elif path.suffix == ".pt":
        yield from of_checkpoint(base, file)


def cases(file: str, bases: dict[str, Base], address: str) -> Iterator[Case]:
    """All cases of one file: seeded choices where everything with everything were too much."""
    rng = random.Random(f"{SEED} {file}")
    for position, (name, commands) in enumerate(READ_BY[file].items()):
        base = bases[name]
        if file != "links" and not (base.folder / base.run / file).exists():
            continue
        for number, mutation in enumerate(mutations(file, base, bases, address)):
            of_values = " is " in mutation.name and not mutation.everywhere
            share = SHARE_OF_VALUES.get(file, 0.4) if of_values else 1.0
            if rng.random() > (share * SHARE_OF_SECOND.get(file, 0.2) if position else share):
                continue
            everywhere = mutation.everywhere and (not position or file == "links")
            several = MOST_COMMANDS.get(file, 2) if everywhere else 1
            for command in rng.sample(commands, min(several, len(commands))):
                yield Case(base, file, mutation, command, number % 2 == 0)


def seal(run_folder: Path, file: str) -> None:
    """Makes the digest that is kept of a file that of its present content."""
    kept, path = run_folder / DIGESTS, run_folder / file
    if kept.is_file() and path.is_file() and not path.is_symlink():
        digests = json.loads(kept.read_text())
        if file in digests:
            digests[file] = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
            kept.write_text(json.dumps(digests))


# --- What must hold --------------------------------------------------------------------------


def snapshot(folder: Path) -> dict[str, str]:
    """Everything below a folder, with what is in it."""
    found = {}
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(parent) / name
            if path.is_symlink():
                what = f"link to {os.readlink(path)}"
            elif path.is_file():
                what = hashlib.sha256(path.read_bytes()).hexdigest()
            else:
                what = "folder" if path.is_dir() else "other"
            found[str(path.relative_to(folder))] = what
    return found


class Judge:
    """Runs cases and says what is wrong with each.

    Args:
        work: A folder for the copies.
        address: Of the server that nobody may ask.
    """

    def __init__(self, work: Path, address: str) -> None:
        self.work, self.address = work, address
        self.right: dict[tuple[str, str], list[Any]] = {}

    def reference(self, base: Base, command: str) -> list[Any]:
        """What a command answers on the folder as it is; several if it could do more or less."""
        key = base.name, command
        if key not in self.right:
            folder = self.copy(base)
            done = self.call(base, command, folder)
            assert done.code == 0, (key, done.err)
            self.right[key] = [answer(command, base, folder, done.out)]
            if "is finished" in done.out and base.name != "sweep":
                self.right[key].append(answer(command, base, folder, ""))
        return self.right[key]

    def copy(self, base: Base) -> Path:
        folder = self.work / "case"
        shutil.rmtree(folder, ignore_errors=True)
        return Path(shutil.copytree(base.folder, folder, symlinks=True))

    def call(self, base: Base, command: str, folder: Path) -> Outcome:
        return run(COMMANDS[command](base), folder, mirror=own(self.address))

    def __call__(self, case: Case) -> str | None:
        """What is wrong with a case, or ``None``."""
        right = self.reference(case.base, case.command)
        folder = self.copy(case.base)
        run_folder = folder / case.base.run
        case.mutation.apply(run_folder / ("config.yaml" if case.file == "links" else case.file))
        if case.sealed and case.file != DIGESTS:
            seal(run_folder, case.file)
        before = snapshot(folder)
        Canary.seen.clear()
        done = self.call(case.base, case.command, folder)
        faults = [
            *unsafe(case, before, snapshot(folder), done, self.address),
            *(refusal(case, done) if done.code else self.wrong(case, right, folder, done)),
        ]
        return "; ".join(faults) or None

    def wrong(self, case: Case, right: list[Any], folder: Path, done: Outcome) -> Iterator[str]:
        """Whether a command that went well came to something else than it should."""
        if case.mutation.plausible:
            return
        if case.command in ("evaluate", "generation") and "figures differ" in done.out:
            return
        try:
            found = answer(case.command, case.base, folder, done.out)
        except Exception as error:
            yield f"WRONG ANSWER: what it wrote cannot be read, {error!r}"
            return
        if found not in right:
            yield "WRONG ANSWER, without a word"


def refusal(case: Case, done: Outcome) -> Iterator[str]:
    """Whether a command that did not go well said so as it should."""
    lines = done.err.splitlines()
    if "Traceback" in done.err:
        at = [line.strip() for line in lines if line.startswith('  File "')][-1:]
        where = re.sub(r'File ".*/([^/]+/[^/]+)", line (\d+), in (.*)', r"\1:\2 \3", "".join(at))
        yield f"TRACEBACK {last(lines)[:150]} ({where})"
    elif done.code == -signal.SIGALRM:
        yield f"HANGS for more than {SECONDS} s"
    elif done.code < 0:
        yield f"KILLED by {signal.Signals(-done.code).name}"
    elif done.code != 2:
        yield f"EXIT CODE {done.code}: {last(lines)[:150]}"
    elif [line.startswith("gammvae: ") for line in lines].count(True) != 1:
        yield f"NOT ONE LINE: {done.err[-300:]!r}"
    elif not last(lines).startswith("gammvae: "):
        yield f"MORE LINES AFTER: {last(lines)[:150]}"
    elif not any(name in last(lines) for name in named(case)):
        yield f"NAMES NO FILE: {last(lines)[:200]}"
    elif len(last(lines)) > 2000:
        yield f"A LINE OF {len(last(lines))} CHARACTERS"


def last(lines: list[str]) -> str:
    return lines[-1] if lines else ""


def named(case: Case) -> tuple[str, ...]:
    """What a refusal may name: the file, the run's folder, what a crafted case is about."""
    return case.file, case.base.run, *case.mutation.also


def unsafe(
    case: Case, before: dict[str, str], after: dict[str, str], done: Outcome, address: str
) -> Iterator[str]:
    """Whether anything was executed, told, requested, lost or written elsewhere."""
    shown = done.out + done.err
    if "canary" in after:
        yield "EXECUTED"
    if SECRET in shown or any(SECRET in path for path in Canary.seen):
        yield "TOLD the environment"
    if strange := [path for path in Canary.seen if not path.startswith("/own/")]:
        yield f"REQUESTED {strange[0]}"
    if control := {one for one in shown if unicodedata.category(one) == "Cc"} - {"\n", "\t"}:
        yield f"PRINTED {sorted(control)}"
    run_folder = case.base.run.partition("/")[0]
    names = sorted(before.keys() | after.keys())
    changed = [name for name in names if before.get(name) != after.get(name)]
    if elsewhere := [name for name in changed if name.split("/")[0] not in (run_folder, *PLACES)]:
        yield f"WROTE OUTSIDE: {', '.join(elsewhere)}"
    inside = [name for name in changed if name.split("/")[0] == run_folder]
    unexpected = [name for name in inside if Path(name).name not in NOTES and name != run_folder]
    if done.code and unexpected:
        yield f"REFUSED AND CHANGED: {', '.join(unexpected)}"
    elif not done.code and case.command in READ_ONLY and unexpected:
        yield f"READ AND CHANGED: {', '.join(unexpected)}"
    elif not done.code and (lost := [name for name in unexpected if name not in after]):
        yield f"LOST: {', '.join(lost)}"


PLACES = ("out", "data")  # where a command may write


def violations(found: list[Case], judge: Judge) -> list[str]:
    """A line for every case that does not end as it should."""
    lines = []
    for case in found:
        if fault := judge(case):
            run_name = f"{case.file} of {case.base.name}"
            lines.append(f"{run_name}, {case.mutation.name}: {case.command}: {fault}")
    return lines


def check(found: list[Case], judge: Judge, what: str) -> None:
    lines = violations(found, judge)
    print(f"\n{what}: {len(found)} inputs, {len(lines)} violations", flush=True)
    assert not lines, f"{len(lines)} of {len(found)} inputs:\n" + "\n".join(lines)


@pytest.fixture(scope="module")
def judge(tmp_path_factory, address) -> Judge:
    return Judge(tmp_path_factory.mktemp("judge"), address)


@pytest.mark.slow
@pytest.mark.parametrize("file", READ_BY)
def test_what_is_damaged_is_refused_or_does_not_matter(file, bases, judge):
    found = list(cases(file, bases, judge.address))
    if not found:
        pytest.skip(f"no run has {file}")
    check(found, judge, file)


def test_a_few_of_them(bases, judge):
    """Some cases of every file with the commands that take no time."""
    found = []
    for file in READ_BY:
        quick = [one for one in cases(file, bases, judge.address) if one.command in QUICK]
        found += random.Random(SEED).sample(quick, min(FEW, len(quick)))
    check(found, judge, "a few of them")


QUICK, FEW = ("evaluate", "sample", "predict", "table"), 5
