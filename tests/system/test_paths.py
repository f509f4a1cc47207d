from pathlib import Path

import pytest

from gammvae.system.paths import user_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~", "/home/me"),
        ("~/x.csv", "/home/me/x.csv"),
        ("~x.csv", "~x.csv"),
        ("~nouser/p.csv", "~nouser/p.csv"),
        ("~root/p.csv", "~root/p.csv"),
        ("a/~/x", "a/~/x"),
    ],
)
def test_only_the_users_own_home_is_expanded(text, expected, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert user_path(text) == Path(expected)
