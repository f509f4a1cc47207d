import json

import pytest

from gammvae.errors import InputError
from gammvae.search.stored import default_and_best, runs_of_search


def stored(folder, best, there=("a", "b", "d")):
    """A search of three trials, of whose four runs some are there."""
    for name in there:
        (folder / name).mkdir(parents=True)
        (folder / name / "config.yaml").touch()
    named = [["a"], ["b", "c"], ["d"]]
    trials = [
        {"number": number, "runs": [str(folder / run) for run in runs], "value": 0.5}
        for number, runs in enumerate(named)
    ]
    path = folder / "search.json"
    path.write_text(json.dumps({"space": "tiny", "best": best, "trials": trials}))
    return path


def test_a_search_has_the_runs_of_its_trials(tmp_path):
    found = runs_of_search(stored(tmp_path, 1))
    assert [run.name for run in found] == ["a", "b", "d"]


@pytest.mark.parametrize(("best", "names"), [(1, "ab"), (2, "ad"), (0, "a"), (None, "a")])
def test_the_best_is_beside_the_default(best, names, tmp_path):
    assert [run.name for run in default_and_best(stored(tmp_path, best))] == list(names)


def test_runs_that_are_not_there_and_damaged_files_are_refused(tmp_path):
    path = stored(tmp_path, 1, there=())
    path.parent.mkdir(exist_ok=True)
    with pytest.raises(InputError, match=r"search.json names 4 runs, such as .*/a, and none is"):
        runs_of_search(path)
    path.write_text('{"best": 1, "trials": [{"number": 0, "runs": [3]}]}')
    with pytest.raises(InputError, match=r"search.json is damaged: trials.0.runs.0: it must be te"):
        default_and_best(path)
