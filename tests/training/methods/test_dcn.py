import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from torch.distributions import Independent, Normal

import gammvae.training.stages
from gammvae.model.latents import DECODER_GAIN
from gammvae.runs.directory import RunDirectory
from gammvae.training.experiment import Experiment
from gammvae.training.methods.dcn import FIRST_COUNT, FriendlyAutoencoder
from tests.conftest import TINY, compose_config, run
from tests.model.test_vae import build

SMOKE = (*TINY, "experiment=smoke", "device=cpu", "model=dcn")


@pytest.fixture
def model():
    return FriendlyAutoencoder(build("normal"))


def nearest_of(code, centers):
    return ((code[:, None] - centers) ** 2).sum(-1).argmin(1)


def test_every_sample_is_assigned_to_the_nearest_center(model):
    z = torch.randn(50, 2)
    found = model.assign(Independent(Normal(z, torch.ones_like(z)), 1))
    labels = nearest_of(z.numpy(), model.prior.location.detach().numpy())
    assert len(set(labels)) > 1
    assert torch.equal(found.probs, torch.eye(3)[labels])


def test_terms_are_the_papers_in_the_units_that_the_decoder_reads(model):
    x, centers = torch.rand(7, 6), model.prior.location.detach().clone()
    code = model.encoder(x).mean
    terms = model.elbo(x)
    apart = DECODER_GAIN * (code - centers[nearest_of(code.detach(), centers)])
    error = (model.decoder(code).mean - x).square().sum(1)
    assert torch.allclose(terms.kl_z, apart.square().sum(1) / 2)
    assert torch.allclose(terms.reconstruction, -error)
    assert torch.allclose(terms.value(0.05), -error - 0.05 * terms.kl_z)


def test_views_are_reconstructed_and_drawn_to_the_centers_of_their_samples(model):
    x, view, centers = torch.rand(7, 6), torch.rand(7, 6), model.prior.location.detach().clone()
    labels = nearest_of(model.encoder(x).mean.detach(), centers)
    assert (labels != nearest_of(model.encoder(view).mean.detach(), centers)).any()
    expected = []
    for rows in (x, view):
        code = model.encoder(rows).mean
        apart = DECODER_GAIN * (code - centers[labels])
        error = (model.decoder(code).mean - rows).square().sum(1)
        expected.append(error + 0.05 * apart.square().sum(1) / 2)
    terms = model.elbo(x, view)
    torch.testing.assert_close(-terms.value(0.05), sum(expected) / 2)
    assert torch.equal(terms.q_c.probs, torch.eye(3)[labels])


def test_centers_follow_codes_as_they_are_outside_of_training(model):
    model.encoder.body.append(torch.nn.Dropout(0.9)).train()
    model.encoder.train()
    moved = []
    for _ in range(2):
        with torch.no_grad():
            model.prior.location.copy_(torch.zeros_like(model.prior.location))
        model.after_step(torch.ones(30, 6))
        moved.append(model.prior.location.clone())
    assert model.encoder.training
    assert moved[0].any()
    # the counts have grown from 100 to 130, and by 30 more
    torch.testing.assert_close(moved[0] * 130, moved[1] * 160)


def test_the_gradient_changes_the_networks_and_not_the_centers(model):
    (-model.elbo(torch.rand(7, 6)).value(0.05)).mean().backward()
    assert model.prior.location.grad is None
    for part in (model.encoder.body, model.decoder):
        assert all(parameter.grad is not None for parameter in part.parameters())


def test_centers_are_running_means_as_in_the_paper(model):
    """Equation 9, one code after the other, over several batches."""
    centers = model.prior.location.detach().double().numpy().copy()
    counts = np.full(3, FIRST_COUNT)
    for batch in torch.rand(4, 30, 6):
        with torch.no_grad():
            code = model.encoder(batch).mean.double().numpy()
        for one, k in zip(code, nearest_of(code, centers.copy()), strict=True):
            counts[k] += 1
            centers[k] -= (centers[k] - one) / counts[k]
        model.after_step(batch)
    assert counts.sum() == 3 * FIRST_COUNT + 120
    assert torch.equal(model.counts, torch.from_numpy(counts).float())
    np.testing.assert_allclose(model.prior.location.detach(), centers, rtol=1e-4, atol=1e-6)


