"""Whether progress bars are drawn: by default on a terminal, and in Python as the caller wishes."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# For the argument ``disable`` of tqdm: ``None`` draws bars on a terminal only.
HIDDEN: ContextVar[bool | None] = ContextVar("HIDDEN", default=None)


def hidden() -> bool | None:
    """The argument ``disable`` of a progress bar of training."""
    return HIDDEN.get()


@contextmanager
def bars(shown: bool) -> Iterator[None]:
    """Draws all bars in the context, even where there is no terminal, or none."""
    token = HIDDEN.set(not shown)
    try:
        yield
    finally:
        HIDDEN.reset(token)
