from gammvae.tables.choices import conclusion, told


def choice(recoveries, n_clusters, supported=True, runners_up=()):
    candidates = [
        {"n_clusters": k, "recovery": r, "weakest": r / 2, "agreement": -0.1, "modularity": 0.5}
        | {"silhouette": None}
        for k, r in enumerate(recoveries, 2)
    ]
    rest = {"samples": 9, "seconds": 0.1, "candidates": candidates}
    return rest | {
        "n_clusters": n_clusters,
        "supported": supported,
        "runners_up": list(runners_up),
    }


def test_all_candidates_are_in_the_table():
    lines = list(told(choice([0.9, 0.99], 3)))
    assert lines[2].split() == ["2", "0.900", "0.450", "-0.100", "0.500", "-"]
    assert lines[3].split() == ["3", "0.990", "0.495", "-0.100", "0.500", "-"]
    assert lines[4:] == [
        "n_clusters=3 is chosen, whose clusters are recovered best in subsamples (0.990)"
    ]


def test_a_better_number_and_runners_up_are_named():
    first, second = conclusion(choice([0.97, 0.5, 0.99], 2, runners_up=[4]))
    assert first == (
        "n_clusters=2 is chosen, the smallest whose recovery in subsamples (0.970) is nearly that "
        "of the best (0.990 for 4)"
    )
    assert second == "nearly as good: 4"


def test_doubtful_choices_are_called_so():
    *_, last = conclusion(choice([0.6, 0.7], 3, supported=False))
    assert last.startswith("the data do not support this or any other number")
