import math

import pytest

from gammvae.config.ranges import RULES
from gammvae.config.rules import at_least, between, matching, one_of, optional, positive

RULE_CASES = [
    (at_least(1, 5), [1, 2.5, 5], [0, 5.1, -1, math.nan, math.inf]),
    (at_least(0), [0, 1e300], [-1e-9, math.inf, math.nan]),
    (between(0, 0.9), [0, 0.9], [-0.1, 1, math.nan]),
    (positive(), [1e-300, 7], [0, -1, math.inf, math.nan]),
    (one_of("a", "b"), ["a", "b"], ["c", "", None]),
    (matching(r"a\d?", "a or a digit behind it"), ["a", "a1"], ["", "a12", "ba"]),
]


@pytest.mark.parametrize(("rule", "allowed", "refused"), RULE_CASES)
def test_a_rule_holds_for_what_it_allows_and_null_only_if_it_is_optional(rule, allowed, refused):
    for given in (rule, optional(rule)):
        assert all(given.holds(value) for value in allowed)
        assert not any(given.holds(value) for value in refused if value is not None)
    assert optional(rule).holds(None)
    assert optional(rule).text == f"null or {rule.text}"


def test_a_text_names_both_ends():
    assert at_least(1).text == "a number of at least 1"
    assert at_least(1, 5).text == "a number of at least 1 and at most 5"
    assert between(0, 1).text == "a number from 0 to 1"
    assert one_of("a", "b").text == "one of a, b"


def test_a_device_may_have_a_number():
    holds = RULES["device"].holds
    assert all(map(holds, ("auto", "cpu", "cuda", "cuda:0", "cuda:12", "mps")))
    assert not any(map(holds, ("", "gpu", "cuda:", "cuda:-1", "cpu:0", "xcpu", "cpu\n")))
