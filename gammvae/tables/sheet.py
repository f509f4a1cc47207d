"""A table with everything that its files show."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gammvae.system.writing import refuse_replacing, write_text
from gammvae.tables import about
from gammvae.tables.formats import Grid, listed, to_markdown, to_terminal
from gammvae.tables.grids import by_dataset, by_metric, comparisons
from gammvae.tables.latex import to_latex
from gammvae.tables.lines import to_csv
from gammvae.tables.published import AllPublished, beside_ours
from gammvae.tables.ranking import Ranking
from gammvae.tables.results import EFFORT, Cells

FORMATS = (".csv", ".md", ".tex")
NONE: Mapping[Any, Any] = {}


class Sheet(NamedTuple):
    """A table, and the comparisons that belong to it.

    Attributes:
        cells: Runs by row and dataset.
        rows: Rows to show, in this order.
        datasets: Datasets to show, in this order.
        metrics: Metrics to show.
        compared: Two rows to compare, or ``None``.
        columns: ``datasets`` for a grid of each metric with a column for every dataset, ``metrics``
            for one grid with a column for every metric.
        published: Figures of others, shown beside those of the cells.
        title: Text above the table; empty for none.
        rankings: Rankings of the rows, shown below all figures.
        about: One sentence about each row, or some of them, at the end.
        only_begun: Whether a note names rows and datasets without any run, which otherwise are
            shown without a figure.
    """

    cells: Cells
    rows: Sequence[str]
    datasets: Sequence[str]
    metrics: Sequence[str]
    compared: Sequence[str] | None = None
    columns: str = "metrics"
    published: AllPublished = NONE
    title: str = ""
    rankings: Sequence[Ranking] = ()
    about: Mapping[str, str] = NONE
    only_begun: bool = False

    def grids(self) -> list[Grid]:
        """The grids, in the order in which the files show them."""
        shown = self.rows, self.datasets
        grids = self.grids_of_ours()
        others = beside_ours(self.cells, *shown, self.metrics, self.published)
        grids += [others] if others else []
        tested = [metric for metric in self.metrics if metric not in EFFORT] or self.metrics
        for metric in tested if self.compared else ():
            first, second = self.compared or ()
            grids.append(comparisons(self.cells, first, second, self.datasets, metric))
        return grids + [ranking.grid() for ranking in self.rankings]

    def grids_of_ours(self) -> list[Grid]:
        """The grids of the cells."""
        rows, datasets, others = self.rows, self.datasets, list[str]()
        if self.only_begun and self.cells:
            with_runs = [set(names) for names in zip(*self.cells, strict=True)]
            rows, datasets = (
                [name for name in names if name in begun]
                for names, begun in zip((rows, datasets), with_runs, strict=True)
            )
            others = [name for name in self.datasets if name not in datasets]
            others += [name for name in self.rows if name not in rows]
        if self.columns == "datasets":
            grids = [by_dataset(self.cells, rows, datasets, metric) for metric in self.metrics]
        else:
            grids = [by_metric(self.cells, rows, datasets, self.metrics)]
        if others:
            note = f"not run yet: {listed(others)}"
            grids[0] = grids[0]._replace(notes=[*grids[0].notes, note])
        return grids

    def to_terminal(self) -> str:
        """The table as it is printed."""
        parts = [self.title, *map(to_terminal, self.grids()), about.to_terminal(self.about)]
        return "\n\n".join(filter(None, parts))

    def text(self, ending: str) -> str:
        """The content of a file.

        Args:
            ending: One of ``FORMATS``.
        """
        if ending == ".csv":
            shown = self.rows, self.datasets, self.metrics
            return to_csv(self.cells, *shown, self.published)
        head = {".md": "# {}\n\n", ".tex": "% {}\n"}[ending].format(self.title)
        form, notes = {
            ".md": (to_markdown, about.to_markdown),
            ".tex": (to_latex, about.to_latex),
        }[ending]
        parts = [*map(form, self.grids()), *([notes(self.about)] if self.about else [])]
        return (head if self.title else "") + "\n".join(parts)

    def write(self, outputs: Sequence[Path]) -> None:
        """Writes files, in the formats given by their endings, each completely or not at all.

        Raises:
            InputError: A file would replace one that a run reads, or its folder is gone.
        """
        self.keep_inputs("--output", outputs)
        for path in outputs:
            write_text(path, self.text(path.suffix))

    def keep_inputs(self, option: str, outputs: Sequence[Path]) -> None:
        """Refuses to replace files that the runs read.

        Args:
            option: The option that names the files.
            outputs: Files to write.

        Raises:
            InputError: A file would replace one that a run reads.
        """
        for path in outputs:
            for run in (run for members in self.cells.values() for run in members):
                refuse_replacing(option, path, run.inputs)
