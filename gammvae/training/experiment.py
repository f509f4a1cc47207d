"""One run from top to bottom: the stages of its method, then assignments, figures and a report.

The method of the paper is in ``methods/mixture.py``; each of the others has a file beside it.
"""

import time
from typing import Any

from gammvae.config.schema import Config
from gammvae.devices import peak_memory
from gammvae.report.html import write_report
from gammvae.report.subject import Subject, subject_of
from gammvae.runs.checkpoints import read_checkpoint
from gammvae.runs.contents import ASSIGNMENTS, REPORT
from gammvae.runs.directory import RunDirectory
from gammvae.runs.npz import NpzWriter
from gammvae.runs.records import Result
from gammvae.runs.trained import keep_facts
from gammvae.system.progress import run_bar
from gammvae.training.choosing import check_candidates, choose_number
from gammvae.training.expected import expected, name_of
from gammvae.training.method import method_of
from gammvae.training.tracking import check_tracking, tracking
from gammvae.training.workspace import Workspace


def prepared(config: Config, directory: RunDirectory) -> "Experiment":
    """An experiment that can begin, or go on after an interruption; nothing is written yet.

    Args:
        config: Configuration of the run.
        directory: Directory of the run.

    Raises:
        InputError: Configuration, data and machine are not compatible.
    """
    check_tracking(config.tracking)
    return Experiment(config, directory)


def add_report(config: Config, directory: RunDirectory, result: Result) -> None:
    """Writes the missing report of a finished run, whose process may have been killed.

    Raises:
        InputError: See ``Method.restore``.
    """
    experiment = Experiment(config, directory)
    with directory.open(config):
        experiment.restore()
        write_report([experiment.subject(result)], directory / REPORT)


class Experiment:
    """A run: its method, the workspace of its stages, and the evaluation of its outcome.

    Args:
        config: Configuration of the run.
        directory: Directory of the run; not touched before the first stage.

    Raises:
        InputError: Configuration, data and machine are not compatible.
    """

    def __init__(self, config: Config, directory: RunDirectory) -> None:
        self.config, self.make = config, method_of(config)
        self.work = Workspace(config, directory)
        self.method = self.make(self.work)
        check_candidates(self.work)

    def run(self) -> Result:
        """Runs the stages that are left, and returns the result; if there is one by now, that.

        Raises:
            InputError: The contents of the directory do not allow the run.
            DivergenceError: Training became non-finite.
        """
        directory = self.work.directory
        with directory.open(self.config):
            found = directory.finished_since(self.config)
            return self._trained() if found is None else found

    def _trained(self) -> Result:
        """Runs the stages that are left, in the open directory."""
        directory = self.work.directory
        with tracking(self.config, directory) as conclude:
            self.work.introduce()
            with run_bar(expected(self.work, self.method.stages())) as bar:
                self._settle()
                for stage in self.method.stages():
                    bar.begin(name_of(stage))
                    stage()
                bar.begin("evaluate")
                result = self.finish()
                if self.config.report:
                    bar.begin("report")
                    write_report([self.subject(result)], directory / REPORT)
            conclude(result)
            return result

    def conclude(self) -> Result:
        """Evaluates an interrupted run at the last checkpoint of its joint training.

        Raises:
            InputError: Joint training has not begun, or see ``Method.restore``.
        """
        directory = self.work.directory
        with directory.open(self.config):
            self._settle()
            self.method.restore()
            directory.drop_metrics("train", read_checkpoint(directory / "train.pt").epoch)
            return self.finish()

    def finish(self) -> Result:
        """Clusters all samples, and writes assignments and result."""
        work, began = self.work, time.perf_counter()
        with NpzWriter(work.directory / ASSIGNMENTS, len(work.x)) as arrays:
            figures = self.method.evaluate(lambda part: arrays.append(part._asdict()))
            work.directory.write(ASSIGNMENTS, arrays.pack)
        keep_facts(work.directory, work.facts)
        seconds, epochs = work.directory.seconds_by_stage(), work.directory.epochs_by_stage()
        if choice := work.directory.read_choice():
            seconds = {"choose": choice["seconds"], **seconds}
        steps = work.directory.steps_by_stage(work.steps_of_a_pass())
        result: Any = {
            **work.identity(),
            "metrics": figures,
            "seconds": seconds | {"evaluate": time.perf_counter() - began},
            "epochs": epochs,
            "steps": steps,
            "parameters": work.trained_parameters() if any(epochs.values()) else 0,
            "peak_memory_bytes": peak_memory(work.device),
        }
        work.directory.finish(result)
        return result

    def restore(self) -> None:
        """Restores the state of the finished run.

        Raises:
            InputError: See ``Method.restore``.
        """
        self._settle()
        self.method.restore()

    def reevaluate(self) -> dict[str, Any]:
        """Recomputes the figures of the finished run; writes nothing.

        Raises:
            InputError: See ``Method.restore``.
        """
        self.restore()
        return {**self.work.identity(), "metrics": self.method.evaluate(lambda _: None)}

    def subject(self, result: Result) -> Subject:
        """What a report shows of the finished run; its weights must be in memory."""
        work = self.work
        known = work.model, work.x, work.classes, work.facts
        return subject_of(work.directory, work.config, result, *known)

    def _settle(self) -> None:
        """Has the data choose the number of clusters, unless it is given or was chosen before."""
        if self.work.candidates:
            choice = self.work.directory.read_choice()
            if choice is None or choice["dataset_digest"] != self.work.digest:
                choice = choose_number(self.work)
            self.work.decide(choice["n_clusters"])
            self.method = self.make(self.work)
