import pytest
import scipy.stats
import torch
from torch import nn
from torch.distributions import Normal

from gammvae.model.latents import MAX_CONCENTRATION, GammaLatents, NormalLatents
from gammvae.model.log_gamma import GAMMA_REPARAMETERIZATIONS, LogGamma
from gammvae.model.networks import (
    MLP,
    BernoulliDecoder,
    Encoder,
    NormalDecoder,
    Units,
    draw_by_fan_in,
    draw_small,
    redraw,
)


def gamma_encoder(name="wilson_hilferty"):
    return Encoder(Units(6), MLP([6, 8]), 8, GammaLatents(3, 4.0, GAMMA_REPARAMETERIZATIONS[name]))


@pytest.mark.parametrize("name", GAMMA_REPARAMETERIZATIONS)
@pytest.mark.parametrize("size", [1e-3, 1.0, 1e6])
def test_gamma_encoder_keeps_its_ranges_for_any_input(name, size):
    encoder = gamma_encoder(name)
    q_z = encoder(torch.randn(50, 6) * size)
    base = q_z.base_dist
    assert isinstance(base, LogGamma)
    assert (q_z.batch_shape, q_z.event_shape) == ((50,), (3,))
    floor = GAMMA_REPARAMETERIZATIONS[name].min_concentration
    # 1e-5: rounding of exp(log(...)) in float32
    assert base.concentration.min() >= floor * (1 - 1e-5)
    assert base.concentration.max() <= MAX_CONCENTRATION * (1 + 1e-5)
    assert base.loc.isfinite().all()
    assert q_z.rsample().isfinite().all()


def test_normal_encoder_returns_a_normal_with_finite_scale():
    q_z = Encoder(Units(6), MLP([6, 8]), 8, NormalLatents(3))(torch.randn(50, 6) * 1e6)
    assert isinstance(q_z.base_dist, Normal)
    assert (q_z.batch_shape, q_z.event_shape) == ((50,), (3,))
    assert (q_z.stddev >= 0.00099).all()
    assert (q_z.stddev <= 101).all()


def test_bernoulli_decoder_scores_by_the_cross_entropy():
    decoder = BernoulliDecoder(Units(6), NormalLatents(3), MLP([3, 8]), nn.Linear(8, 6))
    z, x = torch.rand(5, 3), torch.rand(5, 6)
    p_x = decoder(z)
    logits = p_x.base_dist.logits
    expected = -nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
    torch.testing.assert_close(p_x.log_prob(x), expected)
    assert p_x.log_prob(x).shape == (5,)


def test_normal_decoder_is_scipys_normal_and_learns_its_scale():
    decoder = NormalDecoder(Units(6), NormalLatents(3), MLP([3, 8]), nn.Linear(8, 6))
    z, x = torch.rand(5, 3), torch.randn(5, 6)
    p_x = decoder(z)
    expected = scipy.stats.norm(p_x.mean.detach(), p_x.stddev.detach()).logpdf(x).sum(-1)
    torch.testing.assert_close(p_x.log_prob(x), torch.tensor(expected, dtype=torch.float32))
    p_x.log_prob(x).sum().backward()
    assert decoder.log_scale.grad is not None
    assert decoder.log_scale.grad != 0


def test_latent_terms_stay_in_float32_under_bfloat16():
    encoder, decoder = (
        gamma_encoder(),
        BernoulliDecoder(Units(6), NormalLatents(3), MLP([3, 8]), nn.Linear(8, 6)),
    )
    with torch.autocast("cpu", torch.bfloat16):
        q_z = encoder(torch.rand(5, 6))
        p_x = decoder(q_z.rsample())
        assert encoder.body(torch.rand(5, 6)).dtype == torch.bfloat16
    assert q_z.base_dist.concentration.dtype == torch.float32
    assert q_z.base_dist.loc.dtype == torch.float32
    assert p_x.base_dist.logits.dtype == torch.float32


