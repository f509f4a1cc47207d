"""Runs the command line's experiment in Python, and leaves the process as it was."""

import logging
import shlex
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sklearn.exceptions import ConvergenceWarning

from gammvae.config.code import code_of
from gammvae.config.composition import composed
from gammvae.config.overrides import in_grammar
from gammvae.config.schema import Config
from gammvae.devices import choose_device, random_numbers_kept
from gammvae.estimators.fitted import RUN, FittedRun, TemporaryFolder
from gammvae.runs.checkpoints import read_checkpoint
from gammvae.runs.directory import RunDirectory
from gammvae.system.printing import TerminalHandler
from gammvae.system.progress import bars
from gammvae.training.experiment import Experiment

# Torch's random generators and Hydra's configuration belong to the whole process.
ONE_AT_A_TIME = threading.Lock()


def fit_run(words: Sequence[str], folder: TemporaryFolder, *, verbose: bool) -> FittedRun:
    """Runs ``gammvae train`` with these words, in a folder below the given one.

    An interrupt during joint training leaves the run at its last checkpoint, with a warning.

    Args:
        words: ``key=value`` settings.
        folder: Temporary folder, which the result keeps.
        verbose: Whether to show progress bars and the log on standard error.

    Raises:
        InputError: A setting or the data are invalid.
        DivergenceError: Training became non-finite.
        KeyboardInterrupt: It came before joint training.
    """
    path = folder.path / RUN
    with ONE_AT_A_TIME:
        config = composed([*words, f"run_dir={in_grammar(str(path))}"]).config
        directory = RunDirectory(path, shlex.join(["gammvae", "train", *words]))
        device = choose_device(config.device)
        with random_numbers_kept(device), messages(verbose), bars(verbose):
            experiment = Experiment(config, directory)
            interrupted = ""
            try:
                experiment.run()
            except KeyboardInterrupt:
                if not (directory / "train.pt").exists():
                    raise
                experiment, interrupted = concluded(config, directory)
    assigner = None if config.model.has_mixture else experiment.method.assigner()
    return FittedRun(folder, assigner, str(device), interrupted, code_of(config))


def concluded(config: Config, directory: RunDirectory) -> tuple[Experiment, str]:
    """An interrupted run, evaluated at its last checkpoint, and how far it came, in words."""
    epoch = read_checkpoint(directory / "train.pt").epoch
    interrupted = f"training was interrupted after epoch {epoch}"
    if epoch == 0:
        interrupted = "training was interrupted before the end of its first epoch"
    state = "is as it was then" if epoch else "has its pretrained networks and the start"
    warnings.warn(f"{interrupted}; the model {state}", ConvergenceWarning, stacklevel=5)
    experiment = Experiment(config, directory)
    experiment.conclude()
    return experiment, interrupted


@contextmanager
def messages(shown: bool) -> Iterator[None]:
    """Writes log messages to the run's log, and shows them on standard error or not at all."""
    logger = logging.getLogger("gammvae")
    handler = TerminalHandler(logging.INFO) if shown else logging.NullHandler()
    before = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before[0])
        logger.propagate = before[1]
