"""How the bar of a run moves, from what its stages are expected to cost and what they take."""

from types import SimpleNamespace

import numpy as np
import pytest

from gammvae.system.timetable import Timetable
from gammvae.training.expected import expected
from tests.conftest import compose_config


def stages_of(n_samples, candidates):
    """What is expected of a run that chooses its number of clusters."""

    def pretrain():
        """A stage."""

    def initialize():
        """A stage."""

    def train():
        """A stage."""

    config = compose_config("pretrain.updates=100", "train.updates=500", "report=false")
    work = SimpleNamespace(
        config=config, x=np.zeros((n_samples, 2)), candidates=candidates, steps_of_a_pass=lambda: 5
    )
    return expected(work, (pretrain, initialize, train))


@pytest.mark.parametrize("n_samples", [150, 1000, 10_000])
@pytest.mark.parametrize("seconds", [0.05, 0.5, 3.0])
def test_choosing_a_number_of_clusters_moves_the_bar(n_samples, seconds):
    """However long a number takes, it says nothing about the training that follows."""
    now = [0.0]
    table = Timetable(stages_of(n_samples, range(2, 31)), lambda: now[0])
    table.begin("pretrain")
    for _ in range(100):
        now[0] += 0.01
        table.advance(1)
    table.begin("number")
    now[0] += 2 * seconds  # what all numbers have in common
    table.begin("number", 29)
    shares = []
    for tried in range(1, 30):
        now[0] += seconds
        table.advance(1)
        shares.append(table.share())
        others = table.left() - seconds * (29 - tried)
        assert 0 < others == pytest.approx(8.5 + 3 + 4e-4 * n_samples + 5e-5 * n_samples)
    assert (np.diff(shares) > 0).all()
    done = 1 + 31 * seconds
    assert shares[-1] == pytest.approx(done / (done + others))


def test_seconds_that_a_stage_has_taken_already_are_not_expected_again():
    now = [0.0]
    (number,) = [one for one in stages_of(1000, range(2, 12)) if one.name == "number"]
    table = Timetable([number], lambda: now[0])
    table.begin("number")
    now[0] += 1
    table.begin("number", 10)
    assert table.left() == pytest.approx(number.seconds - 1)
