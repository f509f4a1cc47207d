from pathlib import Path

import pytest

from gammvae.cli.estimate import Estimate, Times, duration
from gammvae.tables.results import Run
from tests.tables.test_origins import GPU, HERE


def run(path, dataset, seconds, origin=HERE):
    return Run(Path(path), dataset, "row", 0, {"seconds": seconds}, "", {}, (), origin)


def test_the_same_row_counts_first_then_the_same_dataset():
    finished = [run("a/0", "digits", 10), run("a/1", "digits", 20), run("b/0", "digits", 60)]
    times = Times([*finished, finished[0], run("a/2", "digits", 1e6, GPU)], "cpu")
    missing = [("digits", Path("a/3")), ("digits", Path("c/0")), ("digits", Path("c/1"))]
    assert times.estimate(missing, 2) == Estimate(15 + 30 + 30, 1, 2, 2)
    assert Times(finished, "cuda").by_dataset == {}


def test_an_estimate_in_words():
    assert str(Estimate(0, 0, 0, 0)) == ""
    assert str(Estimate(7200, 1, 0, 1)) == (
        "about 2 h 0 min for 1 run (1 by runs of the same row and dataset), "
        "unknown for 1 run of datasets without a finished run"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59, "59 s"), (60, "1 min"), (3599, "1 h 0 min"), (5400, "1 h 30 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
