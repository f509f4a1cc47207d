import numpy as np
import pytest
import torch

import gammvae.training.stages
from gammvae.errors import DivergenceError, InputError
from gammvae.model.networks import BernoulliDecoder, NormalDecoder
from gammvae.runs.directory import RunDirectory
from gammvae.training.expected import expected
from gammvae.training.experiment import prepared
from gammvae.training.objective import Batch, scaled_error, squared_error
from gammvae.training.pretraining import loss_of_pair, parts
from gammvae.training.workspace import Workspace
from tests.conftest import TINY, compose_config, run
from tests.model.test_layers import build

LAYERED = (
    *TINY,
    *("model=ae_kmeans", "architecture.hidden=[64,32]", "batch_size=64", "device=cpu"),
    *("pretrain.epochs=3", "pretrain.loss=squared_error", "pretrain.layers.epochs=2"),
)


def layered(*overrides):
    return compose_config(*LAYERED, *overrides)


def weights_of(directory):
    return torch.load(directory / "pretrain.pt", weights_only=True)["model"]


@pytest.mark.parametrize("decoder", [NormalDecoder, BernoulliDecoder])
def test_the_scaled_error_is_that_in_the_units_of_the_networks(decoder):
    model, x = build(decoder), torch.rand(20, 6)
    batch = Batch(x, 1 - x, None, None, 0.0)
    scale = model.encoder.units.scale
    expected = squared_error(model, batch).loss / scale**2
    torch.testing.assert_close(scaled_error(model, batch).loss, expected)
    torch.testing.assert_close(scaled_error(model, batch).sums, -20 * expected[None])
    for pair in range(4):
        one, other = (
            loss_of_pair(layered(f"pretrain.loss={name}").pretrain, pair)(model, batch).loss
            for name in ("squared_error", "scaled_error")
        )
        torch.testing.assert_close(other, one / (scale**2 if pair == 0 else 1))


def test_layers_come_before_the_whole(tmp_path):
    config = layered("augmentation=affine", "pretrain.layers.dropout=0.2", "pretrain.augment=true")
    directory = RunDirectory(tmp_path / "run")
    work = Workspace(config, directory)
    shown = [(part.epochs, part.layer, part.augment) for part in parts(work)]
    assert shown == [(2, 1, False), (2, 2, False), (2, 3, False), (3, None, True)]
    (entry, *_) = expected(work, prepared(config, directory).method.stages())
    result = run(config, directory)
    records = [one for one in directory.read_metrics() if one["stage"] == "pretrain"]
    assert [one["epoch"] for one in records] == list(range(1, 10))
    assert [one.get("layer") for one in records] == [1, 1, 2, 2, 3, 3, None, None, None]
    assert result["epochs"]["pretrain"] == 9
    steps = 9 * 29  # of 64 of 1,797 samples
    assert result["steps"]["pretrain"] == entry.steps == steps
    errors = [one["reconstruction"] for one in records]
    assert all(later > earlier for earlier, later in zip(errors[::2], errors[1::2], strict=False))


