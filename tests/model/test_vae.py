import math

import pytest
import torch
from scipy.integrate import quad
from torch import nn
from torch.distributions import Bernoulli, Categorical, Independent

from gammvae.model.distributions import pairwise_kl
from gammvae.model.latents import GammaLatents, NormalLatents
from gammvae.model.log_gamma import GAMMA_REPARAMETERIZATIONS
from gammvae.model.networks import MLP, BernoulliDecoder, Encoder, NormalDecoder, Units
from gammvae.model.vae import MixturePrior, MixtureVAE

FAMILIES = [*GAMMA_REPARAMETERIZATIONS, "normal"]


def build(family, *, features=6, latent_dim=2, n_clusters=3, decoder=BernoulliDecoder):
    units, latents = Units(features), latents_of(family, latent_dim)
    encoder = Encoder(units, MLP([features, 8]), 8, latents)
    prior = MixturePrior(n_clusters, latents)
    with torch.no_grad():
        encoder.head.bias.zero_()  # so that q(z|x) is as wide as the prior
        for parameter in prior.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.5)
    body, head = MLP([latent_dim, 8]), nn.Linear(8, features)
    return MixtureVAE(encoder, decoder(units, latents, body, head), prior)


def latents_of(family, latent_dim=2):
    if family == "normal":
        return NormalLatents(latent_dim)
    return GammaLatents(latent_dim, 2.0, GAMMA_REPARAMETERIZATIONS[family])


def log_evidence(model, x, family):
    """log p(x) of one sample with a one-dimensional z, by quadrature over z."""
    prior = model.prior()

    def joint(z):
        point = torch.tensor([[z]], dtype=torch.float64)
        return (prior.log_prob(point) + model.decoder(point.float()).log_prob(x)).exp().item()

    value, _ = quad(joint, -30.0, 30.0, limit=400, points=[-1.0, 0.5, 1.0, 3.0])
    return math.log(value)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("decoder", [BernoulliDecoder, NormalDecoder])
def test_elbo_is_a_lower_bound_of_the_evidence(family, decoder):
    torch.manual_seed(1)
    model = build(family, features=4, latent_dim=1, decoder=decoder)
    x = torch.rand(1, 4)
    with torch.no_grad():
        evidence = log_evidence(model, x, family)
        values = model.elbo(x.expand(40_000, 4)).value()
    standard_error = values.std().item() / math.sqrt(len(values))
    assert values.mean().item() < evidence + 4 * standard_error
    # an encoder that was trained a little comes close, so the bound is no trivial one
    optimizer = torch.optim.Adam(model.encoder.parameters(), lr=0.03)
    for _ in range(150):
        optimizer.zero_grad()
        (-model.elbo(x.expand(256, 4)).value().mean()).backward()
        optimizer.step()
    with torch.no_grad():
        values = model.elbo(x.expand(40_000, 4)).value()
    standard_error = values.std().item() / math.sqrt(len(values))
    assert evidence - 0.5 < values.mean().item() < evidence + 4 * standard_error


