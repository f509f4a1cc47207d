import pytest

from gammvae.system.timetable import Entry, Timetable


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def made(clock):
    """Two comparable stages with one between them and one after them."""
    entries = [
        Entry("pretrain", 100, cost=1.0),
        Entry("init", seconds=20.0),
        Entry("train", 50, cost=2.0),
        Entry("report", seconds=5.0),
    ]
    return Timetable(entries, clock)


def test_nothing_is_known_before_the_first_step(clock):
    table = made(clock)
    assert table.left() is None
    table.begin("pretrain")
    clock.now += 3
    assert table.left() is None
    assert table.share() == 0


def test_stages_to_come_have_the_pace_of_comparable_steps(clock):
    table = made(clock)
    table.begin("pretrain")
    clock.now += 8
    table.advance(40)  # 0.2 s a step
    rest = 0.2 * 60 + 20 + 2 * 0.2 * 50 + 5
    assert table.left() == pytest.approx(rest)
    assert table.share() == pytest.approx(8 / (8 + rest))


def test_a_stage_takes_over_its_own_pace(clock):
    table = made(clock)
    table.begin("pretrain")
    clock.now += 20
    table.advance(100)
    table.begin("init")
    assert table.left() == pytest.approx(20 + 20 + 5)
    clock.now += 6
    assert table.left() == pytest.approx(14 + 20 + 5)
    clock.now += 94  # much longer than expected
    assert table.left() == pytest.approx(20 + 5)
    table.begin("train")
    clock.now += 10
    table.advance(10)  # 1 s a step
    assert table.left() == pytest.approx(40 + 5)
    assert table.share() == pytest.approx(130 / 175)


def test_parts_of_a_stage_add_up(clock):
    table = made(clock)
    table.begin("pretrain")
    clock.now += 10
    table.advance(100)
    for _ in range(2):
        table.begin("init", 4)
        clock.now += 4
        table.advance(1)
    assert table.left() == pytest.approx(3 * 4 + 0.1 * 2 * 50 + 5)
    assert table.share() == pytest.approx((10 + 4 + 4) / (18 + 27))


def test_a_part_that_goes_on_where_the_stage_is_changes_nothing(clock):
    table, one = made(clock), made(clock)
    for each in (table, one):
        each.begin("pretrain", 100)
    clock.now += 10
    for each in (table, one):
        each.advance(60)
    table.begin("pretrain", 100, done=60)
    clock.now += 3
    for each in (table, one):
        each.advance(10)
    assert (table.left(), table.share()) == (one.left(), one.share())


def test_steps_of_an_earlier_process_count_but_are_not_timed(clock):
    table = made(clock)
    for name in ("pretrain", "init"):  # finished earlier
        table.begin(name)
    table.begin("train", 50, done=30)
    clock.now += 5
    table.advance(10)
    assert table.left() == pytest.approx(0.5 * 10 + 5)
    assert table.share() == pytest.approx((5 + 30 * 0.5) / (20 + 10))


def test_stages_that_are_left_out_take_no_time(clock):
    table = made(clock)
    table.begin("report")
    assert table.left() == pytest.approx(5)


def test_a_stage_that_was_not_planned_is_added(clock):
    table = Timetable([], clock)
    table.begin("other", 10)
    clock.now += 2
    table.advance(5)
    assert table.left() == pytest.approx(2)


def test_a_stage_that_has_ended_is_not_counted_again(clock):
    """As pretraining, after which the number of clusters may be chosen before the stages begin."""
    table = made(clock)
    table.begin("pretrain")
    clock.now += 20
    table.advance(100)
    table.begin("number")
    clock.now += 10
    table.begin("pretrain")
    table.begin("init")
    assert table.left() == pytest.approx(20 + 20 + 5)
    assert table.share() == pytest.approx(30 / (30 + 45))
