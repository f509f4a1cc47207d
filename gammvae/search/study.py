"""The trials of a search, which Optuna chooses and whose journal outlives a kill."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from gammvae.errors import InputError, reading
from gammvae.search.space import Choices, Numbers, Space
from gammvae.system.writing import write_whole

# Trials whose settings are drawn at random, before their results guide the choice.
RANDOM_TRIALS = 8
# Optuna avoids what it has pruned. It would try what has failed, without a value, again and again.
FAILED = TrialState.PRUNED
NAME, JOURNAL, DATA = "search", "journal.log", "dataset_digest"


class Outcome(NamedTuple):
    """A trial that has ended.

    Attributes:
        number: 0 is the default.
        settings: The settings that were tried, by key, as on the command line; none for 0.
        value: Value of the objective, which is to be large; ``None`` if the trial failed.
        reason: Why it failed.
        runs: Folders of its runs.
    """

    number: int
    settings: Mapping[str, str]
    value: float | None
    reason: str
    runs: Sequence[str]


class Chosen(NamedTuple):
    """A trial to compute: its number, and its settings by key, as on the command line."""

    number: int
    settings: Mapping[str, str]


class Study:
    """The trials of one search, in a folder that no other process uses.

    The settings of a trial depend on the seed, the trial's number and the trials before it, so that
    an interrupted search goes on as it would have done.

    Args:
        folder: Folder of the journal.
        space: What is tried.
        default: Values without any trial, by key; a key may be missing.
        seed: Seed of the choices.

    Raises:
        InputError: The journal is damaged.
    """

    def __init__(self, folder: Path, space: Space, default: Mapping[str, Any], seed: int) -> None:
        self.space, self.seed = space, seed
        known = {key: one.known(default.get(key)) for key, one in space.settings.items()}
        self.default = {key: value for key, value in known.items() if value is not None}
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        path = folder / JOURNAL
        with reading(path):
            drop_unfinished_line(path)
            storage = JournalStorage(JournalFileBackend(str(path), NoLock(str(path))))
            self.study = optuna.create_study(
                storage=storage, study_name=NAME, direction="maximize", load_if_exists=True
            )
            if not self.study.get_trials(deepcopy=False):
                self.study.enqueue_trial(self.default)

    def outcomes(self) -> list[Outcome]:
        """All trials that have ended, by number."""
        ended = self.study.get_trials(states=(TrialState.COMPLETE, FAILED))
        return [self._outcome(one) for one in ended]

    def _outcome(self, trial: FrozenTrial) -> Outcome:
        attributes = trial.user_attrs
        return Outcome(
            number=trial.number,
            settings=self._settings(trial),
            value=trial.value if trial.state == TrialState.COMPLETE else None,
            reason=attributes.get("reason", ""),
            runs=attributes.get("runs", []),
        )

    def _settings(self, trial: FrozenTrial | Trial) -> dict[str, str]:
        if trial.number == 0:
            return {}
        found = self.space.settings
        return {key: found[key].text(value) for key, value in trial.params.items()}

    def begin(self) -> Chosen:
        """The trial that was interrupted, or the next one."""
        begun = self.study.get_trials(states=(TrialState.RUNNING,))
        trial = Trial(self.study, begun[0]._trial_id) if begun else self.study.ask()
        for key, setting in self.space.settings.items():
            if trial.number or key in self.default:
                self.study.sampler = self._sampler(trial.number, key)
                suggest(trial, key, setting)
        return Chosen(trial.number, self._settings(trial))

    def _sampler(self, number: int, key: str) -> TPESampler:
        """A sampler whose random numbers do not depend on what this process drew before.

        It chooses every setting for itself: choosing them together leaves out what the default has
        outside of its range.
        """
        digest = hashlib.sha256(f"{self.seed} {number} {key}".encode()).digest()
        seed = int.from_bytes(digest[:4], "big")
        return TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS, multivariate=False)

    def end(
        self, number: int, value: float | None, runs: Sequence[str], reason: str = ""
    ) -> Outcome:
        """Notes how a trial has ended; without a value, it failed."""
        (trial,) = [one for one in self.study.get_trials(deepcopy=False) if one.number == number]
        noted = Trial(self.study, trial._trial_id)
        noted.set_user_attr("runs", list(runs))
        noted.set_user_attr("reason", reason)
        state = FAILED if value is None else TrialState.COMPLETE
        return self._outcome(self.study.tell(number, value, state=state))

    def check_data(self, digest: str) -> None:
        """Refuses trials on other data than those before.

        Raises:
            InputError: The data have another digest than at the beginning of the search.
        """
        first = self.study.user_attrs.get(DATA)
        if first is None:
            self.study.set_user_attr(DATA, digest)
        elif first != digest:
            raise InputError("the data are not those of the trials before")


def suggest(trial: Trial, key: str, setting: Numbers | Choices) -> None:
    """Chooses a value for a setting of a trial, unless it has one."""
    if isinstance(setting, Choices):
        trial.suggest_categorical(key, setting.extremes())
    elif setting.whole:
        step = int(setting.step or 1)
        trial.suggest_int(key, int(setting.low), int(setting.high), log=setting.log, step=step)
    else:
        low, high = float(setting.low), float(setting.high)
        trial.suggest_float(key, low, high, log=setting.log, step=setting.step)


class NoLock(JournalFileOpenLock):
    """Of a journal whose folder is locked; a lock of Optuna's would be left behind by a kill."""

    def acquire(self) -> bool:
        """Does nothing."""
        return True

    def release(self) -> None:
        """Does nothing."""


def drop_unfinished_line(path: Path) -> None:
    """Removes the end of a journal's last line, if a kill has cut it off."""
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        write_whole(path, lambda file: file.write(whole))
