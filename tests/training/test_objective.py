import math

import pytest
import torch
from torch.distributions import Categorical

from gammvae.model.networks import BernoulliDecoder, NormalDecoder
from gammvae.training.objective import Batch, Outcome, Totals, batch_loss, squared_error
from tests.model.test_vae import build


def seeded(function):
    torch.manual_seed(0)
    return function()


def test_the_loss_without_kl_is_the_reconstruction_alone():
    model, x = build("wilson_hilferty"), torch.rand(20, 6)
    found = seeded(lambda: batch_loss(model, Batch(x, None, None, None, 0.0)))
    expected = seeded(lambda: model.elbo(x).reconstruction)
    assert torch.equal(found.loss, -expected.mean())
    assert torch.equal(found.sums, expected.sum()[None])
    assert found.labels is None


@pytest.mark.parametrize("agreement", [0.0, 3.0])
def test_the_loss_is_the_weighted_bound(agreement):
    model, x, labels = build("implicit"), torch.rand(20, 6), torch.arange(20) % 3
    batch = Batch(x, 1 - x, labels, torch.tensor(2.0), agreement)
    found = seeded(lambda: batch_loss(model, batch))
    q_c = Categorical(probs=torch.eye(3)[labels])
    elbo = seeded(lambda: model.elbo(x, 1 - x, q_c))
    expected = elbo.value(2.0) + agreement * elbo.agreement
    torch.testing.assert_close(found.loss, -expected.mean())
    terms = torch.stack([elbo.reconstruction, elbo.kl_z, elbo.kl_c, elbo.q_c.entropy()])
    torch.testing.assert_close(found.sums, terms.sum(1))
    assert torch.equal(found.labels, labels)


@pytest.mark.parametrize("decoder", [BernoulliDecoder, NormalDecoder])
def test_the_squared_error_is_that_of_a_plain_autoencoder(decoder):
    model, x = build("normal", decoder=decoder), torch.rand(20, 6)
    model.prior.latents.decoder_gain = 1.0
    found = squared_error(model, Batch(x, 1 - x, None, None, 0.0))
    with torch.no_grad():
        code = model.encoder.head(model.encoder.body(1 - x))[:, :2]
        output = model.decoder.head(model.decoder.body(code))
        output = output.sigmoid() if decoder is BernoulliDecoder else output
    expected = torch.nn.functional.mse_loss(output, x)
    torch.testing.assert_close(found.loss.detach(), expected)
    torch.testing.assert_close(found.sums, -20 * expected[None])
    assert torch.equal(squared_error(model, Batch(x, 1 - x, None, None, 0.0)).loss, found.loss)


def test_totals_add_batches_of_any_size():
    totals = Totals(10, 3, 4, torch.device("cpu"))
    for sums, labels in (
        ([1.0, 2, 3, 4], [0, 1, 1, 1]),
        ([5, 6, 7, 8], [3] * 4),
        ([9] * 4, [0] * 2),
    ):
        outcome = Outcome(torch.tensor(0.0), torch.tensor(sums), torch.tensor(labels))
        totals.add(outcome, len(labels))
    assert totals.means() == pytest.approx([1.5, 1.7, 1.9, 2.1])
    assert totals.counts().tolist() == [3, 3, 0, 4]
    assert totals.nonfinite_terms() == []


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([[1, 1, 1], [math.nan, 1, math.inf], [math.nan] * 3], ["reconstruction", "kl_c"]),
        ([[1, 1, 1], [1, 1, 1], [1, -math.inf, 1]], ["kl_z"]),
        ([[1, 1, 1]] * 3, []),
    ],
)
def test_the_terms_that_broke_first_are_named(steps, expected):
    totals = Totals(3, 3, 2, torch.device("cpu"))
    for terms in steps:
        sums = torch.tensor([*terms, 0.0])
        totals.add(Outcome(torch.tensor(0.0), sums, torch.tensor([0])), 1)
    assert totals.nonfinite_terms() == expected
