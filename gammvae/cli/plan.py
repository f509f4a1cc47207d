"""The runs of a table: which are finished, and which are to be computed."""

from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path

from gammvae.cli.estimate import Kind, kind_of
from gammvae.cli.run_finder import NOT_RUN, RunFinder
from gammvae.errors import InputError
from gammvae.tables.described import Description, Row, about, published
from gammvae.tables.ranking import Ranking, rankings
from gammvae.tables.results import Cells, Run, grouped
from gammvae.tables.sheet import FORMATS, Sheet

# The fact that runs of one configuration may still differ in, so that they have no mean. What they
# were computed with may differ as well, but that is marked in the table.
DATA = ("dataset_digest",)


class Plan:
    """A table and the state of its runs.

    Args:
        name: Name of the table.
        table: Its description.
        finder: Finds its runs.
        absent: Datasets whose files are not here, and how to get these.
    """

    def __init__(
        self, name: str, table: Description, finder: RunFinder, absent: Mapping[str, str]
    ) -> None:
        self.name, self.table, self.finder, self.absent = name, table, finder, absent

    def check(self) -> None:
        """Refuses the table before anything is computed.

        Raises:
            InputError: A row has an invalid setting, or finished runs have no common data.
        """
        for row in self.table["rows"]:
            for dataset in self.table["datasets"]:
                try:
                    self.finder.composed(row.get("overrides", ()), dataset)
                except InputError as error:
                    raise InputError(f"table {self.name}, row {row['name']!r}: {error}") from error
        self.sheet()

    def runs(self, row: Row, dataset: str) -> list[Run]:
        """The runs of a row on a dataset, finished or not, in the order of the table's seeds."""
        overrides = row.get("overrides", ())
        found = (self.finder.run(overrides, dataset, seed) for seed in self.table["seeds"])
        return [run._replace(row=row["name"], dataset=dataset) for run in found]

    def all_runs(self) -> Iterator[Run]:
        """Yields all runs, finished or not, row by row."""
        for row in self.table["rows"]:
            for dataset in self.table["datasets"]:
                yield from self.runs(row, dataset)

    def missing(self, row: Row, without: Container[Path] = ()) -> dict[str, list[int]]:
        """The seeds that a row lacks on each dataset that is here, but for some run directories."""
        lacking = {
            dataset: [
                run.seed
                for run in self.runs(row, dataset)
                if not run.figures and run.path not in without
            ]
            for dataset in self.table["datasets"]
            if dataset not in self.absent
        }
        return {dataset: seeds for dataset, seeds in lacking.items() if seeds}

    def finished(self) -> Iterator[Run]:
        """Yields the finished runs of all rows and datasets, also of seeds that are not shown."""
        for row in self.table["rows"]:
            for dataset in self.table["datasets"]:
                found = self.finder.finished(row.get("overrides", ()), dataset)
                yield from (run._replace(row=row["name"], dataset=dataset) for run in found)

    def has_data(self) -> bool:
        """Whether a dataset is here, or at least a finished run."""
        here = {*self.table["datasets"]} - {*self.absent}
        return bool(here) or any(run.figures for run in self.all_runs())

    def kinds(self) -> dict[Path, Kind]:
        """The kind of the runs in each folder of seeds, on datasets that have any run."""
        rows = [row.get("overrides", ()) for row in self.table["rows"]]
        found = (
            self.finder.composed(overrides, dataset)
            for dataset in self.table["datasets"]
            if self.finder.begun(dataset)
            for overrides in rows
        )
        return {folder: kind_of(config) for config, folder in found}

    def to_do(self, datasets: Container[str]) -> Iterator[tuple[str, Path]]:
        """Yields dataset and folder of each missing run on some of the datasets that are here."""
        for row in self.table["rows"]:
            for dataset, seeds in self.missing(row).items():
                if dataset in datasets:
                    _, folder = self.finder.composed(row.get("overrides", ()), dataset)
                    yield from ((dataset, folder / f"seed={seed}") for seed in seeds)

    def sheet(self) -> Sheet:
        """The table with what is finished.

        Raises:
            InputError: Runs of a cell were not computed from the same data.
        """
        table = self.table
        cells = grouped(self.all_runs(), DATA)
        begun = {
            key: runs for key, runs in cells.items() if any(run.reason != NOT_RUN for run in runs)
        }
        return Sheet(
            begun,
            [row["name"] for row in table["rows"]],
            table["datasets"],
            table["metrics"],
            table.get("compare"),
            table.get("columns", "datasets" if len(table["metrics"]) == 1 else "metrics"),
            published(table),
            f"{table['title']}; {span(table['seeds'])}",
            self.rankings(begun),
            about(table),
            only_begun=True,
        )

    def rankings(self, cells: Cells) -> list[Ranking]:
        """Ranks over the datasets that are here, or have runs, as soon as rows are finished."""
        if not self.table.get("rank"):
            return []
        with_runs = {dataset for _, dataset in cells}
        here = [one for one in self.table["datasets"] if one in with_runs or one not in self.absent]
        names = [row["name"] for row in self.table["rows"]]
        try:
            return rankings(cells, names, here, self.table["metrics"])
        except InputError:
            return []

    def write(self, folder: Path) -> list[Path]:
        """Writes the table as CSV, Markdown and LaTeX, and returns the files' paths.

        Raises:
            InputError: The folder cannot be made.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--tables={folder} cannot be made: {error.strerror}") from error
        outputs = [folder / f"{self.name}{ending}" for ending in FORMATS]
        self.sheet().write(outputs)
        return outputs


def span(numbers: Sequence[int]) -> str:
    """Seeds as text; ``seeds 0 to 4`` for those that follow each other."""
    if len(numbers) == 1:
        return f"seed {numbers[0]}"
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"seeds {numbers[0]} to {numbers[-1]}"
    return f"seeds {', '.join(map(str, numbers))}"
