"""The machine's memory, and the size of the chunks in which data are processed."""

import os

# A chunk has this many rows, or fewer if they are long, so that it takes at most 8 MiB in float32.
CHUNK_ROWS, CHUNK_VALUES = 1024, 2**21


def memory_of_machine() -> int:
    """Physical memory of this machine in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
