import copy
import logging

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from sklearn.cluster import KMeans
from torch.distributions import Categorical, Independent, Normal
from torch.optim import SGD

import gammvae.training.stages
from gammvae.model.networks import NormalDecoder
from gammvae.runs.directory import RunDirectory
from gammvae.training.epochs import Stage
from gammvae.training.experiment import Experiment
from gammvae.training.loop import fit
from gammvae.training.methods.dec import CenteredAutoencoder, Targets, sharpened
from gammvae.training.schedules import LearningRate
from tests.conftest import TINY, compose_config, run
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


@pytest.mark.parametrize("augmented", [False, True])
def test_targets_of_the_batch_are_those_of_its_samples_for_views_as_well(model, augmented):
    x, view = torch.rand(7, 6), torch.rand(7, 6) if augmented else None
    model.targets_of_batch = True
    terms = model.elbo(x, view)
    p = sharpened(model.predict(x).probs.detach())
    values = []
    for rows in (x, view) if augmented else (x,):
        q_z = model.encoder(rows)
        q, code = model.assign(q_z).probs, q_z.mean
        error = (model.decoder(code).mean - rows).square().mean(1)
        values.append(error + 0.1 * (p * (p / q).log()).sum(1))
    expected = sum(values) / len(values)
    torch.testing.assert_close(-terms.value(0.1), expected)
    torch.testing.assert_close(terms.q_c.probs, model.predict(x).probs)
    # the targets are constants
    ours, theirs = (
        torch.autograd.grad(one.sum(), model.prior.location)[0]
        for one in (-terms.value(0.1), expected)
    )
    torch.testing.assert_close(ours, theirs)


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


@pytest.mark.parametrize("reconstructs", [False, True])
def test_training_is_the_loop_of_the_authors_code(reconstructs):
    """The loop of DEC-keras (and IDEC) in plain torch, on the same weights and batches."""
    torch.manual_seed(2)
    model = CenteredAutoencoder(build("normal", decoder=NormalDecoder), reconstructs=reconstructs)
    model.prior.latents.decoder_gain = 1.0
    x, n_updates, steps, size = torch.rand(50, 6), 3, 4, 20

    encoder = [copy.deepcopy(model.encoder.body), copy.deepcopy(model.encoder.head)]
    decoder = [copy.deepcopy(model.decoder.body), copy.deepcopy(model.decoder.head)]
    centers = model.prior.location.detach().clone().requires_grad_()

    def code(rows):
        return encoder[1](encoder[0](rows))[:, :2]

    def soft(rows):
        distances = (code(rows)[:, None] - centers).square().sum(2)
        q = 1 / (1 + distances)
        return q / q.sum(1, keepdim=True)

    parts = [*encoder, *(decoder if reconstructs else [])]
    optimizer = SGD([p for part in parts for p in part.parameters()] + [centers], 0.1, 0.9)
    divergences = []
    torch.manual_seed(5)
    for _ in range(n_updates):
        with torch.no_grad():
            q = soft(x)
        p = (q**2 / q.sum(0)).T
        p = (p / p.sum(0)).T
        batches = [b for _ in range(2) for b in torch.randperm(50).split(size)][:steps]
        total = 0.0
        for batch in batches:
            kld = (p[batch] * (p[batch] / soft(x[batch])).log()).sum(1).mean()
            mse = (decoder[1](decoder[0](code(x[batch]))) - x[batch]).square().mean()
            optimizer.zero_grad()
            (0.1 * kld + mse if reconstructs else 0.1 * kld).backward()
            optimizer.step()
            total += kld.item() * len(batch)
        divergences.append(total / sum(map(len, batches)))

    stage = Stage(
        *("train", n_updates, size, 0.1, "constant", LearningRate("constant", warmup=0.0), None),
        precision=torch.float32,
        steps=steps,
    )
    ours = SGD(model.parameters(), lr=0.1, momentum=0.9)
    torch.manual_seed(5)
    records = list(fit(model, x, stage, ours, guide=Targets(model, x)))
    np.testing.assert_allclose([r["kl_z"] for r in records], divergences, rtol=1e-4)
    torch.testing.assert_close(model.prior.location.detach(), centers.detach())
    with torch.no_grad():
        torch.testing.assert_close(model.encoder(x).mean, code(x))
        torch.testing.assert_close(
            model.decoder(model.encoder(x).mean).mean, decoder[1](decoder[0](code(x)))
        )


