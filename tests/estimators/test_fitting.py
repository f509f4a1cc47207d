import logging

import pytest

from gammvae.estimators.fitting import messages


@pytest.mark.parametrize("shown", [False, True])
def test_messages_leave_the_logger_as_it_was(shown, capfd):
    logger = logging.getLogger("gammvae")
    before = logger.level, logger.propagate, list(logger.handlers)
    with messages(shown):
        logger.info("an epoch")
        logger.debug("a detail")
    assert (logger.level, logger.propagate, logger.handlers) == before
    assert capfd.readouterr().err == ("an epoch\n" if shown else "")
