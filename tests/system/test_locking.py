from contextlib import ExitStack
from threading import Timer

import pytest

from gammvae.errors import InUseError
from gammvae.system.locking import is_locked, locked


def test_a_second_process_is_refused(tmp_path):
    folder = tmp_path / "one"
    with locked(folder, ".lock"), pytest.raises(InUseError, match="one is in use by another"):
        locked(folder, ".lock").__enter__()
    with locked(folder, ".lock"):
        pass


def test_looking_at_a_lock_leaves_it_free(tmp_path):
    with locked(tmp_path, ".lock"):
        assert is_locked(tmp_path, ".lock")
    assert not is_locked(tmp_path, ".lock")
    with locked(tmp_path, ".lock"):
        pass


def test_a_lock_that_is_held_for_an_instant_refuses_nobody(tmp_path):
    with ExitStack() as held:
        held.enter_context(locked(tmp_path, ".lock"))
        assert is_locked(tmp_path, ".lock")
        release = Timer(0.1, held.pop_all().close)
        release.start()
        with locked(tmp_path, ".lock"):
            pass
    release.join()
