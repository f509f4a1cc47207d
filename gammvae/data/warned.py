"""Warnings of scikit-learn, as lines of the log."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from sklearn.exceptions import ConvergenceWarning

from gammvae.errors import first_line

log = logging.getLogger(__name__)


@contextmanager
def warned_once(where: str) -> Iterator[None]:
    """Logs a warning once that would be repeated at each of many starts.

    Args:
        where: What is being computed, for the log.
    """
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", ConvergenceWarning)
        yield
    for text in dict.fromkeys(first_line(cast(Warning, warning.message)) for warning in found):
        log.warning("%s: %s", where, text)
