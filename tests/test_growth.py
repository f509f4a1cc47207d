import csv
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch

SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture
def growth(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    return __import__("benchmark_growth")


@pytest.mark.parametrize(("features", "stride"), [(8, 1), (8, 2), (60_000, 1)])
def test_samples_of_a_case_are_as_many_as_it_says(growth, features, stride, monkeypatch):
    monkeypatch.setattr(growth, "BATCH", 30 // stride)
    monkeypatch.setattr(growth, "STEPS", 20)
    case = growth.Case(600, features, 3, 2)
    x, some = growth.made(case)
    assert (x.shape, some.shape) == ((600, features), (600 // stride, features))
    every = torch.arange(0, 600, stride)
    assert torch.equal(some[torch.arange(600 // stride)], x[every])
    if case.sparse:
        assert (x[every] > 0).sum(1).max() <= growth.WORDS


def test_a_case_is_measured_and_written(monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(SCRIPTS)
    monkeypatch.setattr(
        sys,
        "argv",
        ["benchmark_growth.py", "--cases", "600,8,3,2", "--csv", str(tmp_path / "growth.csv")],
    )
    runpy.run_path(str(SCRIPTS / "benchmark_growth.py"), run_name="__main__")
    (line,) = csv.DictReader((tmp_path / "growth.csv").open())
    assert (line["samples"], line["clusters"]) == ("600", "3")
    figures = [float(value) for value in line.values()]
    assert min(figures) >= 0
    assert float(line["GB"]) >= float(line["start GB"]) > 0.1
    shown = capsys.readouterr().out.splitlines()[-1]
    assert re.sub(r" *\| *", ",", shown).strip(",") == ",".join(line.values())
