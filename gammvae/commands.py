"""The commands that use finished runs. Heavy imports happen inside them, as in ``cli.py``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gammvae.errors import InputError
from gammvae.terminal import log_to_terminal

if TYPE_CHECKING:
    from gammvae.runs import RunDirectory
    from gammvae.subject import Subject

# What may be set when a finished run is read: where and on what, not what.
ELSEWHERE = ("device", "dataset.root", "dataset.cache", "dataset.download", "dataset.path")


def evaluate(arguments: list[str]) -> None:
    """Recompute a finished run's figures, gammvae evaluate RUN [generation=true] [device=...]."""
    from gammvae.runs import GENERATION
    from gammvae.tables import comparison, judgement

    directory, words = run_and_words("evaluate", arguments)
    generation = "generation=true" in words
    words = [word for word in words if word not in ("generation=true", "generation=false")]
    stored = directory.read_result()
    config = directory.read_config(elsewhere(words))
    if generation and config.model.clusterer is not None:
        raise InputError(f"generation=true: model={config.model.name} has no mixture to draw from")
    log_to_terminal()

    from gammvae.baselines import experiment_for

    experiment = experiment_for(config.model)(config, directory)
    result = experiment.reevaluate()
    print(comparison(stored, result))
    if generation:
        from gammvae.realism import realism

        labels = directory.read_assignments()["labels"]
        found = realism(experiment.model, experiment.x, experiment.classes, labels, config.seed)
        directory.write_json(GENERATION, found)
        print(judgement(found))


def sample(arguments: list[str]) -> None:
    """Draw new samples of a run's clusters, gammvae sample RUN [cluster=3] [n=64] ..."""
    from gammvae import sampling
    from gammvae.settings import SampleSettings, read_settings
    from gammvae.trained import load_trained

    directory, words = run_and_words("sample", arguments)
    settings = read_settings(SampleSettings, "sample", words)
    config = directory.read_config([f"device={settings.device}"])
    for line in sampling.sample(directory, load_trained(directory, config), settings):
        print(line)


def predict(arguments: list[str]) -> None:
    """Cluster the samples of a file, gammvae predict RUN data=FILE out=FILE."""
    from gammvae import prediction
    from gammvae.settings import PredictSettings, read_settings
    from gammvae.trained import load_trained

    directory, words = run_and_words("predict", arguments)
    settings = read_settings(PredictSettings, "predict", words)
    config = directory.read_config([f"device={settings.device}"])
    log_to_terminal()
    for line in prediction.predict(load_trained(directory, config), settings):
        print(line)


def report(arguments: list[str]) -> None:
    """Show finished runs in one HTML file, gammvae report RUN [RUN...] [out=FILE]."""
    from gammvae.report import write_report
    from gammvae.runs import REPORT, RunDirectory

    keys = ("out", *ELSEWHERE)
    words = [word for word in arguments if word.startswith(tuple(f"{key}=" for key in keys))]
    directories = [RunDirectory(word) for word in arguments if word not in words]
    if not directories:
        raise InputError("report needs a run directory: gammvae report RUN [RUN...] [out=FILE]")
    given = [word.removeprefix("out=") for word in words if word.startswith("out=")]
    default = directories[0] / REPORT if len(directories) == 1 else Path(REPORT)
    target = Path(given[-1]).expanduser() if given else default
    log_to_terminal()
    places = [word for word in words if not word.startswith("out=")]
    subjects = [loaded(directory, places) for directory in directories]
    target.parent.mkdir(parents=True, exist_ok=True)
    write_report(subjects, target)
    print(target)


def loaded(directory: "RunDirectory", places: list[str]) -> "Subject":
    """A finished run with its model and its data."""
    from gammvae.baselines import experiment_for

    result = directory.read_result()
    config = directory.read_config(elsewhere(places))
    experiment = experiment_for(config.model)(config, directory)
    experiment.restore()
    return experiment.subject(result)


def run_and_words(command: str, arguments: list[str]) -> "tuple[RunDirectory, list[str]]":
    """The run directory that a command is given first, and the settings after it."""
    from gammvae.runs import RunDirectory

    settings = tuple(f"{key}=" for key in ELSEWHERE)
    if not arguments or arguments[0].startswith(("-", *settings)):
        raise InputError(f"{command} needs a run directory: gammvae {command} RUN [SETTING=VALUE]")
    return RunDirectory(arguments[0]), arguments[1:]


def elsewhere(overrides: list[str]) -> list[str]:
    """Checks that overrides of a stored configuration change only where and on what it is read."""
    for override in overrides:
        key, equals, _ = override.partition("=")
        if key not in ELSEWHERE or not equals:
            raise InputError(f"{override} cannot be set: it must be one of {', '.join(ELSEWHERE)}")
    root = os.environ.get("GAMMVAE_DATA")
    return [f"dataset.root={root}", *overrides] if root else overrides
