"""What a user sees of ``gammvae train`` on a terminal."""

import re
import sys

import pytest

from gammvae.cli.train import what_next
from gammvae.runs.directory import RunDirectory
from tests.conftest import TINY
from tests.terminal import in_terminal

COMMAND = [sys.executable, "-m", "gammvae"]
SMALL = ("train", "experiment=smoke", *TINY, "device=cpu")


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The folder of a run, and what was shown of it on a terminal."""
    folder = tmp_path_factory.mktemp("terminal")
    text, code = in_terminal([*COMMAND, *SMALL, "report=false", "run_dir=a run"], folder)
    assert code == 0, text
    return folder, text.replace("\r\n", "\n")


@pytest.mark.slow
def test_one_bar_goes_through_the_stages_of_a_run(shown):
    drawn = re.findall(r"\r(\w+)(?: \d+/\d+)? +(\d+)%\|[^|]*\| \d\d:\d\d<(\?|\d\d:\d\d)", shown[1])
    assert list(dict.fromkeys(name for name, *_ in drawn)) == (
        ["pretrain", "init", "train", "evaluate"]
    )
    assert drawn[0][1:] == ("0", "?")
    shares = [int(share) for _, share, _ in drawn]
    assert shares == sorted(shares)
    assert all(left != "?" for name, _, left in drawn if name != "pretrain")


@pytest.mark.slow
def test_the_end_says_what_can_be_done_next(shown):
    folder, text = shown
    assert text[text.index("\na run\n") :].splitlines()[2:] == [
        "what can be done next:",
        "table     gammvae export 'a run' out=clusters.csv",
        "generate  gammvae sample 'a run' cluster=0",
        "assign    gammvae predict 'a run' data=FILE out=new_clusters.csv",
    ]
    (folder / "a run" / "report.html").touch()
    directory = RunDirectory(folder / "a run")
    _, first, *_ = what_next(directory, directory.read_config())
    assert first == f"report    {folder}/a run/report.html"


@pytest.mark.parametrize("words", [["model=kmeans"], ["-m", "model=kmeans"]])
def test_advice_is_for_a_single_run_on_a_terminal(words, in_process, monkeypatch):
    for on_terminal in (False, True):
        monkeypatch.setattr(sys.stdout, "isatty", lambda there=on_terminal: there, raising=False)
        done = in_process(*SMALL, *words)
        assert done.returncode == 0, done.stderr
        expected = on_terminal and "-m" not in words
        assert ("table     gammvae export outputs/" in done.stdout) == expected
