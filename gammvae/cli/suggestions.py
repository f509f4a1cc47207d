"""What the word that is being typed can become, for the completion of shells.

Every key press waits for this, so neither torch nor Hydra is imported.
"""

import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from gammvae.cli.known import Known, allowed
from gammvae.runs.contents import CONFIG
from gammvae.system.paths import user_path

Suggestions = dict[str, str]  # descriptions, some of them empty, by the whole word

# The keys of ``main.COMMANDS``, which imports this.
COMMANDS = (
    *("train", "evaluate", "sample", "predict", "export", "report", "datasets", "table", "track"),
    *("reproduce", "search", "completion"),
)
TAKES_RUNS = ("evaluate", "sample", "predict", "export", "report", "track")
FLAGS = {"--help": "list the commands", "--version": "print the version"}
CONFIG_DIR = ("--config-dir", "-cd")
TRAIN_FLAGS = {
    "-m": "all combinations of values",
    "--multirun": "all combinations of values",
    "--config-dir": "folder of your own files",
    "--cfg": "show the configuration",
    "--help": "list all settings",
}
DATASETS_WORDS = {"list": "all datasets", "fetch": "download", "check": "verify the files"}
SHELLS = ("bash", "zsh", "fish")
DEVICES = ("auto", "cpu", "cuda", "mps")
# Most folders that are looked into for runs.
MOST_FOLDERS = 3000


def suggestions(words: Sequence[str]) -> dict[str, str]:
    """What the last word can become, with descriptions.

    Args:
        words: The words after ``gammvae``; the last one is being typed and may be empty.
    """
    current = words[-1]
    if len(words) == 1:
        commands = {name: module_of(name).SUMMARY for name in COMMANDS}
        found: Suggestions = FLAGS if current.startswith("-") else commands
    else:
        found = of_command(words[0], words[1:-1], current)
    return {word: text for word, text in found.items() if word.startswith(current)}


def of_command(command: str, before: Sequence[str], current: str) -> Suggestions:
    """What a word after a command can become, whether it begins like the current one or not."""
    known = Known(own_folder(before))
    if command not in COMMANDS or (before and before[-1] in CONFIG_DIR):
        return {}
    if current.startswith("-"):
        return flags(command)
    key, equals, typed = current.partition("=")
    if command in ("train", "datasets") and equals:
        return of_setting(known, key, typed)
    if command == "train":
        names = {f"{name}=": "" for name in known.settings()}
        return names | {f"{group}=": "" for group in known.groups()}
    settings = module_of(command).settings()
    if equals and key in settings:
        kept = typed[: typed.rfind(",") + 1] if command == "reproduce" else ""
        values = of_description(settings[key]) or list(known.options(key))
        return {f"{key}={kept}{value}": "" for value in values}
    if command == "search" and equals:  # settings of all trials
        return of_setting(known, key, typed)
    return {f"{name}=": text for name, text in settings.items()} | others(command, known, current)


def module_of(command: str) -> Any:  # noqa: ANN401 - see ``main.Command``
    """The module of a command."""
    return import_module(f"gammvae.cli.{command}")


def flags(command: str) -> Suggestions:
    """The flags of a command."""
    if command == "train":  # its parser is Hydra's
        return TRAIN_FLAGS
    actions = module_of(command).parser()._actions
    return {
        max(one.option_strings, key=len): one.help or "" for one in actions if one.option_strings
    }


def others(command: str, known: Known, current: str) -> Suggestions:
    """What a command takes besides flags and settings, where that can be listed."""
    if command in TAKES_RUNS:
        return dict.fromkeys(runs(current), "")
    if command == "datasets":
        return DATASETS_WORDS | known.options("dataset")
    if command == "reproduce":
        return {"all": "all tables"} | known.options("tables")
    if command == "search":
        return known.options("search") | {f"{name}=": "" for name in known.settings()}
    return dict.fromkeys(SHELLS, "") if command == "completion" else {}


def of_setting(known: Known, key: str, typed: str) -> Suggestions:
    """Words that give a setting of ``train`` a value; after a comma, another one for a sweep."""
    kept = typed[: typed.rfind(",") + 1]
    group = key.lstrip("+").partition("@")[0]  # as in +optimizer@train.optimizer=sgd
    if group in known.groups():
        options = known.options(group)
    else:
        options = dict.fromkeys(known.values(key), "")
    return {f"{key}={kept}{option}": text for option, text in options.items()}


def of_description(text: str) -> list[str]:
    """The values of a setting that its description lists."""
    if "cuda:N" in text:
        return list(DEVICES)
    if re.search(r"\b(?:true|false)\b", text, re.IGNORECASE):
        return ["true", "false"]
    return allowed(text)


def own_folder(before: Sequence[str]) -> Path | None:
    """The user's own folder of configurations, if the words so far name one."""
    for flag, value in zip(before, before[1:], strict=False):
        if flag in CONFIG_DIR:
            return user_path(value)
    return None


def runs(typed: str) -> Iterator[str]:
    """Yields run directories whose path may begin with what is typed, near ones first."""
    start = typed[: typed.rfind("/") + 1]
    waiting = deque([start])
    for _ in range(MOST_FOLDERS):
        if not waiting:
            return
        folder = waiting.popleft()
        try:
            with os.scandir(user_path(folder or ".")) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            continue
        if folder and any(entry.name == CONFIG for entry in inside):
            yield folder.rstrip("/")
            continue
        for entry in inside:
            path = f"{folder}{entry.name}"
            fits = path.startswith(typed) or typed.startswith(f"{path}/")
            if fits and not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                waiting.append(f"{path}/")
