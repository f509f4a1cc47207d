import pytest

from gammvae.tables.origins import Origins, letter, origin_of
from tests.conftest import a_result


def origin(**changes):
    return origin_of(a_result(**changes))


HERE = origin()
GPU = origin(device="cuda:3", precision="bfloat16")
OTHER_TORCH = origin(versions={"python": "3.12", "torch": "2.16", "gammvae": "0.1"})


def test_what_counts_is_the_kind_of_device_and_of_threads():
    assert origin(device="cuda:0") == origin(device="cuda:1")
    assert origin(threads=2) == origin(threads=8) != HERE
    assert origin(versions={"python": "3.13", "torch": "2.15", "gammvae": "0.1"}) == HERE


def test_the_machine_and_the_commit_count_where_they_are_noted():
    released = {"python": "3.11", "torch": "2.15", "gammvae": "0.1"}
    here = origin(machine="Xeon", versions=released | {"commit": "a1"})
    there = origin(machine="Ryzen", versions=released | {"commit": "a1"})
    assert list(Origins([[here, here], [there], [HERE]]).notes()) == [
        "computed on cpu, Xeon, in float32, with one thread, torch 2.15, gammvae 0.1, commit a1",
        "a Ryzen",
        "b machine not noted, commit not noted",
    ]


def test_the_most_common_origin_has_no_letter():
    origins = Origins([[GPU], [HERE, HERE], [HERE], []])
    assert [origins.mark(cell) for cell in ([GPU], [HERE, HERE], [])] == ["a", "", ""]
    assert list(origins.notes()) == [
        "computed on cpu, in float32, with one thread, torch 2.15, gammvae 0.1",
        "a on cuda, in bfloat16",
    ]


def test_a_cell_of_several_origins_has_a_letter_of_its_own():
    origins = Origins([[HERE] * 5, [HERE, GPU], [GPU, HERE], [GPU], [GPU, OTHER_TORCH]])
    cells = [HERE, GPU], [GPU, HERE], [GPU], [GPU, OTHER_TORCH]
    assert [origins.mark(cell) for cell in cells] == ["a", "a", "b", "c"]
    assert list(origins.notes())[1:] == [
        "a seeds computed on cpu, in float32 and others on cuda, in bfloat16",
        "b on cuda, in bfloat16",
        "c seeds computed on cpu, in float32, torch 2.16 and others on cuda, in bfloat16, "
        "torch 2.15",
    ]


def test_without_runs_there_is_nothing_to_say():
    assert list(Origins([[], []]).notes()) == []


@pytest.mark.parametrize(("number", "mark"), [(0, "a"), (25, "z"), (26, "a1"), (53, "b2")])
def test_there_is_no_last_letter(number, mark):
    assert letter(number) == mark
