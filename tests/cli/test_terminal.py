import io
import logging
import os
import shlex
import subprocess
import sys

import pytest

from gammvae.system.printing import LogFile, PlainFormatter, plain, say


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b]0;hacked\x07", "\\x1b]0;hacked\\x07"),
        ("a\rb\x00\x9b2J", "a\\rb\\x00\\x9b2J"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("a\tb\nc \u00b1 \u4e2d", "a\tb\nc \u00b1 \u4e2d"),
        ("\udcff", "\\udcff"),
    ],
)
def test_nothing_that_is_printed_is_obeyed_by_a_terminal(text, expected):
    assert plain(text) == expected
    stream = io.StringIO()
    say(text, stream)
    assert stream.getvalue() == expected + "\n"
    record = logging.LogRecord("x", logging.INFO, "", 0, "%s", (text,), None)
    assert PlainFormatter("%(message)s").format(record) == expected


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_what_an_encoding_lacks_is_replaced(encoding):
    stream = io.TextIOWrapper(io.BytesIO(), encoding)
    say("0.5 \u00b1 0.1 \u4e2d", stream)
    stream.flush()
    shown = stream.buffer.getvalue().decode(encoding)
    assert shown == ("0.5 \u00b1 0.1 \u4e2d\n" if encoding == "utf-8" else "0.5 +/- 0.1 ?\n")


def test_a_log_that_cannot_be_written_ends_the_run():
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    logger = logging.getLogger("gammvae.full")
    logger.addHandler(handler := LogFile(Full()))
    with pytest.raises(OSError, match="No space left"):
        logger.warning("hello")
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    "closed", ["2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-", "2>/dev/full", "2</dev/null"]
)
def test_streams_that_are_closed_take_nothing_with_them(closed, tmp_path, forks):
    train = (
        *("train", "dataset=digits", "model=kmeans", "device=cpu", "report=false"),
        *("run_dir=run", "init.max_samples=200"),
    )
    command = shlex.join([*forks, "gammvae", *train])
    result = subprocess.run(["bash", "-c", f"{command} {closed}"], cwd=tmp_path, check=False)
    assert result.returncode == 0
    said = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    assert said.count(b"\n") == 1
    bad = subprocess.run(["bash", "-c", f"{command} seed=-1 {closed}"], cwd=tmp_path, check=False)
    assert bad.returncode == 2


def test_a_table_is_shown_in_an_ascii_locale(tmp_path):
    train = ("train", "-m", "model=kmeans", "seed=0,1", "device=cpu", "report=false")
    command = [sys.executable, "-m", "gammvae"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    for arguments in (train, ("table", "--output", "t.md", "t.tex", "t.csv")):
        result = subprocess.run(
            [*command, *arguments], cwd=tmp_path, env=environment, capture_output=True, check=False
        )
        assert result.returncode == 0, result.stderr
    assert b" +/- " in result.stdout
    assert "\u00b1" in (tmp_path / "t.md").read_text("utf-8")
