"""A table as CSV: one line per dataset, row and metric, in full precision."""

import csv
import io
from collections.abc import Sequence

from gammvae.tables.grids import SHARES
from gammvae.tables.published import AllPublished, Published
from gammvae.tables.results import Cells, cell, origins

HEADER = ("dataset", "model", "metric", "n", "mean", "std", "min", "max", "seeds", "computed")
OF_OTHERS = ("published", "published_std", "published_seeds", "published_source")


def to_csv(
    cells: Cells,
    rows: Sequence[str],
    datasets: Sequence[str],
    metrics: Sequence[str],
    published: AllPublished,
) -> str:
    """CSV of all cells that have a value, or a published one.

    Shares such as ACC are numbers from 0 to 1, published ones as well. A cell with several
    published figures has a line for each.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(HEADER + (OF_OTHERS if published else ()))
    for dataset in datasets:
        for row in rows:
            for metric in metrics:
                ours = figures(cells, row, dataset, metric)
                others = [
                    of_others(one)
                    for one in published.get((row, dataset), ())
                    if one.metric == metric
                ]
                if not ours and not others:
                    continue
                for other in others or [("",) * len(OF_OTHERS) if published else ()]:
                    blank = ("0", *("",) * 6)
                    writer.writerow((dataset, row, metric, *(ours or blank), *other))
    return file.getvalue()


def figures(cells: Cells, row: str, dataset: str, metric: str) -> tuple[object, ...]:
    """The values of one line from ``n`` to ``computed``; empty if no run has the metric."""
    runs = cells.get((row, dataset), [])
    value = cell(runs, metric)
    if value is None:
        return ()
    numbers = value.values.values()
    seeds = " ".join(map(str, sorted(value.values)))
    made = " | ".join(sorted({str(one) for one in origins(runs)}))
    return (len(numbers), value.mean, value.std, min(numbers), max(numbers), seeds, made)


def of_others(one: Published) -> tuple[object, ...]:
    """The values of a published figure, as shares."""
    assert one.metric in SHARES
    share = [None if value is None else round(value / 100, 8) for value in (one.value, one.std)]
    return (*share, one.seeds, one.source)
