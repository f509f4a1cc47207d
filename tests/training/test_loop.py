import math

import numpy as np
import pytest
import torch
from torch.optim import SGD, Adam

from gammvae.errors import DivergenceError
from gammvae.training.epochs import Epochs, Stage
from gammvae.training.loop import fit, warn_of_collapse
from gammvae.training.schedules import SCHEDULES, LearningRate
from tests.model.test_vae import build


def stage(**changes):
    settings = {
        "name": "train",
        "epochs": 3,
        "batch_size": 32,
        "kl_weight": 1.0,
        "kl_schedule": "constant",
        "schedule": LearningRate("constant"),
        "clip_grad_norm": None,
        "precision": torch.float32,
    }
    return Stage(**(settings | changes))


class Given:
    """Labels for each epoch; the last ones for all later epochs. Ends after some epoch, if asked.

    Args:
        labels: For the first epoch, the second one, and so on.
        last: Epoch, counted from 0, after which the stage ends.
    """

    held = None

    def __init__(self, *labels, last=None):
        self.labels, self.last, self.ended = labels, last, False

    def __call__(self, epoch):
        return self.labels[min(epoch, len(self.labels) - 1)]

    def look(self, epoch):
        self.ended = epoch == self.last


def records(model, x, settings, optimizer, first_epoch=0):
    return list(fit(model, x, settings, optimizer, first_epoch))


@pytest.mark.parametrize("family", ["wilson_hilferty", "normal"])
def test_training_raises_the_bound(family):
    model, x = build(family), torch.rand(200, 6).round()
    history = records(model, x, stage(epochs=20), Adam(model.parameters(), lr=0.01))
    assert history[-1]["elbo"] > history[0]["elbo"] + 0.1


def test_a_record_holds_the_means_of_the_epoch():
    """Against the same figures computed sample by sample on a model that does not move."""
    model, x = build("implicit"), torch.rand(100, 6)
    (record,) = records(model, x, stage(epochs=1), SGD(model.parameters(), lr=0.0))
    with torch.no_grad():
        elbo = model.elbo(x)
    assert record["kl_z"] == pytest.approx(elbo.kl_z.mean().item(), rel=1e-5)
    assert record["kl_c"] == pytest.approx(elbo.kl_c.mean().item(), rel=1e-5, abs=1e-6)
    assert record["assignment_entropy"] == pytest.approx(elbo.q_c.entropy().mean().item(), rel=1e-4)
    assert record["weights_entropy"] == pytest.approx(model.prior().weights.entropy().item())
    terms = record["reconstruction"], record["kl_z"], record["kl_c"]
    assert record["elbo"] == pytest.approx(terms[0] - terms[1] - terms[2])
    counts = np.bincount(elbo.q_c.logits.argmax(-1), minlength=3)
    assert record["used_clusters"] == (counts >= 0.01 * 100 / 3).sum()
    assert record["samples_per_second"] == pytest.approx(100 / record["seconds"])
    # one sample of z each: 5 standard errors of the difference of two means
    error = elbo.reconstruction.std().item() * math.sqrt(2 / 100)
    assert record["reconstruction"] == pytest.approx(
        elbo.reconstruction.mean().item(), abs=5 * error
    )


def test_pretraining_reports_nothing_about_a_mixture_that_is_not_there():
    model, x = build("implicit"), torch.rand(100, 6)
    (record,) = records(model, x, stage(epochs=1, kl_weight=0.0), Adam(model.parameters(), lr=0.01))
    assert math.isfinite(record["reconstruction"])
    for name in ("kl_z", "kl_c", "elbo", "weights_entropy", "used_clusters", "assignment_entropy"):
        assert record[name] is None


