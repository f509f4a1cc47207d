import pytest

from gammvae.errors import InputError
from gammvae.system.locking import locked


def test_a_second_process_is_refused(tmp_path):
    folder = tmp_path / "one"
    with locked(folder, ".lock"), pytest.raises(InputError, match="one is in use by another"):
        locked(folder, ".lock").__enter__()
    with locked(folder, ".lock"):
        pass
