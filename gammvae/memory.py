"""How much memory there is, and how much is taken at a time."""

import os

# A chunk has this many rows, fewer where they are long, so that it never takes more than 8 MiB.
CHUNK_ROWS, CHUNK_VALUES = 1024, 2**21


def memory_of_machine() -> int:
    """The bytes of memory that this machine has."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
