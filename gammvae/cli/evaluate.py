"""``gammvae evaluate``: recomputes the figures of a finished run from its weights."""

import argparse

from gammvae.cli.terminal import log_to_terminal
from gammvae.cli.words import split_run, words_parser
from gammvae.errors import InputError, blaming
from gammvae.system.printing import say

SUMMARY = "Recompute a finished run's figures: gammvae evaluate RUN [generation=true] [device=...]."


def parser() -> argparse.ArgumentParser:
    """The argument parser: a run and settings."""
    return words_parser("evaluate", SUMMARY, settings())


def settings() -> dict[str, str]:
    """The settings of the command and their descriptions."""
    from gammvae.cli.places import PLACES

    text = "true: also measure how realistic generated samples are; false by default"
    return {"generation": text, **PLACES}


def run(arguments: list[str]) -> None:
    """Compares recomputed figures with the stored ones.

    With ``generation=true`` it also writes and prints how realistic generated samples are.

    Args:
        arguments: Command-line arguments after ``gammvae evaluate``.

    Raises:
        InputError: The arguments, the run or its data are invalid.
    """
    from gammvae.cli.places import places
    from gammvae.cli.reuse import usable_config
    from gammvae.runs.contents import CONFIG, GENERATION
    from gammvae.tables.summary import comparison, judgement

    given = split_run("evaluate", parser(), arguments)
    directory = given.directory
    generation = "generation=true" in given.words
    switches = ("generation=true", "generation=false")
    where = places([word for word in given.words if word not in switches])
    stored = directory.read_result()
    log_to_terminal()
    config = usable_config(directory, where, given.config_dir)
    if generation and not config.model.has_mixture:
        raise InputError(f"generation=true: model={config.model.name} has no mixture to draw from")

    from gammvae.training.experiment import Experiment

    with blaming(directory / CONFIG):
        experiment = Experiment(config, directory)
    result = experiment.reevaluate()
    say(comparison(stored, result))
    if generation:
        from gammvae.evaluation.realism import realism

        work = experiment.work
        labels = directory.read_assignments(len(work.x), config.n_clusters)["labels"]
        found = realism(work.model, work.x, work.classes, labels, config.seed)
        directory.write_json(GENERATION, found)
        say(judgement(found))
