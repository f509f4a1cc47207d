"""``gammvae train``: runs one configuration or a sweep and prints the figures."""

import argparse
import contextlib
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from math import nan
from typing import TYPE_CHECKING

from gammvae.cli.terminal import exit_codes, flags_first, log_to_terminal, one_line_usage_errors
from gammvae.errors import InputError
from gammvae.system.printing import say
from gammvae.system.processes import count, rank
from gammvae.system.waiting import TOLERATED, cores_in_use

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from gammvae.cli.sweeps import Job
    from gammvae.config.schema import Config
    from gammvae.runs.directory import RunDirectory
    from gammvae.runs.records import Result

log = logging.getLogger(__name__)

SUMMARY = "Train one run, or a sweep of runs with --multirun."


def parser() -> argparse.ArgumentParser:
    """The argument parser, equal to the one that Hydra builds when the command runs."""
    from hydra._internal.utils import get_args_parser

    made = get_args_parser()
    made.prog, made.description = "gammvae train", SUMMARY
    for action in made._actions:
        action.help = str(action.help)  # Hydra's own type of text cannot be printed by argparse
    return made


def settings() -> dict[str, str]:
    """Empty: the command has no settings beyond those in ``conf/``."""
    return {}


def run(arguments: list[str]) -> None:
    """Runs one configuration or all jobs of a sweep, and prints the figures.

    Args:
        arguments: Command-line arguments after ``gammvae train``.

    Raises:
        InputError: The arguments or the data are invalid.
        DivergenceError: Training became non-finite.
    """
    log_to_terminal()
    if count() > 1 and {"-m", "--multirun"} & set(arguments):
        raise InputError(
            "-m does not go with torchrun, which shares one run among processes: "
            "hydra/launcher=joblib runs several jobs at a time"
        )

    from gammvae.cli import sweeps

    if jobs := launched(arguments):
        say("\n".join(sweeps.summary(jobs)))
        sys.exit(sweeps.exit_code(jobs))


def launched(arguments: list[str]) -> "list[Job]":
    """Runs one configuration or all jobs of a sweep, and returns the jobs of a sweep.

    Args:
        arguments: Command-line arguments after ``gammvae train``.

    Raises:
        InputError: The arguments are invalid, or, of a single run, the data.
        DivergenceError: Training of a single run became non-finite.
    """
    import hydra
    from hydra.core.config_store import ConfigStore

    from gammvae.cli import sweeps
    from gammvae.config.choices import check_choices
    from gammvae.config.explain import explained
    from gammvae.config.schema import Config

    ConfigStore.instance().store(name="schema", node=Config)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then leaves errors to us, with their exit codes
    sweeps.JOBS.clear()
    decorate = hydra.main(version_base="1.3", config_path="pkg://gammvae.conf", config_name="train")
    advice = "; settings have no dashes, as in train.updates=2000"
    check_choices(arguments)
    with explained(), one_line_usage_errors(advice):
        sys.argv = ["gammvae train", *flags_first(sweeps.without_repetitions(arguments))]
        sweeps.launch(decorate(train_one))
    return list(sweeps.JOBS)


