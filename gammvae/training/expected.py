"""What the stages of a run are expected to cost, before they are measured.

The constants are rough, and only decide how the bar of a run begins: of default runs on two cores
of an Intel Xeon and on an NVIDIA H100.
"""

from collections.abc import Callable, Sequence

from gammvae.initialization.number import SAMPLES
from gammvae.model.building import number_of_epochs
from gammvae.system.timetable import Entry
from gammvae.training.pretraining import epochs_of
from gammvae.training.workspace import Workspace

# Names of stages whose functions are called otherwise.
STAGE_NAMES = {
    "initialize": "init",
    "cluster": "init",
}
# A step of joint training takes about as long as this many of pretraining.
TRAIN_COST = 1.7
# Seconds of a number of clusters that is tried, at least and for each sample. Trying one is no step
# of training, so its pace says nothing about those.
LEAST_NUMBER, NUMBER_SECONDS = 0.15, 1.5e-4
# Seconds of a start from a neighbor graph, at least and for each sample; those of assignments and
# their figures for each sample; and those of a report.
LEAST_INIT, INIT_SECONDS, EVALUATE_SECONDS, REPORT_SECONDS = 3.0, 4e-4, 5e-5, 8.0


def name_of(stage: Callable[[], None]) -> str:
    """The name of a stage, of those that ``Method.stages`` returns."""
    name = getattr(stage, "__name__", "stage")
    return STAGE_NAMES.get(name, name)


def expected(work: Workspace, stages: Sequence[Callable[[], None]]) -> list[Entry]:
    """The stages of a run with their steps and costs, and what follows them.

    Args:
        work: Workspace of the run.
        stages: What ``Method.stages`` returns.
    """
    config, n_samples = work.config, len(work.x)
    looked_at = min(n_samples, SAMPLES, config.init.max_samples)
    of_a_pass = work.steps_of_a_pass()
    every = config.train.targets_every
    of_targets = every if isinstance(every, int) else of_a_pass
    entries = {
        "pretrain": Entry("pretrain", epochs_of(work) * of_a_pass, cost=1.0),
        "number": Entry(
            "number",
            len(work.candidates),
            seconds=len(work.candidates) * (LEAST_NUMBER + NUMBER_SECONDS * looked_at),
        ),
        "init": Entry(
            "init", seconds=LEAST_INIT + INIT_SECONDS * min(n_samples, config.init.max_samples)
        ),
        "train": Entry(
            "train", number_of_epochs(config.train, of_targets) * of_targets, cost=TRAIN_COST
        ),
        "evaluate": Entry("evaluate", seconds=EVALUATE_SECONDS * n_samples),
        "report": Entry("report", seconds=REPORT_SECONDS),
    }
    names = [*map(name_of, stages), "evaluate", *["report"] * config.report]
    if work.candidates:
        names.insert(1, "number")
    return [entries.get(name) or Entry(name) for name in names]