def test_training_ends_when_few_samples_change_cluster():
    model, x = CenteredAutoencoder(build("normal"), reconstructs=False), torch.rand(40, 6)

    def share():
        """Of the samples that change cluster when all centers but one go far away."""
        before = model.predict(x).probs.argmax(-1)
        with torch.no_grad():
            model.prior.location[1:] += 1e3
        return (model.predict(x).probs.argmax(-1) != before).float().mean().item()

    changed = share()
    assert changed > 0
    with torch.no_grad():
        model.prior.location[1:] -= 1e3
    for tolerance, ends in ((None, False), (changed, False), (changed + 0.01, True)):
        targets = Targets(model, x, tolerance)
        before = targets(0)
        torch.testing.assert_close(before, sharpened(model.predict(x).probs))
        share()
        targets.look(0)
        assert targets.ended == ends
        torch.testing.assert_close(targets(1), sharpened(model.predict(x).probs))
        with torch.no_grad():
            model.prior.location[1:] -= 1e3


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


# Of the second, the stage ends early, after some 20 updates.
LENGTHS = (
    ("model=idec", "train.epochs=4"),
    ("model=dec", "train.epochs=60", "train.targets_every=3", "train.tolerance=0.01"),
)
OF_BATCH = (
    *("model=idec", "train.epochs=4", "train.targets_every=batch", "architecture.batch_norm=true"),
    *("augmentation=affine", "train.augment=true"),
)


@pytest.mark.parametrize("settings", [*LENGTHS, OF_BATCH])
@pytest.mark.parametrize("last", [False, True])
def test_an_interrupted_run_goes_on_to_the_same_figures(tmp_path, monkeypatch, settings, last):
    """Interrupted in the middle, or when the last epoch is done and its checkpoint is not."""
    whole, directory = finished(tmp_path / "whole", *settings)
    epochs = [r["epoch"] for r in directory.read_metrics() if r["stage"] == "train"]
    at = epochs[-1] if last else 2
    monkeypatch.setattr(gammvae.training.stages, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(gammvae.training.stages, "CHECKPOINT_RATIO", 0)
    fit = gammvae.training.stages.fit

    def interrupted(model, x, stage, *rest):
        for record in fit(model, x, stage, *rest):
            yield record
            if stage.name == "train" and record["epoch"] == at:
                raise KeyboardInterrupt

    monkeypatch.setattr(gammvae.training.stages, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finished(tmp_path / "run", *settings)
    monkeypatch.setattr(gammvae.training.stages, "fit", fit)
    again, directory = finished(tmp_path / "run", *settings)
    assert again["metrics"] == whole["metrics"]
    found = [r["epoch"] for r in directory.read_metrics() if r["stage"] == "train"]
    assert found == epochs


def test_a_run_that_ended_early_says_so_and_stays_as_it_is(tmp_path, caplog):
    """Also if it was killed after its last checkpoint, before the result was written."""
    caplog.set_level(logging.INFO, "gammvae")
    settings = (*LENGTHS[1], "score_every=7")
    first, directory = finished(tmp_path / "run", *settings)
    records = [r for r in directory.read_metrics() if r["stage"] == "train"]
    assert 1 < len(records) < 60
    assert first["epochs"]["train"] == len(records)
    assert first["steps"]["train"] == 3 * len(records)
    assert "acc" in records[-1]
    said = (directory / "run.log").read_text()
    assert f"train ends after epoch {len(records)}, in which " in said
    weights = (directory / "train.pt").read_bytes()
    (directory / "result.json").unlink()
    again, directory = finished(tmp_path / "run", *settings)
    assert again["metrics"] == first["metrics"]
    assert (directory / "train.pt").read_bytes() == weights
    assert len([r for r in directory.read_metrics() if r["stage"] == "train"]) == len(records)
