import numpy as np
import pytest

from gammvae.errors import InputError
from gammvae.search.space import Choices, Numbers, Space
from gammvae.search.study import JOURNAL, RANDOM_TRIALS, Study

SPACE = Space(
    "some",
    "Some settings",
    {"a": Numbers(0.001, 1.0, log=True), "b": Choices(("x", None, [1])), "c": Numbers(1, 9)},
    [],
)
DEFAULT = {"a": 0.5, "b": "neither", "c": 3}
TRIALS = RANDOM_TRIALS + 4


def value(settings):
    """What is to be large: a near 0.01 and b=null; a large c fails."""
    found = {"a": "0.5", "b": "x", "c": "3", **settings}
    if int(found["c"]) > 7:
        return None
    return -((np.log10(float(found["a"])) + 2) ** 2) + (found["b"] == "null")


def searched(folder, trials=TRIALS, seed=0):
    folder.mkdir(exist_ok=True)
    study = Study(folder, SPACE, DEFAULT, seed)
    while len(study.outcomes()) < trials:
        number, settings = study.begin()
        found = value(settings)
        study.end(number, found, [f"run {number}"], "" if found is not None else "too large")
    return study.outcomes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return searched(folder), (folder / JOURNAL).read_bytes()


def test_the_first_trial_is_the_default_and_the_others_are_of_the_space(whole):
    first, *others = whole[0]
    assert (first.number, first.settings, first.value) == (0, {}, value({}))
    assert [one.number for one in others] == list(range(1, TRIALS))
    for one in others:
        assert list(one.settings) == list(SPACE.settings)
        assert 0.001 <= float(one.settings["a"]) <= 1
        assert one.settings["b"] in ("x", "null", "[1]")
        assert one.value == value(one.settings)
        assert one.reason == ("too large" if one.value is None else "")
        assert one.runs == [f"run {one.number}"]


def test_trials_depend_on_the_seed_alone(whole, tmp_path):
    assert searched(tmp_path / "same") == whole[0]
    assert searched(tmp_path / "other", 4, seed=1)[1:] != whole[0][1:4]


def test_more_trials_go_on_where_fewer_ended(whole, tmp_path):
    assert searched(tmp_path / "few", 5) == whole[0][:5]
    assert searched(tmp_path / "few") == whole[0]


def test_a_kill_at_any_byte_of_the_journal_changes_nothing(whole, tmp_path):
    outcomes, journal = whole
    for place in np.random.default_rng(0).integers(len(journal), size=6):
        (folder := tmp_path / str(place)).mkdir()
        (folder / JOURNAL).write_bytes(journal[:place])
        assert searched(folder) == outcomes, place


def test_results_and_failures_guide_the_choice(tmp_path):
    _, *outcomes = searched(tmp_path / "long", 50)
    early, late = outcomes[:RANDOM_TRIALS], outcomes[-20:]
    means = [
        np.mean([one.value for one in part if one.value is not None]) for part in (early, late)
    ]
    assert means[0] < means[1]
    assert sum(one.value is None for one in late) < 20 * 2 / 9  # as many as at random


def test_other_data_are_refused(tmp_path):
    Study(tmp_path, SPACE, DEFAULT, 0).check_data("a")
    Study(tmp_path, SPACE, DEFAULT, 0).check_data("a")
    with pytest.raises(InputError, match="not those of the trials before"):
        Study(tmp_path, SPACE, DEFAULT, 0).check_data("b")


def test_a_damaged_journal_is_one_line(whole, tmp_path):
    (tmp_path / JOURNAL).write_bytes(b"{]\n" + whole[1])
    with pytest.raises(InputError, match="journal.log is damaged"):
        Study(tmp_path, SPACE, DEFAULT, 0)