def train_one(cfg: "DictConfig") -> float:
    """Runs one composed configuration, prints its figures and returns its ELBO.

    Args:
        cfg: Configuration composed by Hydra.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from gammvae.cli.sweeps import QUIET, Job, attempt, given

    quiet, hydra = QUIET in os.environ, HydraConfig.get()
    log_to_terminal(logging.WARNING if quiet else logging.INFO)  # a job may run in a new process
    if hydra.mode == RunMode.RUN:
        with exit_codes():
            alone, job = count() == 1, Job("")
            train_job(cfg, job) if alone else train_together(cfg, job)
    else:  # a failure must not stop the other jobs
        with attempt(given(hydra.overrides.task), hydra.sweep.dir) as job, output(shown=not quiet):
            train_job(cfg, job)
    return job.elbo


@contextlib.contextmanager
def output(*, shown: bool) -> Iterator[None]:
    """Prints what is printed in the context, or leaves it out."""
    if shown:
        yield
        return
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


def warn_of_other_processes() -> None:
    """Logs a warning if other processes use more of the cores than is tolerated."""
    if (used := cores_in_use() or 0.0) > TOLERATED:
        cores = len(os.sched_getaffinity(0))
        words = f"{used:.1f} of the {cores} cores" if cores > 1 else "the core"
        log.warning("other processes use %s, so this takes longer", words)


def train_together(cfg: "DictConfig", job: "Job") -> None:
    """Runs one composed configuration in several processes, of which process 0 leads.

    Args:
        cfg: Configuration composed by Hydra.
        job: Record of the job, which process 0 updates.

    Raises:
        InputError: As ``train_job``, or the processes do not fit the devices.
        ProcessLost: Another process has ended.
    """
    from gammvae.config.typed import to_config
    from gammvae.training.following import follow
    from gammvae.training.together import joined

    config = to_config(cfg)
    with joined(config.device):
        if rank() == 0:
            train_job(cfg, job)
        else:
            follow(config)


def train_job(cfg: "DictConfig", job: "Job") -> None:
    """Runs one composed configuration and prints its figures, unless it was finished before.

    Args:
        cfg: Configuration composed by Hydra.
        job: Record of the job, which is updated.

    Raises:
        InputError: The configuration or the data are invalid.
        DivergenceError: Training became non-finite.
    """
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from gammvae.cli.sweeps import QUIET
    from gammvae.config.candidates import is_undecided
    from gammvae.config.typed import to_config
    from gammvae.runs.contents import REPORT
    from gammvae.runs.directory import RunDirectory
    from gammvae.runs.naming import run_path
    from gammvae.tables.choices import unsupported
    from gammvae.tables.summary import summary

    hydra = HydraConfig.get()
    config = to_config(cfg)
    path = config.run_dir or run_path(config, hydra.runtime.choices, hydra.overrides.task)
    job.path = str(path)
    command = shlex.join(["gammvae", "train", *hydra.overrides.task])
    directory = RunDirectory(path, command)
    result = directory.finished(config)
    if result is None:
        from gammvae.training import experiment

        try:
            run = experiment.prepared(config, directory)
            first = hydra.mode == RunMode.RUN or hydra.job.num == 0
            if first and QUIET not in os.environ:  # it has several sweeps, and warns once
                warn_of_other_processes()
            result = run.run()
            if directory.by_another:
                say(f"{path} was finished by another process")
                job.state = "skipped"
        except Exception as error:
            directory.note_failure(config, error, begin=hydra.mode != RunMode.RUN)
            raise
    else:
        check_still_its_data(config, result)
        say(f"{path} is finished; overwrite=true runs it again")
        job.state = "skipped"
        if config.report and not (directory / REPORT).exists():
            from gammvae.training import experiment

            experiment.add_report(config, directory, result)
    say(summary(result))
    if is_undecided(config.n_clusters) and (choice := directory.read_choice()):
        for line in unsupported(choice):
            say(line)
    say(path)
    if hydra.mode == RunMode.RUN and sys.stdout.isatty():
        say("\n".join(what_next(directory, config)))
    job.elbo = result["metrics"].get("elbo", nan)


def what_next(directory: "RunDirectory", config: "Config") -> Iterator[str]:
    """Yields lines that say where the report is, and commands that use the finished run.

    Args:
        directory: Directory of the run.
        config: Its configuration.
    """
    from gammvae.config.overrides import shell_word
    from gammvae.runs.contents import REPORT

    run = shell_word(str(directory.path))
    yield "what can be done next:"
    if (directory / REPORT).exists():
        yield f"report    {directory / REPORT}"
    yield f"table     gammvae export {run} out=clusters.csv"
    if config.model.has_mixture:
        yield f"generate  gammvae sample {run} cluster=0"
        yield f"assign    gammvae predict {run} data=FILE out=new_clusters.csv"


def check_still_its_data(config: "Config", result: "Result") -> None:
    """Refuses to report a finished run if the user's data file has changed since.

    Raises:
        InputError: The file has changed.
    """
    if config.dataset.path is None or not os.path.exists(config.dataset.path):
        return
    from gammvae.data.by_name import load_dataset

    if load_dataset(config.dataset, config.device).digest != result["dataset_digest"]:
        raise InputError(
            f"dataset.path={config.dataset.path} is not what the finished run was trained on: "
            "overwrite=true runs it again"
        )
