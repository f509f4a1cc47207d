from pathlib import Path

import pytest

from gammvae.cli.estimate import Estimate, Kind, Times, duration
from gammvae.tables.results import Run
from tests.tables.test_origins import GPU, HERE


def run(path, dataset, seconds, origin=HERE):
    return Run(Path(path), dataset, "row", 0, {"seconds": seconds}, "", {}, (), origin)


def test_the_same_row_counts_first_then_the_same_dataset_and_pretraining():
    finished = [run("a/0", "digits", 10), run("a/1", "digits", 20), run("b/0", "digits", 60)]
    network, samples = Kind(False, None, 3000), Kind(True, None, None)
    kinds = {Path("a"): network, Path("b"): samples, Path("c"): network, Path("d"): samples}
    kinds[Path("e")] = Kind(False, None, 8000)
    times = Times([*finished, finished[0], run("a/2", "digits", 1e6, GPU)], kinds, "cpu")
    missing = [("digits", Path(path)) for path in ("a/3", "c/0", "d/0", "e/0")]
    assert times.estimate(missing, 2) == Estimate(15 + 15 + 60, 1, 2, 3)
    assert Times(finished, kinds, "cuda").by_dataset == {}


def test_an_estimate_in_words():
    assert str(Estimate(0, 0, 0, 0)) == ""
    assert str(Estimate(7200, 1, 0, 1)) == (
        "about 2 h 0 min for 1 run (1 by runs of the same row and dataset), "
        "unknown for 1 run, as none like it is finished"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59, "59 s"), (60, "1 min"), (3599, "1 h 0 min"), (5400, "1 h 30 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
