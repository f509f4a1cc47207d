"""Finds the runs of rows of tables below one folder, finished or not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hydra.errors import HydraException

from gammvae.cli.catalog import Catalog
from gammvae.cli.sweeps import combinations
from gammvae.config.explain import explain
from gammvae.config.schema import Config
from gammvae.errors import InputError, first_line
from gammvae.runs.contents import CONFIG
from gammvae.runs.directory import RunDirectory
from gammvae.tables.results import Run, read_run

NOT_RUN = "not run"


class RunFinder:
    """The runs below a folder, which tables may have in common.

    Finished runs are read once. All others may change at any time.

    Args:
        catalog: All datasets, with the settings of every run.
        root: The folder, which must be the ``output_root`` of those settings.
    """

    def __init__(self, catalog: Catalog, root: Path) -> None:
        self.catalog, self.root = catalog, root
        self._composed: dict[tuple[str, ...], tuple[Config, Path]] = {}
        self._finished: dict[Path, Run] = {}
        self._checked: dict[Path, list[dict[str, str]]] = {}

    def composed(self, overrides: Sequence[str], dataset: str) -> tuple[Config, Path]:
        """The configuration of runs on a dataset, and the folder of their seeds.

        Raises:
            InputError: An override is invalid, or stands for several values.
        """
        key = dataset, *overrides
        if key not in self._composed:
            try:
                jobs = combinations([f"dataset={dataset}", *overrides])
            except HydraException as error:
                raise InputError(explain(error)) from error
            if len(jobs) != 1:
                raise InputError("its overrides stand for several values: each must have one")
            config, path = self.catalog.run(jobs[0])
            self._composed[key] = config, path.parent
        return self._composed[key]

    def begun(self, dataset: str) -> bool:
        """Whether there may be any run on a dataset."""
        return (self.root / dataset).is_dir()

    def run(self, overrides: Sequence[str], dataset: str, seed: int) -> Run:
        """A run; its reason is ``NOT_RUN`` if it has not begun.

        Raises:
            InputError: As ``composed``.
        """
        if not self.begun(dataset):  # composing takes long
            return Run(self.root, dataset, "", seed, {}, NOT_RUN, {})
        config, folder = self.composed(overrides, dataset)
        path = folder / f"seed={seed}"
        if path not in self._finished:
            run = self._read(path, replace(config, seed=seed))
            if not run.figures:
                return run
            self._finished[path] = run
        return self._finished[path]

    def finished(self, overrides: Sequence[str], dataset: str) -> list[Run]:
        """The finished runs of any seed.

        Raises:
            InputError: As ``composed``.
        """
        if not self.begun(dataset):
            return []
        _, folder = self.composed(overrides, dataset)
        names = (path.name.removeprefix("seed=") for path in folder.glob("seed=*"))
        seeds = sorted(int(name) for name in names if name.isdecimal())
        runs = (self.run(overrides, dataset, seed) for seed in seeds)
        return [run for run in runs if run.figures]

    def _read(self, path: Path, config: Config) -> Run:
        unfinished = Run(path, config.dataset.name, "", config.seed, {}, NOT_RUN, {})
        try:
            if not (path / CONFIG).exists():  # it may have failed before it began
                status = RunDirectory(path).read_status()
                return (
                    unfinished._replace(reason=f"failed: {status['reason']}")
                    if status
                    else unfinished
                )
            run = read_run(path)
            self._check_settings(run, config)
        except InputError as error:  # the job path repairs it, or says why it cannot
            return unfinished._replace(reason=first_line(error))
        return run

    def _check_settings(self, run: Run, config: Config) -> None:
        """Refuses a run of another configuration; seeds with the same settings are checked once."""
        checked = self._checked.setdefault(run.path.parent, [])
        if run.made not in checked or run.seed != config.seed:
            RunDirectory(run.path).check_config(config)
            checked.append(run.made)