def test_centers_move_by_a_fixed_share_of_the_way(model):
    model.rate = 0.25
    centers = model.prior.location.detach().double().numpy().copy()
    for batch in torch.rand(4, 30, 6):
        with torch.no_grad():
            code = model.encoder(batch).mean.double().numpy()
        labels = nearest_of(code, centers.copy())
        for k in set(labels):
            centers[k] += 0.25 * (code[labels == k].mean(0) - centers[k])
        model.after_step(batch)
    np.testing.assert_allclose(model.prior.location.detach(), centers, rtol=1e-4, atol=1e-6)


def test_centers_move_only_after_a_step(model):
    before = model.prior.location.detach().clone()
    model.predict(torch.rand(30, 6))
    model.elbo(torch.rand(30, 6))
    assert torch.equal(model.prior.location, before)
    model.after_step(torch.rand(30, 6))
    assert not torch.equal(model.prior.location, before)


def finished(folder, *overrides):
    config = compose_config(*SMOKE, f"run_dir={folder}", *overrides)
    directory = RunDirectory(folder)
    return run(config, directory), directory


def test_a_run_and_its_figures_recomputed(tmp_path):
    result, directory = finished(tmp_path / "run", "train.epochs=3")
    assert "elbo" not in result["metrics"]
    assert result["metrics"]["assignment_entropy"] == pytest.approx(0, abs=1e-5)
    again = Experiment(directory.read_config(), directory).reevaluate()
    assert again["metrics"] == result["metrics"]
    last = directory.read_metrics()[-1]
    assert last["elbo"] is None
    assert last["kl_z"] > 0 > last["reconstruction"]
    assert last["used_clusters"] > 1
    counts = torch.load(directory / "train.pt", weights_only=True)["model"]["counts"]
    assert counts.sum() == 10 * FIRST_COUNT + 3 * 1797


def test_centers_begin_where_kmeans_finds_them(tmp_path):
    _, directory = finished(tmp_path / "run", "train.epochs=0", "seed=2")
    with np.load(directory / "assignments.npz") as arrays:
        code, labels = arrays["embedding"], arrays["labels"]
    expected = KMeans(10, n_init=20, random_state=2).fit_predict(code)
    assert (labels == expected).mean() > 0.999  # up to the last bits of the code


def test_the_weight_draws_codes_to_their_centers(tmp_path):
    distances = []
    for weight in (0.001, 10):
        _, directory = finished(
            tmp_path / str(weight), "train.epochs=8", f"train.kl_weight={weight}"
        )
        distances.append(directory.read_metrics()[-1]["kl_z"])
    assert distances[1] < distances[0] / 2


def test_an_interrupted_run_goes_on_to_the_same_centers(tmp_path, monkeypatch):
    whole, other = finished(tmp_path / "whole", "train.epochs=4")
    monkeypatch.setattr(gammvae.training.stages, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(gammvae.training.stages, "CHECKPOINT_RATIO", 0)
    fit = gammvae.training.stages.fit

    def interrupted(model, x, stage, *rest):
        for record in fit(model, x, stage, *rest):
            yield record
            if stage.name == "train" and record["epoch"] == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr(gammvae.training.stages, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finished(tmp_path / "run", "train.epochs=4")
    monkeypatch.setattr(gammvae.training.stages, "fit", fit)
    again, directory = finished(tmp_path / "run", "train.epochs=4")
    assert again["metrics"] == whole["metrics"]
    weights = [torch.load(d / "train.pt", weights_only=True)["model"] for d in (directory, other)]
    for name in ("counts", "prior.location"):
        assert torch.equal(weights[0][name], weights[1][name])
