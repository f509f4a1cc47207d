import pytest

from tests.conftest import TINY


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("to=mlflow", "track needs a run directory: gammvae track RUN"),
        ("run", "track needs to: it must be one of tensorboard, mlflow, wandb, trackio"),
        (
            "run to=aim",
            "to=aim is out of range: it must be one of tensorboard, mlflow, wandb, trackio",
        ),
        ("none to=tensorboard", "none does not exist"),
        (". to=tensorboard", ". is not a finished run"),
        ("run too=mlflow", "track has no setting too=mlflow: did you mean to? it takes to, folder"),
    ],
)
def test_what_cannot_be_sent_is_refused_in_a_line(words, message, in_process):
    pytest.importorskip("tensorboard")
    refused = in_process("track", *words.split())
    assert refused.returncode == 2
    assert message in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_runs_are_sent(in_process, tmp_path):
    pytest.importorskip("tensorboard")
    for name in ("a", "b"):
        done = in_process("train", "experiment=smoke", *TINY, "model=kmeans", f"run_dir={name}")
        assert done.returncode == 0, done.stderr
    done = in_process("track", "a", "b", "to=tensorboard", "folder=sent", "project=mine")
    assert done.returncode == 0, done.stderr
    lines = [f"{name} is in tensorboard, project mine" for name in ("a", "b")]
    assert done.stdout.splitlines() == lines
    sent = tmp_path / "sent" / "tensorboard" / "mine"
    assert sorted(path.name for path in sent.iterdir()) == ["a", "b"]
