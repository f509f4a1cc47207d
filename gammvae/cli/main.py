"""The commands. Heavy imports happen inside them, so that ``gammvae --help`` answers at once."""

import argparse
import os
import shlex
import sys
from collections.abc import Callable
from math import nan
from pathlib import Path
from typing import TYPE_CHECKING

from gammvae import __version__
from gammvae.cli.commands import evaluate, predict, report, sample
from gammvae.cli.terminal import (
    exit_codes,
    flags_first,
    log_to_terminal,
    one_line_usage_errors,
    open_streams,
)
from gammvae.errors import InputError
from gammvae.printing import say

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from gammvae.cli.sweeps import Job
    from gammvae.config.schema import Config
    from gammvae.runs.stored import Result


def main() -> None:
    """Runs ``gammvae``: exit code 0, 2 for bad input, 1 for anything that went wrong inside."""
    open_streams()
    with exit_codes():
        try:
            os.getcwd()
        except FileNotFoundError as error:
            raise InputError("the current folder is gone: change to another one") from error
        dispatch(sys.argv[1:])


def dispatch(arguments: list[str]) -> None:
    """Calls the command that the first argument names."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        say(usage())
    elif arguments[0] == "--version":
        say(f"gammvae {__version__}")
    elif arguments[0] in COMMANDS:
        COMMANDS[arguments[0]](arguments[1:])
    else:
        raise InputError(f"unknown command {arguments[0]!r}: it must be {', '.join(COMMANDS)}")


def usage() -> str:
    """The text of ``gammvae --help``."""
    lines = [f"  {name:<10} {command.__doc__}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: gammvae COMMAND [ARGUMENTS]",
            "",
            "Deep clustering with a Gamma mixture variational autoencoder.",
            "",
            *lines,
            "",
            "gammvae train --help lists what can be set; gammvae --version prints the version.",
        ]
    )


def train(arguments: list[str]) -> None:
    """Pretrain, initialize and train one run, or a sweep of them with --multirun."""
    import hydra
    from hydra.core.config_store import ConfigStore
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from gammvae.cli import sweeps
    from gammvae.config.schema import Config, explain

    ConfigStore.instance().store(name="schema", node=Config)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then leaves errors to us, with their exit codes
    log_to_terminal()
    sweeps.JOBS.clear()
    decorate = hydra.main(version_base="1.3", config_path="pkg://gammvae.conf", config_name="train")
    try:
        with one_line_usage_errors():
            sys.argv = ["gammvae train", *flags_first(sweeps.without_repetitions(arguments))]
            sweeps.launch(decorate(train_one))
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(explain(error)) from error
    if sweeps.JOBS:
        say("\n".join(sweeps.summary(sweeps.JOBS)))
        sys.exit(sweeps.exit_code(sweeps.JOBS))


def train_one(cfg: "DictConfig") -> float:
    """Runs one composed configuration, prints its figures and returns its ELBO."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from gammvae.cli.sweeps import Job, attempt

    log_to_terminal()  # which a job in a process of its own has not done yet
    hydra = HydraConfig.get()
    if hydra.mode == RunMode.RUN:
        with exit_codes():
            train_job(cfg, job := Job(""))
    else:  # where the other jobs go on if one fails
        with attempt(hydra.overrides.task, hydra.sweep.dir) as job:
            train_job(cfg, job)
    return job.elbo


