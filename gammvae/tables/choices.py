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
    chosen, tried = choice["n_clusters"], choice["candidates"]
    mine = next(one for one in tried if one["n_clusters"] == chosen)
    if choice["supported"]:
        yield (
            f"n_clusters={chosen} is chosen, the largest whose clusters are all stable: each is "
            f"found in subsamples with a mean Jaccard index of at least {STABLE}"
        )
    else:
        yield (
            f"the data do not support any number of clusters: for every one, a cluster depends on "
            f"which samples there are (recovery below {STABLE})"
        )
        yield (
            f"n_clusters={chosen} is chosen, the smallest with nearly the best mean recovery "
            f"({mine['recovery']:.3f})"
        )
    if choice["runners_up"]:
        yield f"runners-up: {', '.join(map(str, choice['runners_up']))}"
    if chosen == tried[-1]["n_clusters"]:
        yield "this is the largest number that was tried: more may be as good"
