"""``gammvae reproduce``: computes tables by name, and says what is missing of them."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gammvae.cli.terminal import log_to_terminal, one_line_usage_errors
from gammvae.cli.words import listed
from gammvae.errors import InputError, nearest
from gammvae.system.printing import say

if TYPE_CHECKING:
    from gammvae.cli.plan import Plan

SUMMARY = "Compute the tables of the benchmarks, or your own: reproduce [TABLE...|all]."

SETTINGS = {
    "dataset": "datasets in place of the table's, as in dataset=usps,digits; also your own, with "
    "--config-dir",
    "seed": "seeds in place of the table's, as in seed=5,6 or 'seed=range(5,10)'",
    "metric": "metrics in place of the table's, as in metric=acc,seconds",
    "row": "rows to keep, as in row=DEC,IDEC or row='GMM, diagonal,AE + GMM'",
    "output_root": "folder of the runs; outputs/reproduce by default, or outputs/reproduce-smoke "
    "with --smoke",
    "device": "where to compute: auto, cpu, cuda, cuda:N or mps; auto by default",
    "dataset.root": "folder of dataset files",
    "dataset.cache": "folder of prepared datasets",
    "hydra/launcher": "joblib or slurm, for several runs at a time as in train -m; settings such "
    "as hydra.launcher.n_jobs=4 may follow",
}


def parser() -> argparse.ArgumentParser:
    """The argument parser: tables, settings and flags."""
    made = argparse.ArgumentParser(
        prog="gammvae reproduce",
        description=SUMMARY,
        epilog="\n".join(["settings:", *(listed(key, text) for key, text in SETTINGS.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "words",
        nargs="*",
        metavar="TABLE [SETTING=VALUE]",
        help="tables to compute; without one, what there is and what is missing of all tables",
    )
    made.add_argument(
        "--smoke",
        action="store_true",
        help="try that everything runs, hardly trained, in a folder of its own: on digits, or "
        "what dataset names",
    )
    made.add_argument(
        "--finished",
        action="store_true",
        help="write the tables with the runs that are finished, and compute nothing",
    )
    made.add_argument(
        "--tables",
        type=Path,
        metavar="FOLDER",
        help="folder of the tables' files; by default tables beside the folder of the runs, or in "
        "it with --smoke",
    )
    made.add_argument(
        "--config-dir",
        "-cd",
        metavar="FOLDER",
        help="folder that holds your tables/*.yaml and dataset/*.yaml",
    )
    return made


def settings() -> dict[str, str]:
    """The settings of the command and their descriptions."""
    return SETTINGS


def run(arguments: list[str]) -> None:
    """Computes what is missing of the named tables and writes them, or says what is missing.

    The exit code is 1 if a run failed. With ``--finished`` nothing is computed.

    Args:
        arguments: Command-line arguments after ``gammvae reproduce``.

    Raises:
        InputError: The arguments or a table are invalid; nothing has been computed.
    """
    with one_line_usage_errors():
        given = parser().parse_intermixed_args(arguments)
    names = [word for word in given.words if "=" not in word]
    words = [word for word in given.words if "=" in word]
    for word in words:
        key = word.partition("=")[0]
        if key not in SETTINGS and not key.startswith("hydra."):
            near = nearest(key, SETTINGS)
            raise InputError(
                f"reproduce has no setting {word}: {near}it takes {', '.join(SETTINGS)}"
            )
    log_to_terminal(logging.WARNING)

    from gammvae.cli.catalog import Catalog
    from gammvae.cli.choice import chosen, is_choice
    from gammvae.cli.plan import Plan
    from gammvae.cli.presence import absent_datasets, check_classes
    from gammvae.cli.run_finder import RunFinder
    from gammvae.cli.state import overview
    from gammvae.cli.table_files import read_tables
    from gammvae.tables.described import hardly_trained

    tables = read_tables(names, given.config_dir)
    if given.smoke:
        tables = {name: hardly_trained(table) for name, table in tables.items()}
    choice = [word for word in words if is_choice(word)]
    words = [word for word in words if word not in choice]
    words = [f"output_root=outputs/reproduce{'-smoke' if given.smoke else ''}", *words]
    catalog = Catalog(given.config_dir, [one for one in words if not one.startswith("hydra")])
    if choice:
        tables = chosen(tables, choice, catalog.names())
    common = catalog.config("digits")
    root = Path(common.output_root)
    absent, finder = absent_datasets(catalog, tables), RunFinder(catalog, root)
    plans = [Plan(name, table, finder, absent) for name, table in tables.items()]
    if not names and not given.smoke:
        say(overview(plans, common.device))
        return
    check_classes(catalog, tables)
    folder = given.tables or (root if given.smoke else root.parent) / "tables"
    if given.finished:
        check(plans)
        show(plans, folder)
        return
    flags = [] if given.config_dir is None else ["--config-dir", given.config_dir]
    sys.exit(reproduce(plans, [*flags, *words], folder, common.device))


def reproduce(plans: "Sequence[Plan]", settings: list[str], folder: Path, device: str) -> int:
    """Computes tables and writes them; returns the exit code.

    Args:
        plans: The tables.
        settings: Arguments of ``gammvae train`` for every run.
        folder: Folder of the tables' files.
        device: Device of the runs, as in ``train``.

    Raises:
        InputError: A table is invalid, or no dataset is here; nothing has been computed.
    """
    from gammvae.cli.campaign import compute
    from gammvae.cli.state import rest, times_of
    from gammvae.cli.sweeps import failures

    check(plans)
    time = str(rest(plans, times_of(plans, device)))
    for dataset, remedy in plans[0].absent.items():
        say(f"{dataset} is not run, its files are not here: {remedy}", sys.stderr)
    if time:
        say(f"to compute: {time}", sys.stderr)
    for plan in plans:
        plan.write(folder)  # with what there is, so that it fails before anything is computed
    jobs = compute(plans, settings, folder)
    show(plans, folder)
    failed = list(failures(jobs))
    for line in failed:
        say(line)
    return 1 if failed else 0


def check(plans: "Sequence[Plan]") -> None:
    """Refuses tables before anything is computed or written.

    Raises:
        InputError: A table is invalid, or no dataset is here and no run is finished.
    """
    for plan in plans:
        plan.check()
    if not any(plan.has_data() for plan in plans):
        missing = "; ".join(f"{name}: {remedy}" for name, remedy in plans[0].absent.items())
        raise InputError(f"no dataset of the tables is here, and no run is finished: {missing}")


def show(plans: "Sequence[Plan]", folder: Path) -> None:
    """Prints tables with what is finished, writes them to a folder, and prints their paths.

    Raises:
        InputError: The folder cannot be made.
    """
    for plan in plans:
        say(f"{plan.sheet().to_terminal()}\n")
    say("\n".join(str(path) for plan in plans for path in plan.write(folder)))
