import subprocess

import pytest

from gammvae.system import provenance
from gammvae.system.provenance import commit


@pytest.fixture(autouse=True)
def forgotten():
    commit.cache_clear()
    yield
    commit.cache_clear()


def git(folder, *words):
    named = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    done = subprocess.run(
        ["git", "-C", str(folder), *named, *words], capture_output=True, text=True
    )
    return done.stdout.strip()


def test_the_commit_is_that_of_the_checkout_with_a_plus_after_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    git(tmp_path, "init")
    (tmp_path / "gammvae").mkdir()
    (tmp_path / "gammvae" / "a.py").write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    first = git(tmp_path, "rev-parse", "--short", "HEAD")
    assert commit() == first
    (tmp_path / "gammvae" / "a.py").write_text("2")
    assert commit() == first  # the code that was imported is still the first
    commit.cache_clear()
    assert commit() == f"{first}+"


@pytest.mark.parametrize("missing", ["repository", "git"])
def test_without_a_checkout_or_git_there_is_no_commit(tmp_path, monkeypatch, missing):
    if missing == "git":
        (tmp_path / ".git").mkdir()
        monkeypatch.setenv("PATH", str(tmp_path))
    else:  # an environment inside the repository of another project
        git(tmp_path, "init")
        (tmp_path / "site-packages").mkdir()
    folder = tmp_path if missing == "git" else tmp_path / "site-packages"
    monkeypatch.setattr(provenance, "ROOT", folder)
    assert commit() == ""
