"""The choice of the number of clusters as text."""

from collections.abc import Iterator
from typing import Any

from gammvae.initialization.number import STABLE
from gammvae.runs.records import Choice
from gammvae.tables.summary import table

FIGURES = ("recovery", "weakest", "agreement", "modularity", "silhouette")


def told(choice: Choice) -> Iterator[str]:
    """Yields the figures of all candidates and the choice, in lines."""
    candidates: list[Any] = list(choice["candidates"])
    rows = [
        [
            str(one["n_clusters"]),
            *("-" if one[name] is None else f"{one[name]:.3f}" for name in FIGURES),
        ]
        for one in candidates
    ]
    yield from table(("clusters", *FIGURES), rows).splitlines()
    yield from conclusion(choice)


def conclusion(choice: Choice) -> Iterator[str]:
    """Yields sentences about the choice, its runners-up, and whether the data support it."""
    yield f"n_clusters={choice['n_clusters']} is chosen, {reason(choice)}"
    if choice["runners_up"]:
        yield f"nearly as good: {', '.join(map(str, choice['runners_up']))}"
    if not choice["supported"]:
        yield (
            f"the data do not support this or any other number: clusters with a recovery below "
            f"{STABLE} depend on which samples there are"
        )


def reason(choice: Choice) -> str:
    """Why a number was chosen, in words."""
    best = max(choice["candidates"], key=lambda one: one["recovery"])
    mine = next(one for one in choice["candidates"] if one["n_clusters"] == choice["n_clusters"])
    if best is mine:
        return f"whose clusters are recovered best in subsamples ({mine['recovery']:.3f})"
    return (
        f"the smallest whose recovery in subsamples ({mine['recovery']:.3f}) is nearly that of the "
        f"best ({best['recovery']:.3f} for {best['n_clusters']})"
    )
