"""Computes the trials of a search: runs of ``gammvae train``, judged by an objective."""

import contextlib
import hashlib
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gammvae.cli import sweeps
from gammvae.cli.search_spaces import check_space, key_of
from gammvae.cli.settings import SearchSettings
from gammvae.cli.train import launched, warn_of_other_processes
from gammvae.config.candidates import is_undecided
from gammvae.config.composition import composed, search_path
from gammvae.config.identity import identity
from gammvae.config.overrides import in_grammar, shell_word
from gammvae.data.samples import samples_on
from gammvae.data.training_data import load_data
from gammvae.errors import InputError, first_line
from gammvae.runs.contents import LOCK
from gammvae.runs.directory import RunDirectory
from gammvae.search.names import AGREEMENT, FEWEST_SEEDS
from gammvae.search.objectives import Objective, PredictabilityOfSeeds, agreement_of_seeds
from gammvae.search.record import About, best_of, heading, line, overrides, value_of, write
from gammvae.search.space import Space
from gammvae.search.study import Chosen, Outcome, Study
from gammvae.system.locking import locked
from gammvae.system.printing import say

FOLDER = "search"


class Searching:
    """A search that begins or goes on.

    Args:
        space: What is tried.
        given: Settings of the search.
        words: Settings of ``gammvae train`` for all trials.
        config_dir: Folder with the user's own configuration files, or ``None``.

    Raises:
        InputError: The settings or the space are invalid; nothing has been computed.
    """

    def __init__(
        self, space: Space, given: SearchSettings, words: Sequence[str], config_dir: str | None
    ) -> None:
        if given.seeds < (fewest := FEWEST_SEEDS[given.objective]):
            raise InputError(
                f"seeds={given.seeds} is too few: objective={given.objective} needs at least "
                f"{fewest}"
            )
        self.space, self.given = space, given
        self.flags = [] if config_dir is None else ["--config-dir", config_dir]
        self.launcher = [word for word in words if word.startswith("hydra")]
        self.places = search_path(config_dir)
        others = [word for word in words if not word.startswith("hydra")]
        self.default = check_space(space, others, self.places)
        self.config = self.default.config
        self.seeds = list(range(given.seed, given.seed + given.seeds))
        if is_undecided(self.config.n_clusters) or self.config.n_clusters < 2:
            raise InputError(
                f"n_clusters={self.config.n_clusters}: a search needs a number of at least 2"
            )

    def folder(self) -> Path:
        """The folder of the search, named after all that decides its trials but their number."""
        given = self.given
        chosen = given.objective, given.seed, given.seeds
        decisive = [self.space.settings, identity(self.config), *chosen]
        digest = hashlib.sha256(json.dumps(decisive, default=str).encode()).hexdigest()[:8]
        name = f"{self.config.dataset.name}-{self.space.name}-{self.given.objective}-{digest}"
        return Path(self.config.output_root) / FOLDER / name

    def run(self) -> None:
        """Computes the trials that are left, and prints and writes all.

        Raises:
            InputError: The default fails, or files cannot be read or written.
        """
        folder = self.folder()
        with locked(folder, LOCK):
            study = Study(folder, self.space, self.default.values, self.given.seed)
            outcomes = study.outcomes()
            say(f"{self.space.title}: {folder}")
            say(heading(self.given.objective))
            for one in outcomes:
                say(line(one, self.given.objective))
            if len(outcomes) < self.given.trials:
                warn_of_other_processes()
                outcomes += self.trials(study, folder, self.given.trials - len(outcomes))
            written = write(folder, self.space, self.about(), outcomes)
            say("\n".join([*self.conclusion(outcomes), *map(str, written)]))

    def trials(self, study: Study, folder: Path, number: int) -> list[Outcome]:
        """Computes some trials, and prints and writes each."""
        objective, found = self.objective(), []
        for _ in range(number):
            chosen = study.begin()
            with silent(chosen.number):
                outcome = self.trial(study, chosen, objective)
            say(line(outcome, self.given.objective))
            sys.stdout.flush()
            found.append(outcome)
            write(folder, self.space, self.about(), study.outcomes())
        return found

    def objective(self) -> Objective:
        """The objective that the user has chosen; it sees the samples, but not their classes."""
        if self.given.objective == AGREEMENT:
            return agreement_of_seeds
        config = self.config
        rows = load_data(config.dataset, config.preprocess, config.device).rows
        return PredictabilityOfSeeds(samples_on(torch.device("cpu"), rows))

    def trial(self, study: Study, chosen: Chosen, objective: Objective) -> Outcome:
        """Computes the runs of a trial, or what is left of them, and judges them.

        A trial fails if its settings exclude each other or its training becomes non-finite.

        Raises:
            InputError: The default fails, a run was refused or killed, or the data have changed.
        """
        settings = [f"{key}={value}" for key, value in chosen.settings.items()]
        try:
            composed([*self.places, *self.default.words, *settings])
        except InputError as error:
            return study.end(chosen.number, None, [], first_line(error))
        jobs = launched(self.arguments(settings))
        runs = sorted(job.path for job in jobs if job.path)
        for job in jobs:
            if job.state in ("done", "skipped"):
                continue
            if chosen.number == 0 or job.refused or job.state == "lost":
                reason = job.reason or "its process was killed; the same command continues it"
                raise InputError(f"trial {chosen.number} ({job.overrides}): {reason}")
            return study.end(chosen.number, None, runs, job.reason)
        for path in runs:
            study.check_data(RunDirectory(path).read_result()["dataset_digest"])
        partitions = [labels_of(Path(path)) for path in runs]
        return study.end(chosen.number, objective(partitions, self.config.n_clusters), runs)

    def arguments(self, settings: Sequence[str]) -> list[str]:
        """The arguments of ``gammvae train`` that compute the runs of a trial."""
        words = [*self.default.words, *settings]
        report = [] if "report" in map(key_of, words) else ["report=false"]
        seeds = f"seed={','.join(map(str, self.seeds))}"
        return ["-m", *self.flags, *self.launcher, *report, *words, seeds]

    def about(self) -> About:
        """What the files say of the search."""
        command = ["gammvae", "train", *self.flags, *self.default.words]
        values = self.default.values
        default = [
            f"{key}={in_grammar(values[key])}" for key in self.space.settings if key in values
        ]
        how = self.given.objective, self.given.seed, self.seeds
        return About(command, *how, self.config.n_clusters, default)

    def conclusion(self, outcomes: Sequence[Outcome]) -> Iterator[str]:
        """Yields lines about the best trial and how much better than the default it is."""
        best, default = best_of(outcomes), outcomes[0]
        if best is None or best.number == 0:
            yield "no trial is better than the default"
            return
        gain = value_of(best) - value_of(default)
        yield (
            f"trial {best.number} is the best: {self.given.objective} {value_of(best):.4f}, "
            f"{gain:+.4f} beside the default"
        )
        command = shlex.join(self.about().command)
        yield " ".join([command, *map(shell_word, overrides(best))])


def labels_of(path: Path) -> NDArray[np.int64]:
    """The clusters ``(N,)`` of a finished run.

    Raises:
        InputError: Its files are missing or damaged.
    """
    directory = RunDirectory(path)
    result = directory.read_result()
    arrays = directory.read_assignments(result["samples"], result["n_clusters"])
    labels: NDArray[Any] = arrays["labels"]
    return labels.astype(np.int64)


@contextlib.contextmanager
def silent(number: int) -> Iterator[None]:
    """Shows only which runs of a trial have ended, in a line each on standard error."""

    def hear(job: sweeps.Job) -> None:
        say(f"trial {number}: {job.path} {job.state}", sys.stderr)

    with sweeps.heard(hear):
        yield