def train_job(cfg: "DictConfig", job: "Job") -> None:
    """Runs one composed configuration and prints its figures, unless it was finished before."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode

    from gammvae.config.schema import to_config
    from gammvae.runs.directory import REPORT, RunDirectory
    from gammvae.runs.naming import run_path
    from gammvae.tables.summary import summary

    hydra = HydraConfig.get()
    config = to_config(cfg)
    path = config.run_dir or run_path(config, hydra.runtime.choices, hydra.overrides.task)
    command = shlex.join(["gammvae", "train", *hydra.overrides.task])
    directory = RunDirectory(path, command)
    result = directory.finished(config)
    if result is None:
        from gammvae.training.baselines import experiment_for
        from gammvae.training.experiment import run

        try:
            result = run(config, directory, experiment_for(config.model))
        except Exception as error:
            directory.note_failure(config, error, begin=hydra.mode != RunMode.RUN)
            raise
    else:
        check_still_its_data(config, result)
        say(f"{path} is finished; overwrite=true runs it again")
        job.state = "skipped"
        if config.report and not (directory / REPORT).exists():
            from gammvae.training.baselines import experiment_for
            from gammvae.training.experiment import add_report

            add_report(config, directory, experiment_for(config.model), result)
    say(summary(result))
    say(path)
    job.path, job.elbo = str(path), result["metrics"].get("elbo", nan)


def check_still_its_data(config: "Config", result: "Result") -> None:
    """Refuses to report a finished run for a user's file that has changed since."""
    if config.dataset.path is None or not os.path.exists(config.dataset.path):
        return
    from gammvae.data.loading import load_dataset

    if load_dataset(config.dataset, config.device).digest != result["dataset_digest"]:
        raise InputError(
            f"dataset.path={config.dataset.path} is not what the finished run was trained on: "
            "overwrite=true runs it again"
        )


def datasets(arguments: list[str]) -> None:
    """List datasets and their state; fetch or check them: datasets fetch|check NAME...|all."""
    parser = argparse.ArgumentParser(prog="gammvae datasets", description=datasets.__doc__)
    parser.add_argument("words", nargs="*", help="list (default), fetch NAME... or check NAME...")
    parser.add_argument(
        "--config-dir", "-cd", metavar="FOLDER", help="with dataset/*.yaml of yours"
    )
    parser.epilog = "Settings such as dataset.root=FOLDER or device=cpu may follow."
    with one_line_usage_errors():
        given = parser.parse_intermixed_args(arguments)
    overrides = [word for word in given.words if "=" in word]
    action, *names = [word for word in given.words if "=" not in word] or ["list"]
    if action not in ("list", "fetch", "check"):
        raise InputError(f"unknown action {action!r}: it must be list, fetch or check")
    if action != "list" and not names:
        raise InputError(f"datasets {action} needs a name: gammvae datasets {action} NAME")
    log_to_terminal()

    from gammvae.cli.catalog import Catalog, check, fetch, overview

    catalog = Catalog(given.config_dir, overrides)
    if names == ["all"]:
        names = catalog.names()
    if action == "list":
        say(overview(catalog))
    elif action == "fetch":
        for line in fetch(catalog, names):
            say(line)
    else:
        for name in names:
            say(check(catalog, name))


def table(arguments: list[str]) -> None:
    """Gather finished runs into a table, gammvae table [FOLDER...] [--output FILE...]."""
    parser = argparse.ArgumentParser(prog="gammvae table", description=table.__doc__)
    parser.add_argument("folders", nargs="*", type=Path, default=[Path("outputs")])
    parser.add_argument("--metric", nargs="+", default=["acc"], help="several: one column each")
    parser.add_argument("--datasets", nargs="+", help="only these, in this order")
    parser.add_argument("--models", nargs="+", help="only these rows, in this order")
    parser.add_argument("--compare", nargs=2, metavar="MODEL", help="paired over common seeds")
    parser.add_argument(
        "--output", nargs="+", type=Path, default=[], help="files that end in .csv, .md or .tex"
    )
    with one_line_usage_errors():
        given = parser.parse_args(arguments)

    from gammvae.tables.publishing import Choice, publish

    choice = Choice(given.metric, given.datasets, given.models, given.compare)
    say(publish(given.folders, choice, given.output))


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "train": train,
    "evaluate": evaluate,
    "sample": sample,
    "predict": predict,
    "report": report,
    "datasets": datasets,
    "table": table,
}
