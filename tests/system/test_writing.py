import errno
import os
import threading
from pathlib import Path

import pytest

from gammvae.errors import InputError
from gammvae.system.writing import (
    UNFINISHED,
    append,
    link,
    refuse_existing,
    refuse_replacing,
    remove_unfinished,
    scratch,
    write_text,
    write_whole,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_link_is_replaced_and_what_it_leads_to_is_not_touched(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "result.json"
    path.symlink_to(tmp_path / "mine")
    write_text(path, "ours")
    assert (tmp_path / "mine").read_text() == "mine"
    assert not path.is_symlink()
    assert path.read_text() == "ours"


def test_nothing_is_added_through_a_link(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "run.log").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="symbolic") as caught:
        append(tmp_path / "run.log", "ours")
    assert caught.value.errno == errno.ELOOP
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("error", [RuntimeError("fire"), KeyboardInterrupt()])
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path, error):
    write_text(tmp_path / "x", "old")

    def fail(file):
        file.write(b"half")
        raise error

    with pytest.raises(type(error)):
        write_whole(tmp_path / "x", fail)
    assert names(tmp_path) == ["x"]
    assert (tmp_path / "x").read_text() == "old"


def test_a_full_disk_is_said_of_the_file(tmp_path):
    def fail(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space") as caught:
        write_whole(tmp_path / "x", fail)
    assert caught.value.filename == str(tmp_path / "x")


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path, both = tmp_path / "x", threading.Barrier(2)

    def save(file):
        file.write(threading.current_thread().name.encode() * 1000)
        both.wait(timeout=10)

    threads = [threading.Thread(target=write_whole, args=(path, save), name=name) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in (b"a" * 1000, b"b" * 1000)
    assert names(tmp_path) == ["x"]


def test_a_folder_that_is_gone_is_named(tmp_path):
    for write in (write_text, append):
        with pytest.raises(InputError, match=r"gone does not exist: x cannot be written to it"):
            write(tmp_path / "gone" / "x", "text")


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "x", "")
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_is_put_in_a_second_place(tmp_path):
    write_text(tmp_path / "x", "text")
    write_text(tmp_path / "y", "old")
    link(tmp_path / "x", tmp_path / "y")
    assert (tmp_path / "y").read_text() == "text"
    assert names(tmp_path) == ["x", "y"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / f"{UNFINISHED}abc").write_text("half")
    (tmp_path / f"{UNFINISHED}parts").mkdir()
    (tmp_path / f"{UNFINISHED}parts" / "x").write_text("half")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"{UNFINISHED}link").symlink_to(tmp_path / "elsewhere")
    remove_unfinished(tmp_path)
    assert names(tmp_path) == ["elsewhere"]


def test_a_folder_for_parts_is_removed_at_the_end(tmp_path):
    with scratch(tmp_path / "x") as one, scratch(tmp_path / "x") as other:
        (one / "part").write_text("")
        assert one != other
        assert one.parent == tmp_path
    assert names(tmp_path) == []


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file_is_not_replaced(make, tmp_path):
    make(tmp_path / "x")
    with pytest.raises(InputError, match="x is not replaced: it is no file"):
        write_text(tmp_path / "x", "text")
    assert names(tmp_path) == ["x"]
    assert not (tmp_path / "x").is_file()


def test_what_is_read_is_not_written_over(tmp_path):
    write_text(tmp_path / "x.npz", "")
    (tmp_path / "same.npz").hardlink_to(tmp_path / "x.npz")
    for target in ("x.npz", "same.npz", "../" + tmp_path.name + "/x.npz"):
        with pytest.raises(InputError, match="out=.* would replace .*x.npz, which is read"):
            refuse_replacing("out", tmp_path / target, [tmp_path / "x.npz"])
    refuse_replacing("out", tmp_path / "new.npz", [tmp_path / "x.npz"])


def test_what_exists_is_replaced_only_if_that_is_wanted(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(InputError, match="mine exists: overwrite=true replaces it"):
        refuse_existing("out", tmp_path / "mine", False)
    refuse_existing("out", tmp_path / "mine", True)
    for other in ("link", "none"):  # a link is replaced, and its file stays
        refuse_existing("out", tmp_path / other, False)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="of Linux")
def test_a_folder_that_takes_no_files_is_bad_input():
    with pytest.raises(InputError, match=r"^/proc/a\.csv cannot be written: "):
        write_text(Path("/proc/a.csv"), "text")
