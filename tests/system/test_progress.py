import os
import pty
import sys

from gammvae.system.progress import bars, hidden, part_bar, run_bar
from gammvae.system.timetable import Entry


def test_bars_follow_the_terminal_unless_the_caller_says_otherwise():
    assert hidden() is None
    with bars(True):
        assert hidden() is False
        with bars(False):
            assert hidden() is True
        assert hidden() is False
    assert hidden() is None


def test_a_run_has_one_bar_for_all_its_stages(capsys):
    with bars(True), run_bar([Entry("a", 4, cost=1.0), Entry("b", 2, cost=1.0)]) as whole:
        whole.begin("a")
        with part_bar("a", 4, "step") as bar:
            assert bar is whole
            assert hidden() is True  # of any other bar
            bar.update(4)
        with part_bar("b", 2, "step") as bar:
            bar.update()
            bar.set_postfix_str("elbo -3")
    lines = capsys.readouterr().err.split("\r")
    assert any(line.startswith("a 0/4   0%|") and "<?" in line for line in lines)
    (last,) = [line for line in lines if "elbo -3" in line]
    assert last.startswith("b 1/2  ")
    assert hidden() is None


def test_without_a_terminal_nothing_is_drawn(capsys):
    with run_bar([Entry("a", 4, cost=1.0)]) as whole, part_bar("a", 4, "step") as bar:
        bar.update(4)
        assert whole.disable
    assert capsys.readouterr().err == ""


def test_a_part_that_stands_alone_has_its_own_bar(capsys):
    with bars(True), part_bar("init", 3, "start", done=1) as bar:
        bar.update()
    assert "init:  67%" in capsys.readouterr().err


def test_a_terminal_that_says_it_has_no_rows_and_columns_gets_a_bar(monkeypatch):
    ours, its = pty.openpty()  # such a terminal, until somebody tells it its size
    with open(its, "w") as terminal, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", terminal)
        assert tuple(os.get_terminal_size(its)) == (0, 0)
        with part_bar("init", 2, "start") as bar:
            assert (bar.ncols, bar.nrows) == (79, 23)
    assert "init:   0%|" in os.read(ours, 10_000).decode()
    os.close(ours)
