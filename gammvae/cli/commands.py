"""The commands that use finished runs. Heavy imports happen inside them, as in ``cli.py``."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gammvae.cli.terminal import log_to_terminal, one_line_usage_errors
from gammvae.errors import InputError, blaming
from gammvae.paths import user_path
from gammvae.printing import say

if TYPE_CHECKING:
    from gammvae.cli.reuse import Places
    from gammvae.report.subject import Subject
    from gammvae.runs.directory import RunDirectory


def evaluate(arguments: list[str]) -> None:
    """Recompute a finished run's figures, gammvae evaluate RUN [generation=true] [device=...]."""
    from gammvae.cli.reuse import places, usable_config
    from gammvae.runs.directory import CONFIG, GENERATION
    from gammvae.tables.summary import comparison, judgement

    given = run_and_words("evaluate", arguments)
    directory = given.directory
    generation = "generation=true" in given.words
    switches = ("generation=true", "generation=false")
    where = places([word for word in given.words if word not in switches])
    stored = directory.read_result()
    log_to_terminal()
    config = usable_config(directory, where, given.config_dir)
    if generation and config.model.clusterer is not None:
        raise InputError(f"generation=true: model={config.model.name} has no mixture to draw from")

    from gammvae.training.baselines import experiment_for

    with blaming(directory / CONFIG):
        experiment = experiment_for(config.model)(config, directory)
    result = experiment.reevaluate()
    say(comparison(stored, result))
    if generation:
        from gammvae.evaluation.realism import realism

        labels = directory.read_assignments(len(experiment.x), config.n_clusters)["labels"]
        found = realism(experiment.model, experiment.x, experiment.classes, labels, config.seed)
        directory.write_json(GENERATION, found)
        say(judgement(found))


def sample(arguments: list[str]) -> None:
    """Draw new samples of a run's clusters, gammvae sample RUN [cluster=3] [n=64] ..."""
    from gammvae.cli import sampling
    from gammvae.cli.settings import SampleSettings, read_settings
    from gammvae.runs.trained import load_trained

    given = run_and_words("sample", arguments)
    settings = read_settings(SampleSettings, "sample", given.words)
    trained = load_trained(given.directory, settings.device)
    for line in sampling.sample(given.directory, trained, settings):
        say(line)


def predict(arguments: list[str]) -> None:
    """Cluster the samples of a file, gammvae predict RUN data=FILE out=FILE."""
    from gammvae.cli import prediction
    from gammvae.cli.settings import PredictSettings, read_settings
    from gammvae.runs.trained import load_trained

    given = run_and_words("predict", arguments)
    settings = read_settings(PredictSettings, "predict", given.words)
    log_to_terminal()
    trained = load_trained(given.directory, settings.device)
    for line in prediction.predict(given.directory, trained, settings):
        say(line)


def report(arguments: list[str]) -> None:
    """Show finished runs in one HTML file, gammvae report RUN [RUN...] [out=FILE]."""
    from gammvae.cli.reuse import PLACES, places
    from gammvae.report.html import write_report
    from gammvae.runs.directory import REPORT, RunDirectory

    parsed = parse("report", arguments)
    keys = tuple(f"{key}=" for key in ("out", *PLACES))
    words = [word for word in parsed.words if word.startswith(keys)]
    directories = [RunDirectory(word) for word in parsed.words if word not in words]
    if not directories:
        raise InputError("report needs a run directory: gammvae report RUN [RUN...] [out=FILE]")
    given = [word.removeprefix("out=") for word in words if word.startswith("out=")]
    default = directories[0] / REPORT if len(directories) == 1 else Path(REPORT)
    target = user_path(given[-1]) if given else default
    for directory in directories:
        directory.check_output("out", target, REPORT)
    log_to_terminal()
    where = places([word for word in words if not word.startswith("out=")])
    subjects = [loaded(directory, where, parsed.config_dir) for directory in directories]
    target.parent.mkdir(parents=True, exist_ok=True)
    write_report(subjects, target)
    say(target)


def loaded(directory: "RunDirectory", where: "Places", config_dir: str | None) -> "Subject":
    """A finished run with its model and its data."""
    from gammvae.cli.reuse import usable_config
    from gammvae.runs.directory import CONFIG
    from gammvae.training.baselines import experiment_for

    result = directory.read_result()
    config = usable_config(directory, where, config_dir)
    with blaming(directory / CONFIG):
        experiment = experiment_for(config.model)(config, directory)
    experiment.restore()
    return experiment.subject(result)


class Words(NamedTuple):
    """What stands behind a command: words, and the user's folder of configurations."""

    words: list[str]
    config_dir: str | None


class RunAndWords(NamedTuple):
    """A run, and what is said of it."""

    directory: "RunDirectory"
    words: list[str]
    config_dir: str | None


def parse(command: str, arguments: list[str]) -> Words:
    """Parts the words behind a command from its one flag."""
    parser = argparse.ArgumentParser(prog=f"gammvae {command}", description=COMMANDS[command])
    parser.add_argument("words", nargs="*", metavar="RUN [SETTING=VALUE]")
    parser.add_argument("--config-dir", "-cd", metavar="FOLDER", help="with your dataset/*.yaml")
    with one_line_usage_errors():
        given = parser.parse_intermixed_args(arguments)
    return Words(given.words, given.config_dir)


def run_and_words(command: str, arguments: list[str]) -> RunAndWords:
    """The run directory that a command is given first, and what follows it."""
    from gammvae.runs.directory import RunDirectory

    words, config_dir = parse(command, arguments)
    if not words or (re.match(r"[a-z_.]+=", words[0]) and not Path(words[0]).exists()):
        raise InputError(f"{command} needs a run directory: gammvae {command} RUN [SETTING=VALUE]")
    return RunAndWords(RunDirectory(words[0]), words[1:], config_dir)


COMMANDS = {one.__name__: one.__doc__ for one in (evaluate, sample, predict, report)}