@pytest.mark.parametrize("family", FAMILIES)
def test_both_kl_terms_add_up_to_a_logsumexp(family):
    model, x = build(family), torch.rand(20, 6)
    elbo = model.elbo(x)
    prior = model.prior()
    kl = pairwise_kl(model.encoder(x), prior.components)
    expected = -torch.logsumexp(prior.logits - kl, dim=-1)
    torch.testing.assert_close(elbo.kl_z + elbo.kl_c, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_other_assignment_gives_a_higher_bound(family):
    model, x = build(family), torch.rand(20, 6)
    with torch.no_grad():
        best = model.elbo(x)
        prior = model.prior()
        kl = pairwise_kl(model.encoder(x), prior.components)
        for _ in range(50):
            q_c = Categorical(logits=best.q_c.logits + torch.randn(20, 3))
            other = (q_c.probs * kl).sum(-1) + torch.distributions.kl_divergence(q_c, prior.weights)
            assert (other >= best.kl_z + best.kl_c - 1e-4).all()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("decoder", [BernoulliDecoder, NormalDecoder])
def test_every_parameter_gets_a_finite_gradient(family, decoder):
    model = build(family, decoder=decoder)
    (-model.elbo(torch.rand(20, 6)).value().mean()).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert (parameter.grad != 0).any(), name


@pytest.mark.parametrize("family", FAMILIES)
def test_without_kl_the_prior_is_left_alone(family):
    model = build(family)
    (-model.reconstruction(torch.rand(20, 6)).mean()).backward()
    assert all(parameter.grad is None for parameter in model.prior.parameters())
    assert all(parameter.grad is not None for parameter in model.encoder.parameters())


def test_value_weighs_both_kl_terms():
    model, x = build("implicit"), torch.rand(20, 6)
    elbo = model.elbo(x)
    expected = elbo.reconstruction - 4 * (elbo.kl_z + elbo.kl_c)
    torch.testing.assert_close(elbo.value(4.0), expected)
    assert elbo.value().shape == (20,)


def test_assignment_is_the_elbos_and_deterministic():
    model, x = build("wilson_hilferty"), torch.rand(20, 6)
    q_c = model.assign(model.encoder(x))
    torch.testing.assert_close(q_c.probs, model.elbo(x).q_c.probs)
    assert torch.equal(q_c.probs, model.assign(model.encoder(x)).probs)


def test_reconstruction_is_the_expected_log_likelihood():
    """Against a decoder whose expectation is known: logits linear in z, data all ones or zeros."""

    class Flat(nn.Module):
        def forward(self, z):
            return Independent(Bernoulli(logits=0 * z + 0.3), 1)

    model = build("implicit", features=2)
    model.decoder = Flat()
    x = torch.tensor([[1.0, 0.0]])
    expected = 0.3 - 2 * math.log1p(math.exp(0.3))
    assert model.elbo(x).reconstruction.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("family", ["wilson_hilferty", "normal"])
def test_prior_returns_what_it_was_assigned(family):
    prior = MixturePrior(3, latents_of(family))
    log_weights = torch.tensor([0.2, 0.5, 0.3]).log()
    location, scale = torch.randn(3, 2), torch.rand(3, 2) + 0.1
    prior.set_parameters(log_weights, location, scale)
    mixture = prior()
    torch.testing.assert_close(mixture.weights.probs, log_weights.exp())
    torch.testing.assert_close(mixture.components.base_dist.loc, location)
    torch.testing.assert_close(mixture.components.base_dist.scale, scale)


@pytest.mark.parametrize("family", ["wilson_hilferty", "normal"])
def test_any_held_q_c_gives_a_bound_below_the_best(family):
    model, x = build(family), torch.rand(40, 6)
    held = Categorical(torch.rand(40, 3))
    with torch.no_grad():
        torch.manual_seed(0)
        best = model.elbo(x)
        torch.manual_seed(0)
        other = model.elbo(x, q_c=held)
        prior = model.prior()
        kl = pairwise_kl(model.encoder(x), prior.components)
    assert torch.equal(best.reconstruction, other.reconstruction)
    assert (other.value() < best.value()).all()
    torch.testing.assert_close(other.kl_z, (held.probs * kl).sum(-1))
    expected = (held.probs * (held.probs / prior.weights.probs).log()).sum(-1)
    torch.testing.assert_close(other.kl_c, expected)
    torch.testing.assert_close(other.agreement, (held.probs * best.q_c.logits).sum(-1))


def test_a_view_changes_the_posterior_and_not_the_target():
    model, x, view = build("implicit"), torch.rand(40, 6), torch.rand(40, 6)
    with torch.no_grad():
        torch.manual_seed(0)
        elbo = model.elbo(x, view)
        torch.manual_seed(0)
        z = model.encoder(view).rsample()
        expected = model.decoder(z).log_prob(x)
    torch.testing.assert_close(elbo.reconstruction, expected)
    torch.testing.assert_close(elbo.q_c.probs, model.predict(view).probs)


def test_what_is_drawn_is_what_is_decoded():
    model, x = build("implicit"), torch.rand(5, 6)
    with torch.no_grad():
        elbo = model.elbo(x, draw=lambda q: q.mean)
        expected = model.decoder(model.encoder(x).mean).log_prob(x)
    torch.testing.assert_close(elbo.reconstruction, expected)
