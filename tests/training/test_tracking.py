import builtins
import sys

import pytest

from gammvae.errors import InputError
from gammvae.training.tracking import check_tracking, tracking


def scalars(folder):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(folder)).Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def record(epoch, elbo):
    return {"stage": "train", "epoch": epoch, "elbo": elbo, "kl_z": None}


def test_figures_become_events_by_stage(tmp_path):
    pytest.importorskip("tensorboard")
    with tracking("tensorboard", tmp_path, "train", 0) as track:
        for epoch in (1, 2, 3):
            track(record(epoch, -10.0 * epoch))
    assert scalars(tmp_path / "tensorboard" / "train") == {"elbo": [(1, -10), (2, -20), (3, -30)]}


def test_a_resumed_stage_takes_back_what_it_does_again(tmp_path):
    pytest.importorskip("tensorboard")
    with tracking("tensorboard", tmp_path, "train", 0) as track:
        for epoch in (1, 2, 3):
            track(record(epoch, -1.0))
    with tracking("tensorboard", tmp_path, "train", 1) as track:
        for epoch in (2, 3):
            track(record(epoch, -2.0))
    found = scalars(tmp_path / "tensorboard" / "train")["elbo"]
    assert found == [(1, -1), (2, -2), (3, -2)]


def test_none_writes_nothing(tmp_path):
    with tracking("none", tmp_path, "train", 0) as track:
        track(record(1, 0.0))
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **keywords):
        if name.startswith("tensorboard"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    for name in [name for name in sys.modules if "tensorboard" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    check_tracking("none")
    with pytest.raises(InputError, match="tracking=tensorboard needs the package tensorboard: pip"):
        check_tracking("tensorboard")
