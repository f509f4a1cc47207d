"""The choice of the number of clusters as text."""

from collections.abc import Iterator
from typing import Any

from gammvae.initialization.number import NEARLY, STABLE
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


def unsupported(choice: Choice) -> Iterator[str]:
    """Yields a short sentence for the end of a run if the data support no number."""
    if not choice["supported"]:
        yield (
            f"the data support none of the numbers of clusters that were tried: n_clusters="
            f"{choice['n_clusters']} was chosen nevertheless"
        )


def conclusion(choice: Choice) -> Iterator[str]:
    """Yields sentences about the choice, its runners-up, and whether the data support it."""
    chosen, tried = choice["n_clusters"], choice["candidates"]
    mine = next(one for one in tried if one["n_clusters"] == chosen)
    if choice["supported"]:
        yield (
            f"n_clusters={chosen} is chosen, the largest whose clusters are all stable: even the "
            f"weakest is found in random parts of the samples, too (mean Jaccard index "
            f"{mine['weakest']:.3f}; at least {STABLE}, and nearly the best, is called stable)"
        )
    else:
        yield (
            "the data do not support any of the numbers that were tried: with each, the weakest "
            f"cluster is not found in random parts of the samples (below {STABLE})"
        )
        yield (
            f"n_clusters={chosen} is chosen nevertheless, the smallest whose mean recovery "
            f"({mine['recovery']:.3f}) is within {NEARLY} of the best"
        )
    if choice["runners_up"]:
        yield f"runners-up: {', '.join(map(str, choice['runners_up']))}"
    if chosen == tried[-1]["n_clusters"]:
        yield "this is the largest number that was tried: more may be as good"