def test_every_sample_is_seen_once_an_epoch():
    model, x = build("implicit"), torch.rand(50, 6)
    seen = []
    elbo = model.elbo
    model.elbo = lambda batch, *rest: seen.append(batch) or elbo(batch, *rest)
    records(model, x, stage(epochs=2, batch_size=16), Adam(model.parameters()))
    assert [len(batch) for batch in seen] == [16, 16, 16, 2] * 2
    for epoch in (seen[:4], seen[4:]):
        assert torch.equal(torch.cat(epoch).sort(0).values, x.sort(0).values)
    assert not torch.equal(torch.cat(seen[:4]), torch.cat(seen[4:]))


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedule_and_warmup_set_the_rate_of_every_step_and_group(name):
    model, x = build("implicit"), torch.rand(50, 6)
    optimizer = Adam([{"params": model.encoder.parameters(), "lr": 0.5}], lr=0.1)
    optimizer.add_param_group({"params": list(model.prior.parameters()), "lr": 0.01})
    rates = []
    optimizer.register_step_pre_hook(
        lambda *_: rates.append([group["lr"] for group in optimizer.param_groups])
    )
    list(fit(model, x, stage(epochs=4, batch_size=10, schedule=LearningRate(name)), optimizer))
    factors = np.array([SCHEDULES[name](step / 20) for step in range(20)])
    factors[0] *= 1 / 2  # a tenth of the 20 steps
    np.testing.assert_allclose(rates, np.outer(factors, [0.5, 0.01]))
    assert (np.diff(factors[1:]) <= 0).all()
    assert factors[-1] > 0


def test_a_stage_in_two_parts_equals_one_whole():
    def trained(parts):
        torch.manual_seed(3)
        model, x = build("wilson_hilferty"), torch.rand(100, 6)
        optimizer = Adam(model.parameters(), lr=0.01)
        figures = []
        for first, last in parts:
            for record in fit(
                model, x, stage(epochs=4, schedule=LearningRate("cosine")), optimizer, first
            ):
                figures.append(record["elbo"])
                if record["epoch"] == last:
                    break
        return figures, [parameter.detach().clone() for parameter in model.parameters()]

    whole, halves = trained([(0, 4)]), trained([(0, 2), (2, 4)])
    assert whole[0] == halves[0]
    assert all(torch.equal(a, b) for a, b in zip(whole[1], halves[1], strict=True))


def test_clipping_bounds_the_step():
    model, x = build("implicit"), torch.rand(32, 6)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    records(model, x, stage(epochs=1, clip_grad_norm=1e-3), SGD(model.parameters(), lr=1.0))
    moved = sum(
        (a - b).pow(2).sum() for a, b in zip(before, model.parameters(), strict=True)
    ).sqrt()
    assert moved.item() == pytest.approx(1e-3, rel=1e-3)


def test_a_term_that_is_not_finite_is_named_with_stage_and_epoch():
    model, x = build("implicit"), torch.rand(64, 6)
    settings = stage(name="train", epochs=5)
    history = fit(model, x, settings, Adam(model.parameters(), lr=0.01))
    next(history)
    next(history)
    with torch.no_grad():
        model.prior.location[0, 0] = math.inf
    with pytest.raises(DivergenceError, match=r"^kl_z.* became non-finite in train, epoch 3"):
        next(history)


def test_the_term_that_broke_first_is_named_alone():
    model, x = build("implicit"), torch.rand(64, 6)
    with torch.no_grad():
        model.decoder.head.bias.fill_(math.nan)
    history = fit(model, x, stage(batch_size=16), Adam(model.parameters(), lr=0.01))
    with pytest.raises(DivergenceError, match="^reconstruction became non-finite"):
        next(history)


def test_weights_that_the_last_step_breaks_are_found():
    model, x = build("implicit"), torch.rand(64, 6)
    optimizer = SGD(model.parameters(), lr=0.1)
    weight = model.decoder.head.weight
    optimizer.register_step_post_hook(lambda *_: weight.data.fill_(math.inf))
    history = fit(model, x, stage(epochs=2, batch_size=64), optimizer)
    with pytest.raises(DivergenceError, match="^weights of the decoder became .* train, epoch 1"):
        next(history)


