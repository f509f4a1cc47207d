import numpy as np
import pytest
import torch
from scipy.stats import entropy
from sklearn.cluster import KMeans
from torch.distributions import Categorical, Independent, Normal

import gammvae.training.stages
from gammvae.runs.directory import RunDirectory
from gammvae.training.experiment import Experiment, run
from gammvae.training.methods.dec import CenteredAutoencoder, sharpened
from tests.conftest import TINY, compose_config
from tests.model.test_vae import build

SMOKE = (*TINY, "experiment=smoke", "device=cpu")


@pytest.fixture
def model():
    return CenteredAutoencoder(build("normal"), reconstructs=True)


def test_guesses_against_students_kernel(model):
    z, centers = torch.randn(5, 2), model.prior.location.detach()
    q_z = Independent(Normal(z, torch.ones_like(z)), 1)
    kernel = np.array(
        [[1 / (1 + ((a - b) ** 2).sum()) for b in centers.numpy()] for a in z.numpy()]
    )
    expected = kernel / kernel.sum(1, keepdims=True)
    np.testing.assert_allclose(model.assign(q_z).probs.detach().numpy(), expected, rtol=1e-5)


def test_targets_against_their_definition():
    q = torch.distributions.Dirichlet(torch.ones(4)).sample((20,))
    frequency = [sum(row[k] for row in q.tolist()) for k in range(4)]
    for row, target in zip(q.tolist(), sharpened(q).tolist(), strict=True):
        weights = [value**2 / f for value, f in zip(row, frequency, strict=True)]
        assert target == pytest.approx([w / sum(weights) for w in weights], rel=1e-5)
    # sure guesses stay as they are
    sure = torch.eye(3)[[0, 1, 2, 2]]
    assert torch.equal(sharpened(sure), sure)


def test_terms_are_the_error_and_the_divergence(model):
    x, p = torch.rand(7, 6), torch.distributions.Dirichlet(torch.ones(3)).sample((7,))
    terms = model.elbo(x, q_c=Categorical(probs=p))
    q = model.predict(x).probs
    np.testing.assert_allclose(
        terms.kl_z.detach(), entropy(p.numpy(), q.numpy(), axis=1), rtol=1e-4, atol=1e-6
    )
    code = model.encoder(x).mean
    error = (model.decoder(code).mean - x).square().mean(1)
    assert torch.allclose(terms.reconstruction, -error)
    assert torch.allclose(terms.value(0.1), -error - 0.1 * terms.kl_z)
    again = model.elbo(x, q_c=Categorical(probs=p))
    assert torch.equal(again.kl_z, terms.kl_z)  # nothing is sampled


def test_dec_leaves_the_decoder_alone():
    model = CenteredAutoencoder(build("normal"), reconstructs=False)
    terms = model.elbo(torch.rand(7, 6), q_c=Categorical(probs=torch.full((7, 3), 1 / 3)))
    assert not terms.reconstruction.any()
    (-terms.value()).mean().backward()
    assert all(parameter.grad is None for parameter in model.decoder.parameters())
    assert all(parameter.grad is not None for parameter in model.encoder.body.parameters())


def test_gradient_of_the_code_is_the_papers(model):
    """Equation 4 of Xie et al.: 2 sum_k (1 + d_ik^2)^-1 (p_ik - q_ik) (z_i - mu_k)."""
    z = torch.randn(5, 2, requires_grad=True)
    q = model.assign(Independent(Normal(z, torch.ones(5, 2)), 1))
    p = sharpened(q.probs).detach()
    torch.distributions.kl_divergence(Categorical(probs=p), q).sum().backward()
    apart = z.detach()[:, None] - model.prior.location.detach()  # (B, K, D)
    weight = (p - q.probs.detach()) / (1 + apart.square().sum(-1))
    assert torch.allclose(z.grad, 2 * (weight[..., None] * apart).sum(1), atol=1e-5)


def finished(folder, *overrides):
    config = compose_config(*SMOKE, f"run_dir={folder}", *overrides)
    directory = RunDirectory(folder)
    return run(config, directory), directory


@pytest.mark.parametrize("model", ["dec", "idec"])
def test_a_run_and_its_figures_recomputed(tmp_path, model):
    result, directory = finished(tmp_path / "run", f"model={model}")
    assert "elbo" not in result["metrics"]
    again = Experiment(directory.read_config(), directory).reevaluate()
    assert again["metrics"] == result["metrics"]
    last = directory.read_metrics()[-1]
    assert last["elbo"] is None
    assert last["kl_z"] > 0
    assert (last["reconstruction"] < 0) == (model == "idec")


def test_centers_begin_where_kmeans_finds_them(tmp_path):
    _, directory = finished(tmp_path / "run", "model=dec", "train.epochs=0", "seed=2")
    with np.load(directory / "assignments.npz") as arrays:
        code, labels = arrays["embedding"], arrays["labels"]
    expected = KMeans(10, n_init=20, random_state=2).fit_predict(code)
    assert (labels == expected).mean() > 0.999  # up to the last bits of the code


def test_an_interrupted_run_goes_on_to_the_same_figures(tmp_path, monkeypatch):
    settings = ("model=idec", "train.epochs=4")
    whole, _ = finished(tmp_path / "whole", *settings)
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
        finished(tmp_path / "run", *settings)
    monkeypatch.setattr(gammvae.training.stages, "fit", fit)
    again, directory = finished(tmp_path / "run", *settings)
    assert again["metrics"] == whole["metrics"]
    assert [record["epoch"] for record in directory.read_metrics()][-4:] == [1, 2, 3, 4]
