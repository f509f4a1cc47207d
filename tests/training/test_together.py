import pytest
import torch
from torch.distributions import Independent, Normal

from gammvae.errors import InputError
from gammvae.model.log_gamma import GAMMA_REPARAMETERIZATIONS
from gammvae.training import together


@pytest.fixture
def several(monkeypatch):
    """Pretends that this process is one of several, of which the others hold the same tensors."""

    def pretend(rank: int, count: int) -> None:
        monkeypatch.setattr(together, "rank", lambda: rank)
        monkeypatch.setattr(together, "count", lambda: count)

    return pretend


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("n", [1, 5, 8, 256])
def test_shares_are_the_whole_batch_and_hardly_differ(several, n, count):
    several(0, count)
    rows = [torch.arange(n)[one] for one in together.shares(n)]
    assert torch.equal(torch.cat(rows), torch.arange(n))
    sizes = [len(one) for one in rows]
    assert len(sizes) == count
    assert max(sizes) - min(sizes) <= 1
    for rank, one in enumerate(rows):
        several(rank, count)
        share = together.own(n)
        assert len(torch.arange(n)[share.rows]) == max(len(one), 1)
        assert share.fraction == len(one) / n


def distributions(name, n):
    first, second = torch.rand(2, n, 4) + 0.5
    if name == "normal":
        return Independent(Normal(first, second), 1)
    sampler = GAMMA_REPARAMETERIZATIONS[name].distribution
    return Independent(sampler(first, second, 2.0), 1)


@pytest.mark.parametrize("name", ["normal", *GAMMA_REPARAMETERIZATIONS])
def test_every_process_draws_its_rows_of_what_one_process_draws(several, monkeypatch, name):
    n, count = 7, 3
    whole = distributions(name, n)
    names = list(whole.base_dist.arg_constraints)
    parameters = torch.stack([getattr(whole.base_dist, one) for one in names])
    monkeypatch.setattr(together, "add_up", lambda tensors: tensors[0].copy_(parameters))
    torch.manual_seed(1)
    expected = whole.rsample()
    drawn, gradients = [], []
    for rank in range(count):
        several(rank, count)
        own = parameters[:, together.own(n).rows].clone().requires_grad_()
        torch.manual_seed(1)
        base = type(whole.base_dist)(**dict(zip(names, own, strict=True)))
        drawn.append(together.drawn(Independent(base, 1), n))
        gradients.append(torch.autograd.grad(drawn[-1].sum(), own)[0])
    assert torch.equal(torch.cat(drawn), expected)
    parameters.requires_grad_()
    torch.manual_seed(1)
    base = type(whole.base_dist)(**dict(zip(names, parameters, strict=True)))
    (gradient,) = torch.autograd.grad(base.rsample().sum(), parameters)
    torch.testing.assert_close(torch.cat(gradients, dim=1), gradient)


def test_one_process_has_nothing_to_exchange():
    values = torch.rand(3)
    before = values.clone()
    together.add_up([values])
    together.least(values)
    together.send(values)
    together.meet()
    assert torch.equal(values, before)
    assert together.own(5) == (slice(0, 5), 1)


@pytest.mark.parametrize(("device", "kind"), [("cuda:0", "cpu"), ("auto", "mps")])
def test_devices_that_are_not_for_several_processes_are_refused(monkeypatch, device, kind):
    monkeypatch.setattr(together, "choose_device", lambda _: torch.device(kind))
    with pytest.raises(InputError, match=f"device={device} does not go with"):
        together.kind_of(device)