def test_the_learning_rate_begins_anew_with_every_part(tmp_path):
    course = "optimizer.schedule=step", "optimizer.step_epochs=1", "optimizer.step_factor=0.5"
    directory = RunDirectory(tmp_path)
    run(layered(*course, "optimizer.warmup=0"), directory)
    rates = [one["lr"] for one in directory.read_metrics() if one["stage"] == "pretrain"]
    first = rates[0]
    assert rates == pytest.approx([first, first / 2] * 3 + [first, first / 2, first / 4])


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_wherever_it_stops_it_goes_on_to_the_same_weights(tmp_path, monkeypatch, name):
    """Also between two parts, where the optimizer of the part before is stored."""
    monkeypatch.setattr(gammvae.training.stages, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(gammvae.training.stages, "CHECKPOINT_RATIO", 0.0)
    config = layered(f"optimizer={name}", "pretrain.layers.dropout=0.3")
    whole = RunDirectory(tmp_path / "whole" / "run")
    result = run(config, whole)
    for stop in range(1, 9):
        directory = RunDirectory(tmp_path / f"stopped after {stop}" / "run")
        write = gammvae.training.stages.save

        def stopping(work, stage, epoch, *args, write=write, stop=stop):
            write(work, stage, epoch, *args)
            if epoch == stop:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(gammvae.training.stages, "save", stopping)
            with pytest.raises(KeyboardInterrupt):
                run(config, directory)
        assert run(config, directory)["metrics"] == result["metrics"]
        assert len(directory.read_metrics()) == len(whole.read_metrics())
        for weight, other in zip(
            weights_of(whole).values(), weights_of(directory).values(), strict=True
        ):
            assert torch.equal(weight, other)


@pytest.mark.parametrize(
    ("given", "epochs"),
    [
        ((), 0),
        (("epochs=2",), 2),
        (("epochs=0", "updates=58"), 0),
        (("updates=58",), 2),  # of 29 steps
        (("epochs=3", "updates=58"), 3),
        (("updates=0",), 0),
        (("updates=1",), 1),
    ],
)
def test_layers_are_trained_if_epochs_or_updates_are_given(tmp_path, given, epochs):
    words = [f"pretrain.layers.{one}" for one in given]
    config = compose_config(*LAYERED[:-1], *words)
    work = Workspace(config, RunDirectory(tmp_path))
    assert [part.epochs for part in parts(work)] == [epochs] * 3 * bool(epochs) + [3]


def test_layers_alone_are_enough(tmp_path):
    result = run(layered("pretrain.epochs=0"), RunDirectory(tmp_path))
    assert result["epochs"]["pretrain"] == 6
    assert np.isfinite(result["metrics"]["silhouette"])


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("compile", ["true", "false"])
def test_every_way_of_computing_trains_layers(tmp_path, precision, compile):
    """At least as well as a reconstruction by the mean of the samples, whose error is .075."""
    how = f"precision={precision}", f"compile={compile}"
    directory = RunDirectory(tmp_path)
    run(layered(*how, "pretrain.layers.epochs=12", "pretrain.layers.dropout=0.1"), directory)
    records = directory.read_metrics()
    assert records[11]["reconstruction"] > -0.06
    assert records[-2]["reconstruction"] > -0.06


def test_a_message_names_the_layer_that_diverged(tmp_path):
    config = layered("optimizer.lr=1e30", "optimizer.warmup=0")
    with pytest.raises(DivergenceError, match=r"non-finite in pretrain \(layer [12]\), epoch"):
        run(config, RunDirectory(tmp_path))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ("layers.dropout=0.2",),
            r"layers\.dropout=0\.2 must be 0 unless pretrain\.layers\.epochs",
        ),
        (("layers.epochs=0", "layers.updates=9", "layers.dropout=0.2"), "must be 0 unless"),
        (("layers.epochs=1", "layers.dropout=1"), r"layers\.dropout=1\.0 is out of range"),
        (("layers.epochs=-1",), r"layers\.epochs=-1 is out of range"),
        (("layers.updates=-1",), r"layers\.updates=-1 is out of range"),
        (("loss=scaled_error", "kl_weight=1"), r"kl_weight=1\.0 does not go with .*scaled_error"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(overrides, message):
    with pytest.raises(InputError, match=message):
        compose_config(*(f"pretrain.{one}" for one in overrides))


def test_convolutions_have_no_pairs_of_layers():
    words = "architecture=conv", "experiment=dec_2016_layers"
    with pytest.raises(
        InputError, match=r"one by one where architecture\.hidden=\[\]: add "
    ) as bad:
        compose_config(*words)
    advice = str(bad.value).partition(": add ")[2].split()
    assert not compose_config(*words, *advice).pretrain.layers.given