def test_mlp_starts_glorot_uniform():
    layer = MLP([300, 200])[0]
    limit = (6 / 500) ** 0.5
    assert layer.weight.abs().max() <= limit
    # standard deviation of a uniform, 60,000 weights: 4 standard errors are 1 % of it
    assert layer.weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.01)
    assert (layer.bias == 0).all()


def test_weights_by_fan_in_are_uniform_up_to_the_root_of_the_inputs():
    network = nn.Sequential(MLP([300, 200]), nn.Conv2d(4, 50, 5))
    network[0][0].bias.data.fill_(2.0)
    redraw(network, draw_by_fan_in)
    for layer, inputs in ((network[0][0], 300), (network[1], 4 * 25)):
        limit = inputs**-0.5
        assert layer.weight.abs().max() <= limit
        # 5,000 weights or more: 4 standard errors of the deviation are at most 3 % of it
        assert layer.weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.03)
    assert (network[0][0].bias == 2).all()
    redraw(network, draw_small)
    weight = network[0][0].weight
    assert weight.abs().max() > 0.03  # of 60,000 normal ones, unlike of uniform ones
    # 4 standard errors of the deviation are 1.2 % of it
    assert weight.std().item() == pytest.approx(0.01, rel=0.012)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_middle_layer_is_the_later_one_of_two(batch_norm):
    for sizes, width in (([6, 5], 5), ([6, 5, 4], 4), ([6, 5, 4, 3], 4), ([6, 5, 4, 3, 2], 3)):
        mlp, x = MLP(sizes, batch_norm=batch_norm).eval(), torch.rand(7, 6)
        layers, of_a_layer = len(sizes) - 1, 3 if batch_norm else 2
        assert mlp.middle(x).shape == (7, width)
        rest = nn.Sequential(*list(mlp)[of_a_layer * (layers // 2 + 1) :])
        torch.testing.assert_close(rest(mlp.middle(x)), mlp(x))


def test_layers_are_normalized_over_the_batch_in_training():
    mlp, x = MLP([6, 5, 4], batch_norm=True), 3 + 2 * torch.randn(400, 6)
    first = nn.Sequential(*list(mlp)[:2])  # a layer and its normalization, before the ReLU
    normalized = first(x)
    torch.testing.assert_close(normalized.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(normalized.var(0, correction=0), torch.ones(5), atol=1e-3, rtol=0)
    for _ in range(100):  # the running mean forgets a tenth at every batch
        mlp(x)
    torch.testing.assert_close(first.eval()(x), normalized, atol=0.02, rtol=0)
    before = mlp[1].running_mean.clone()
    for some in (x[:1], x[:2]):  # a single sample has no variance, nor has it with its view
        known = first.eval()(some)
        torch.testing.assert_close(first.train()(some), known)
    assert torch.equal(mlp[1].running_mean, before)


def test_units_make_any_data_alike_and_turn_back():
    units, x = Units(6), 100 + 7 * torch.randn(500, 6) * torch.arange(1, 7)
    units.fit(x)
    z = units(x)
    torch.testing.assert_close(z.mean(0), torch.zeros(6), atol=1e-4, rtol=0)
    assert z.var(0, correction=0).mean().item() == pytest.approx(1, rel=1e-4)
    torch.testing.assert_close(units.back(z), x)


def test_units_that_are_not_centered_have_a_mean_square_of_one():
    units, x = Units(6), 3 + torch.randn(500, 6) * torch.arange(6)
    units.fit(x, centered=False)
    z = units(x)
    assert z.square().mean().item() == pytest.approx(1, rel=1e-5)
    torch.testing.assert_close(z / x, torch.full_like(x, (z / x)[0, 0]))
    torch.testing.assert_close(units.back(z), x)


def test_a_normal_decoder_starts_at_the_scale_of_the_data():
    units, x = Units(6), 1e-3 * torch.randn(500, 6) + 5
    units.fit(x)
    decoder = NormalDecoder(units, NormalLatents(3), MLP([3, 8]), nn.Linear(8, 6))
    p_x = decoder(torch.rand(500, 3))
    assert p_x.stddev.mean().item() == pytest.approx(1e-3, rel=0.1)
    assert (p_x.mean - 5).abs().max() < 0.01