def test_no_stage_ends_with_finite_weights_whose_products_overflow():
    model, x = build("implicit"), torch.rand(64, 6)
    history = fit(model, x, stage(epochs=1, batch_size=64), Adam(model.parameters(), lr=1e30))
    with pytest.raises(DivergenceError, match="became non-finite in train, epoch 1"):
        next(history)
    assert all(weights.isfinite().all() for weights in model.parameters())


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_the_advice_suits_the_precision(precision):
    model, x = build("implicit"), torch.rand(64, 6)
    with torch.no_grad():
        model.decoder.head.bias.fill_(math.nan)
    with pytest.raises(DivergenceError) as raised:
        records(model, x, stage(precision=precision), Adam(model.parameters()))
    assert "a lower optimizer.lr" in str(raised.value)
    assert ("precision=float32" in str(raised.value)) == (precision == torch.bfloat16)


def test_bfloat16_trains_and_keeps_float32_weights():
    model, x = build("wilson_hilferty"), torch.rand(100, 6)
    history = records(
        model, x, stage(epochs=5, precision=torch.bfloat16), Adam(model.parameters(), lr=0.01)
    )
    assert history[-1]["elbo"] > history[0]["elbo"]
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_collapse_is_warned_of_once_each_time_clusters_die(caplog):
    used = 10
    for epoch, now in enumerate([10, 9, 9, 7, 8]):
        used = warn_of_collapse({"stage": "train", "epoch": epoch, "used_clusters": now}, 10, used)
    warnings = [record.getMessage() for record in caplog.records]
    assert warnings == [
        "train epoch 1: 1 of 10 clusters hold under 1 % of their fair share of the samples",
        "train epoch 3: 3 of 10 clusters hold under 1 % of their fair share of the samples",
    ]
    assert warn_of_collapse({"used_clusters": None}, 10, 6) == 6


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_no_step_waits_for_the_device():
    from tqdm import tqdm

    model, x = build("wilson_hilferty").cuda(), torch.rand(256, 6).cuda()
    optimizer = Adam(model.parameters(), fused=True)
    settings = stage(clip_grad_norm=1.0, precision=torch.bfloat16)
    epochs = Epochs(model, x, settings, optimizer)
    with tqdm(disable=True) as bar:
        epochs.run(None, 1.0, [1.0] * 8, bar)
        torch.cuda.set_sync_debug_mode("error")
        try:
            epochs.run(None, 1.0, [1.0] * 8, bar)
        finally:
            torch.cuda.set_sync_debug_mode("default")


def spied(model):
    """What the model's ELBO is called with."""
    calls, elbo = [], model.elbo

    def spy(x, view=None, q_c=None, *rest):
        calls.append((x, view, q_c))
        return elbo(x, view, q_c, *rest)

    model.elbo = spy
    return calls


def test_the_encoder_sees_the_changed_sample_and_the_decoder_explains_the_clean_one():
    model, x = build("implicit"), torch.rand(64, 6)
    calls = spied(model)
    settings = stage(epochs=2, augment=lambda samples: 1 - samples, clean_where_free=True)
    guide = Given(torch.arange(64) % 3, None)
    list(fit(model, x, settings, SGD(model.parameters(), lr=0.0), guide=guide))
    held, free = calls[: len(calls) // 2], calls[len(calls) // 2 :]
    for samples, view, _ in held:
        assert torch.equal(view, 1 - samples)
    # where q(c|x) is free, the objective is the ELBO of the clean samples
    assert all(view is None for _, view, _ in free)
    calls.clear()
    records(model, x, settings._replace(clean_where_free=False), SGD(model.parameters(), lr=0.0))
    assert all(view is not None for _, view, _ in calls)  # as in pretraining with KL terms
    calls = held
    everything = torch.cat([samples for samples, _, _ in calls])
    assert torch.equal(everything.sort(0).values, x.sort(0).values)


def test_an_anchor_holds_the_clusters_and_lets_go():
    model, x = build("implicit"), torch.rand(64, 6)
    calls = spied(model)
    labels = torch.arange(64) % 3
    anchor = Given(labels, None)
    list(fit(model, x, stage(epochs=2), SGD(model.parameters(), lr=0.0), guide=anchor))
    for samples, _, q_c in calls[:2]:
        rows = [int((x == sample).all(1).nonzero()) for sample in samples]
        assert torch.equal(q_c.probs, torch.eye(3)[labels[rows]])
    assert [q_c for _, _, q_c in calls[2:]] == [None, None]


def test_agreement_teaches_the_held_clusters():
    x = torch.rand(300, 6)
    labels = (x[:, 0] > 0.5).long() + (x[:, 1] > 0.5).long()

    def right(agreement):
        torch.manual_seed(0)
        model = build("wilson_hilferty")
        settings = stage(epochs=60, agreement=agreement)
        optimizer = Adam(model.parameters(), lr=0.01)
        list(fit(model, x, settings, optimizer, guide=Given(labels)))
        return (model.predict(x).logits.argmax(-1) == labels).float().mean()

    assert right(20.0) > 0.9
    assert right(20.0) > right(0.0)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("constant", [2.0] * 8),
        ("warmup", [0.25, 0.75, 1.25, 1.75, 2, 2, 2, 2]),
        ("cyclic", [1.0, 2.0] * 4),
    ],
)
def test_kl_weight_follows_its_schedule(name, weights):
    model, x = build("implicit"), torch.rand(50, 6)
    settings = stage(epochs=8, kl_weight=2.0, kl_schedule=name)
    history = records(model, x, settings, Adam(model.parameters()))
    assert [record["kl_weight"] for record in history] == pytest.approx(weights)


