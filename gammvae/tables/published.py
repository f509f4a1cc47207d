"""Figures that others have published, beside those of our own runs."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gammvae.tables.formats import Entry, Grid
from gammvae.tables.grids import NAMES, figure, marks, origins_of
from gammvae.tables.results import Cells, cell


class Published(NamedTuple):
    """A published figure.

    Attributes:
        metric: ``acc``, ``nmi`` or ``ari``.
        value: The figure, or its mean over seeds, in percent.
        source: Where it was published.
        std: Standard deviation over seeds in percent, if that is given.
        seeds: Number of seeds, if that is given.
    """

    metric: str
    value: float
    source: str
    std: float | None = None
    seeds: int | None = None


# By row and dataset.
AllPublished = Mapping[tuple[str, str], Sequence[Published]]


def beside_ours(
    cells: Cells,
    rows: Sequence[str],
    datasets: Sequence[str],
    metrics: Sequence[str],
    published: AllPublished,
) -> Grid | None:
    """A table with a line for every published figure; ``None`` if there is none to show."""
    made, lines = origins_of(cells, rows, datasets), []
    for dataset in datasets:
        for row in rows:
            shown = [one for one in published.get((row, dataset), ()) if one.metric in metrics]
            for one in sorted(shown, key=lambda one: metrics.index(one.metric)):
                value = cell(cells.get((row, dataset), []), one.metric)
                ours = figure(value, one.metric, marks(cells, row, dataset, value, made))
                names = Entry(dataset), Entry(row), Entry(NAMES[one.metric])
                n = Entry(str(len(value.values) if value else 0))
                lines.append([*names, ours, n, *entries(one)])
    header = ["dataset", "model", "metric", "ours", "seeds", "published", "seeds", "source"]
    return Grid(header, lines, [], long=header.index("source")) if lines else None


def entries(one: Published) -> list[Entry]:
    """The value, the number of seeds and the source of a published figure."""
    std = "" if one.std is None else f"{one.std:.2f}"
    return [Entry(f"{one.value:.2f}", std), Entry(str(one.seeds or "-")), Entry(one.source)]
