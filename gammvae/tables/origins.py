"""What the runs of a table were computed with, and the letters that mark those that differ.

Figures of another device, precision or version differ by more than rounding, so they do not share a
table unmarked. Most runs have one origin, which a note below the table names; a cell of any other
origin, or of several, gets a letter.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from string import ascii_lowercase
from typing import NamedTuple

from gammvae.runs.records import Result


class Origin(NamedTuple):
    """What a run was computed with, as words of a note.

    Attributes:
        device: Kind of device, such as ``on cuda``.
        machine: Name of the processor or GPU; empty if the run has not noted it.
        precision: Precision of the networks, such as ``in float32``.
        threads: ``with one thread`` or ``with several threads``, whose sums have another order.
        torch: Version of torch, such as ``torch 2.9.0``.
        gammvae: Version of gammvae, such as ``gammvae 0.1.0``.
        commit: Such as ``commit 24c29d6``; empty if the run has not noted it.
    """

    device: str
    machine: str
    precision: str
    threads: str
    torch: str
    gammvae: str
    commit: str

    def __str__(self) -> str:
        return ", ".join(filter(None, self))


def origin_of(result: Result) -> Origin:
    """The origin of a finished run."""
    versions = result["versions"]
    return Origin(
        f"on {result['device'].partition(':')[0]}",
        result.get("machine", ""),
        f"in {result['precision']}",
        "with one thread" if result["threads"] == 1 else "with several threads",
        f"torch {versions['torch']}",
        f"gammvae {versions['gammvae']}",
        f"commit {versions['commit']}" if "commit" in versions else "",
    )


class Origins:
    """The origins of the cells of a table.

    Args:
        cells: The origins of the runs of each cell, in the order of the table.
    """

    def __init__(self, cells: Iterable[Iterable[Origin]]) -> None:
        cells = [list(cell) for cell in cells]
        counted = Counter(origin for cell in cells for origin in cell)
        self.usual = counted.most_common(1)[0][0] if counted else None
        others = dict.fromkeys(frozenset(cell) for cell in cells if set(cell) - {self.usual})
        self.letters = {kinds: letter(number) for number, kinds in enumerate(others)}

    def mark(self, cell: Iterable[Origin]) -> str:
        """The letter of a cell; empty if all its runs have the usual origin."""
        return self.letters.get(frozenset(cell), "")

    def notes(self) -> Iterator[str]:
        """Yields the usual origin, and for each letter what differs from it."""
        if self.usual is None:
            return
        yield f"computed {self.usual}"
        for kinds, mark in self.letters.items():
            texts = sorted(differing(kind, {*kinds, self.usual}) for kind in kinds)
            several = "seeds computed " if len(texts) > 1 else ""
            yield f"{mark} {several}{' and others '.join(texts)}"


def differing(origin: Origin, others: Iterable[Origin]) -> str:
    """What an origin does not have in common with all the others."""
    columns = zip(origin._fields, origin, *others, strict=True)
    return ", ".join(
        mine or f"{name} not noted" for name, mine, *theirs in columns if set(theirs) != {mine}
    )


def letter(number: int) -> str:
    """A footnote letter: a to z, then a1 and so on."""
    return ascii_lowercase[number % 26] + (str(number // 26) if number >= 26 else "")
