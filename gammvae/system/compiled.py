"""Where torch keeps what it compiles, which it reads when it is first imported."""

import os
from pathlib import Path

from gammvae.errors import InputError

# torch's own default is a folder for temporary files, which is lost with them.
CACHE, FOLDER = "TORCHINDUCTOR_CACHE_DIR", Path("~/.cache/gammvae/compiled")


def choose_cache() -> None:
    """Keeps compiled code in the user's folder, unless the user has named another or has none.

    Raises:
        InputError: The folder that the user has named cannot be made.
    """
    try:
        if (given := os.environ.get(CACHE)) is None:
            (folder := FOLDER.expanduser()).mkdir(parents=True, exist_ok=True)
            os.environ[CACHE] = str(folder)
        else:
            Path(given).mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # the latter if there is no home
        if given is not None:
            raise InputError(
                f"{CACHE}={given} cannot be made a folder ({error}): name another, or unset it"
            ) from error
