import pytest

from gammvae.config.candidates import as_text, candidates, is_undecided, number_or_candidates
from gammvae.errors import InputError

RULE = number_or_candidates(100)


@pytest.mark.parametrize("value", [1, 100, "auto", "range(2,4)", "range( 2, 30, 4 )"])
def test_numbers_and_candidates_are_allowed(value):
    assert RULE.holds(value)


@pytest.mark.parametrize(
    "value",
    [0, 101, 2.0, True, None, "3", "Auto", "range(1,4)", "range(2,3)", "range(4,2)"]
    + ["range(2,5000)", "range(2,9,0)", "range(2,9,8)", "range(a,b)", "range(2,4)x"],
)
def test_anything_else_is_refused(value):
    assert not RULE.holds(value)


def test_auto_depends_on_the_number_of_samples():
    assert candidates("auto", 1000) == range(2, 31)
    assert candidates("auto", 50) == range(2, 6)
    with pytest.raises(InputError, match="at least 30 samples"):
        candidates("auto", 29)


def test_ranges_are_those_of_python():
    assert list(candidates("range(2,9,3)", 100)) == [2, 5, 8]
    with pytest.raises(InputError, match="must end at 11 or before"):
        candidates("range(2,12)", 20)
    assert candidates("range(2,11)", 20)[-1] == 10


def test_only_a_range_of_clusters_becomes_text():
    assert as_text("n_clusters=range(2,5)") == 'n_clusters="range(2,5)"'
    for same in ("n_clusters=5", "seed=range(2,5)", 'n_clusters="range(2,5)"', "n_clusters=auto"):
        assert as_text(same) == same
    assert is_undecided("range(2,5)")
    assert as_text("n_clusters=range(2)") == 'n_clusters="range(2)"'  # which the rule answers
