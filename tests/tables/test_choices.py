from gammvae.tables.choices import conclusion, told, unsupported


def choice(recoveries, n_clusters, supported=True, runners_up=()):
    candidates = [
        {"n_clusters": k, "recovery": r, "weakest": r / 2, "agreement": -0.1, "modularity": 0.5}
        | {"silhouette": None}
        for k, r in enumerate(recoveries, 2)
    ]
    return {
        **{"samples": 9, "seconds": 0.1, "candidates": candidates, "n_clusters": n_clusters},
        **{"supported": supported, "runners_up": list(runners_up)},
    }


def test_all_candidates_are_in_the_table():
    lines = list(told(choice([0.9, 0.99, 0.5], 3)))
    assert lines[2].split() == ["2", "0.900", "0.450", "-0.100", "0.500", "-"]
    assert lines[3].split() == ["3", "0.990", "0.495", "-0.100", "0.500", "-"]
    assert len(lines) == 6
    assert lines[5].startswith("n_clusters=3 is chosen, the largest whose clusters are all stable")


def test_runners_up_are_named():
    assert list(conclusion(choice([0.97, 0.5, 0.9], 2, runners_up=[4])))[1] == "runners-up: 4"


def test_doubtful_choices_are_called_so():
    first, second = conclusion(choice([0.6, 0.7, 0.4], 3, supported=False))
    assert first.startswith("the data do not support any of the numbers that were tried")
    assert second.endswith("whose mean recovery (0.700) is within 0.03 of the best")


def test_only_a_doubtful_choice_is_told_at_the_end_of_a_run():
    assert not list(unsupported(choice([0.9, 0.99], 3)))
    (line,) = unsupported(choice([0.6, 0.7], 3, supported=False))
    assert line.endswith("n_clusters=3 was chosen nevertheless")


def test_a_choice_at_the_end_may_go_on():
    assert "more may be as good" in list(conclusion(choice([0.6, 0.7], 3)))[-1]