def test_a_guide_ends_the_stage_early():
    model, x = build("normal"), torch.rand(64, 6)
    optimizer = Adam(model.parameters(), lr=0.01)
    guide = Given(torch.arange(64) % 3, last=1)
    assert [r["epoch"] for r in fit(model, x, stage(epochs=5), optimizer, guide=guide)] == [1, 2]


@pytest.mark.parametrize("steps", [1, 3, 4, 9])
def test_an_epoch_has_the_steps_that_are_asked_for_of_one_pass_after_the_other(steps):
    """70 samples are four batches of at most 20; every pass holds each sample once."""
    model, x = build("normal"), torch.rand(70, 6)
    settings = stage(batch_size=20, steps=steps)
    torch.manual_seed(1)
    batches = Epochs(model, x, settings, SGD(model.parameters(), lr=0.0)).batches()
    assert [len(batch) for batch in batches] == [(20, 20, 20, 10)[i % 4] for i in range(steps)]
    torch.manual_seed(1)
    passes = [torch.randperm(70) for _ in range(3)]
    assert torch.equal(torch.cat(batches), torch.cat(passes)[: sum(map(len, batches))])
    (record,) = records(model, x, settings._replace(epochs=1), SGD(model.parameters(), lr=0.0))
    assert np.isfinite(record["elbo"])


def test_figures_of_an_epoch_are_means_over_its_steps():
    """With two passes in an epoch, each sample counts twice and the mean is that of one pass."""
    model, x = build("normal"), torch.rand(40, 6)
    one, two = (
        records(model, x, stage(epochs=1, steps=steps), SGD(model.parameters(), lr=0.0))[0]
        for steps in (2, 4)
    )
    assert two["kl_z"] == pytest.approx(one["kl_z"], rel=1e-5)


@pytest.mark.parametrize("warmup", [0.0, 0.25, 1.0])
def test_the_rate_rises_in_the_share_of_the_warmup(warmup):
    course = LearningRate("constant", warmup=warmup)
    found = [course.at(step, 8, 2) for step in range(8)]
    expected = [min(1, (i + 1) / (8 * warmup)) if warmup else 1 for i in range(8)]
    assert found == pytest.approx(expected)


def test_steps_of_the_rate_are_those_of_vade():
    """A loop as in the code of VaDE's authors: times .9 every ten epochs, not below a tenth."""
    course = LearningRate("step", warmup=0.0, factor=0.9, every=10, floor=0.1)
    rate, expected = 0.002, []
    for epoch in range(300):
        if epoch % 10 == 0 and epoch != 0:
            rate = max(rate * 0.9, 0.0002)
        expected += [rate] * 3
    found = [0.002 * course.at(step, 900, 3) for step in range(900)]
    assert found == pytest.approx(expected)
    assert found[-1] == pytest.approx(0.0002)
