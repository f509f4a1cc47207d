"""What ``gammvae train`` can be given: settings, groups and their options, and values.

It is read from the files of ``conf/``, because a shell that completes a word cannot wait until
Hydra is imported.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gammvae.config.candidates import AUTO
from gammvae.config.groups import groups, packaged
from gammvae.config.ranges import RULES

GLOBAL = "# @package _global_"
# Parts of the files that are no settings of a run, or not given on the command line.
NO_SETTINGS = ("defaults", "hydra", "loader", "about")
LAUNCHER = "hydra/launcher"
# A word in the list of values that a rule allows.
VALUE = re.compile(r"[\w.-]+")


class Known:
    """Settings and groups.

    Args:
        own: The user's own folder of configurations, or ``None``.
    """

    def __init__(self, own: Path | None = None) -> None:
        self.packaged = packaged()
        self.folders = [self.packaged, *([own] if own else [])]

    def groups(self) -> list[str]:
        """Names of the groups, sorted."""
        return [*groups(), LAUNCHER]

    def options(self, group: str) -> dict[str, str]:
        """Options of a group, ``tables`` or ``search``, and the first sentence of their files."""
        files = sorted(path for folder in self.folders for path in (folder / group).glob("*.yaml"))
        found = {path.stem: sentence(path.read_text(errors="replace")) for path in files}
        return {"joblib": "Runs several jobs at a time"} | found if group == LAUNCHER else found

    def settings(self) -> dict[str, Any]:
        """Values of the settings in the files, by dotted name, sorted."""
        import yaml

        found: dict[str, Any] = {}
        groups = (self.packaged / group for group in self.groups() if group != LAUNCHER)
        for path in [self.packaged / "train.yaml", *(p for g in groups for p in g.glob("*.yaml"))]:
            text = path.read_text()
            top = path.parent == self.packaged or text.startswith(GLOBAL)
            tree = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) or {}
            found |= leaves(tree, "" if top else f"{path.parent.name}.")
        # training may have an optimizer of its own
        found |= {f"train.{name}": found[name] for name in found if name.startswith("optimizer.")}
        return dict(sorted(found.items()))

    def values(self, setting: str) -> list[str]:
        """The values of a setting that has only some; an empty list for any other."""
        if setting.endswith("n_clusters"):
            return [AUTO]
        if rule := RULES.get(setting):
            return allowed(rule.text)
        return ["true", "false"] if isinstance(self.settings().get(setting), bool) else []


def leaves(tree: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Yields the dotted names of settings and their values."""
    for name, value in tree.items():
        if name in NO_SETTINGS:
            continue
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def allowed(text: str) -> list[str]:
    """The values in a text such as ``null or one of auto, cpu, cuda:N``, of which ``N`` is open."""
    before, found, names = text.partition("one of ")
    values = re.split(r", | or ", names) if found else []
    return ["null"] * ("null" in before) + [one for one in values if VALUE.fullmatch(one)]


def sentence(text: str) -> str:
    """The first sentence of the comment at the top of a file."""
    lines = text.removeprefix(GLOBAL).lstrip().splitlines()
    comment: Sequence[str] = []
    for line in lines:
        if not line.startswith("#"):
            break
        comment = [*comment, line.lstrip("# ")]
    return re.split(r"(?<!et al)[.:;](?: |$)", " ".join(comment))[0]
