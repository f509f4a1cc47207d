import numpy as np
import pytest
import torch
from scipy import stats

from gammvae.errors import InputError
from gammvae.evaluation.generation import draw, sample_exactly, tempered
from tests.model.test_vae import FAMILIES, build


@pytest.mark.parametrize("family", ["implicit", "normal"])
@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_temperature_scales_the_variance_and_keeps_the_mean(family, temperature):
    components = build(family).prior().components.base_dist
    for k in range(3):
        one = tempered(components, k, temperature)
        if family == "normal":
            torch.testing.assert_close(one.mean, components.mean[k])
            torch.testing.assert_close(one.variance, temperature * components.variance[k])
        else:  # those of the Gamma variable, by its location and concentration
            torch.testing.assert_close(one.loc, components.loc[k])
            torch.testing.assert_close(
                1 / one.concentration, temperature / components.concentration[k]
            )


@pytest.mark.parametrize("family", FAMILIES)
def test_exact_draws_follow_their_distribution_whatever_the_sampler(family):
    """Kolmogorov-Smirnov at 20,000 draws: the samplers' own approximation would be found."""
    q_z = build(family).encoder(torch.rand(1, 6)).base_dist
    z = sample_exactly(q_z, 20_000)[:, 0, 0].detach().double().numpy()
    if family == "normal":
        law = stats.norm(q_z.loc[0, 0].item(), q_z.scale[0, 0].item())
    else:
        law = stats.gamma(q_z.concentration[0, 0].item())
        gain = q_z.gain[0, 0].item()
        z = law.args[0] * np.exp((z - q_z.loc[0, 0].item()) / gain)
    assert stats.kstest(z, law.cdf).pvalue > 1e-3


@pytest.mark.parametrize("family", ["wilson_hilferty", "normal"])
def test_draws_belong_to_their_cluster(family):
    model = build(family)
    drawn = draw(model, 1, 50, 0.4, 1.0, seed=3)
    assert drawn.z.shape == (50, 2)
    assert drawn.x.shape == (50, 6)
    assert (drawn.posterior > 0.4).all()
    # Bayes' rule by hand
    prior = model.prior()
    joint = prior.logits + prior.components.log_prob(drawn.z[:, None])
    expected = (joint[:, 1] - joint.logsumexp(1)).exp()
    torch.testing.assert_close(drawn.posterior, expected)
    torch.testing.assert_close(drawn.x, model.decoder(drawn.z).mean)
    again = draw(model, 1, 50, 0.4, 1.0, seed=3)
    assert (again.z == drawn.z).all()


def test_the_accepted_share_is_the_probability_of_a_sure_draw():
    model = build("implicit")
    drawn = draw(model, 0, 4096, 0.5, 1.0, seed=0)
    prior = model.prior()
    z = sample_exactly(tempered(prior.components.base_dist, 0, 1.0), 200_000)
    share = (prior.posterior(z).probs[:, 0] > 0.5).float().mean().item()
    error = (share * (1 - share) / 4096) ** 0.5
    assert abs(drawn.accepted - share) < 4 * error


def test_a_cluster_that_others_cover_is_refused_and_draws_leave_no_trace():
    model = build("normal")
    with torch.no_grad():
        model.prior.logits[2] = -50
    state = torch.get_rng_state()
    with pytest.raises(InputError, match=r"min_posterior=0.99 leaves 0 of \d+ draws of cluster 2"):
        draw(model, 2, 4, 0.99, 1.0, seed=0)
    assert (torch.get_rng_state() == state).all()
    assert len(draw(model, 2, 4, 0, 1.0, seed=0).z) == 4


def test_negative_latents_stay_negative():
    model = build("normal")
    with torch.no_grad():
        model.prior.location.fill_(-5)
    assert (np.asarray(draw(model, 0, 100, 0, 1.0, seed=0).z).mean(0) < -2).all()
