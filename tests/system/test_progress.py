from gammvae.system.progress import bars, hidden


def test_bars_follow_the_terminal_unless_the_caller_says_otherwise():
    assert hidden() is None
    with bars(True):
        assert hidden() is False
        with bars(False):
            assert hidden() is True
        assert hidden() is False
    assert hidden() is None
