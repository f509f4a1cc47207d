import copy
from contextlib import contextmanager, nullcontext

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.optim import LBFGS, SGD, Adam, AdamW
from torch.overrides import TorchFunctionMode
from tqdm import tqdm

from gammvae.model.augmentation import Chain, RandomAffine, Swapping
from gammvae.training import recording
from gammvae.training.epochs import Epochs
from gammvae.training.methods.dcn import FriendlyAutoencoder
from gammvae.training.objective import Batch, Outcome, Totals, batch_loss
from gammvae.training.recording import PLAIN_STEPS, Rates, RecordedStep, is_recorded
from tests.model.test_vae import FAMILIES, build
from tests.training.test_loop import stage

CPU, GPU = torch.device("cpu"), torch.device("cuda")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
WAITING = ("tensor", "as_tensor", "item", "tolist", "cpu", "numpy", "nonzero", "__bool__")


def parameters():
    return [torch.nn.Parameter(torch.ones(3))]


def test_steps_are_recorded_on_a_gpu_with_an_optimizer_that_can_be():
    adam = Adam(parameters(), capturable=True)
    assert is_recorded("auto", GPU, adam)
    assert is_recorded(True, GPU, adam)
    assert not is_recorded(False, GPU, adam)
    assert not is_recorded("auto", CPU, adam)
    assert not is_recorded("auto", GPU, Adam(parameters()))
    assert is_recorded("auto", GPU, SGD(parameters(), lr=0.1, fused=True))
    assert not is_recorded("auto", GPU, SGD(parameters(), lr=0.1))
    assert not is_recorded("auto", GPU, LBFGS(parameters()))


def test_rates_are_numbers_or_are_read_from_the_device():
    for device in (None, CPU):
        optimizer = SGD([{"params": parameters()}, {"params": parameters(), "lr": 0.5}], lr=0.1)
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
        rates = Rates(optimizer, device)
        rates.set(0.5)
        first = [group["lr"] for group in optimizer.param_groups]
        assert [isinstance(rate, torch.Tensor) for rate in first] == [device is not None] * 2
        rates.set(0.25)
        second = [group["lr"] for group in optimizer.param_groups]
        assert [float(rate) for rate in second] == pytest.approx([0.025, 0.125])
        if device is not None:  # a graph goes on reading the same place
            assert all(one is other for one, other in zip(first, second, strict=True))
        rates.as_numbers(0.25)
        assert [group["lr"] for group in optimizer.param_groups] == [0.025, 0.125]


class Stand:
    """Stands for a CUDA graph, and counts its replays."""

    def __init__(self):
        self.replays = 0

    def pool(self):
        return "pool"

    def replay(self):
        self.replays += 1


@pytest.fixture
def cuda(monkeypatch):
    """Stands for CUDA, and holds the pools of the recordings."""
    pools = []

    @contextmanager
    def graph(recorded, pool):
        pools.append(pool)
        yield

    class Stream:
        def wait_stream(self, other):
            pass

    monkeypatch.setattr(recording.torch.cuda, "CUDAGraph", Stand)
    monkeypatch.setattr(recording.torch.cuda, "graph", graph)
    monkeypatch.setattr(recording.torch.cuda, "Stream", Stream)
    monkeypatch.setattr(recording.torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(recording.torch.cuda, "stream", lambda stream: nullcontext())
    return pools


def test_every_kind_of_inputs_is_recorded_after_some_steps_and_then_replayed(cuda):
    calls = []

    def step(x, held):
        calls.append((x, held))
        return Outcome(x.sum().requires_grad_() * 1, x.sum()[None], None)

    recorded = RecordedStep(step)
    for number in range(6):
        recorded(torch.full((4,), float(number)), None)
    assert len(calls) == PLAIN_STEPS + 1
    for number in range(6):
        outcome = recorded(torch.full((4,), float(number)), torch.arange(4))
    assert len(calls) == 2 * (PLAIN_STEPS + 1)
    assert cuda == [None, "pool"]
    first, second = recorded.recordings.values()
    assert first.graph.replays == second.graph.replays == 6 - PLAIN_STEPS
    # the graph reads the inputs of the last step, and its outcome holds no operations
    assert torch.equal(second.inputs[0], torch.full((4,), 5.0))
    assert outcome is second.outcome
    assert outcome.loss.grad_fn is None


def test_a_step_that_cannot_be_recorded_goes_on_as_it_is(cuda, monkeypatch, caplog):
    calls = []

    @contextmanager
    def graph(recorded, pool):
        yield
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    def step(x):
        calls.append(x)
        return Outcome(x.sum(), x.sum()[None], None)

    monkeypatch.setattr(recording.torch.cuda, "graph", graph)
    recorded = RecordedStep(step)
    outcomes = [recorded(torch.full((2,), float(number))) for number in range(8)]
    assert [float(outcome.loss) for outcome in outcomes] == [2.0 * number for number in range(8)]
    assert len(calls) == 8 + 1  # one call was the attempt
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "steps are not recorded as a CUDA graph, because of operation not permitted when stream is "
        "capturing"
    ]


class Watch(TorchFunctionMode):
    """Refuses what waits for the device."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        assert getattr(func, "__name__", "") not in WAITING
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "family", [name for name in FAMILIES if name in ("normal", "wilson_hilferty")]
)
def test_no_part_of_a_loss_waits_for_the_device(family):
    """On tensors without values, which know only their shapes and that they are on a GPU."""
    with FakeTensorMode(), torch.device("cuda"):
        model, x = build(family), torch.rand(8, 6)
        changes = Chain([RandomAffine((1, 2, 3), 10.0, 0.1, 0.1, 10.0), Swapping(0.1)])
        weight, labels = torch.ones(()), torch.zeros(8, dtype=torch.int64)
        totals = Totals(24, 3, 3, x.device)
        with Watch():
            totals.add(batch_loss(model, Batch(x, None, None, None, 0.0)), 8)
            totals.add(batch_loss(model, Batch(x, None, None, weight, 0.0)), 8)
            totals.add(batch_loss(model, Batch(x, changes(x), labels, weight, 1.0)), 8)


def trained(model, optimizer, settings, labels, x):
    """The weights after two epochs, and the figures of the second."""
    epochs = Epochs(model, x, settings, optimizer)
    torch.manual_seed(0)
    with tqdm(disable=True) as bar:
        for _ in range(2):
            rates = [0.1 * step for step in range(1, 9)]
            totals = epochs.run(labels, 0.5, rates, bar)
    return list(model.parameters()), totals.means(), totals.counts()


@needs_gpu
@pytest.mark.parametrize("held", ["free", "labels", "probabilities", "autoencoder"])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", ["wilson_hilferty", "normal_to_gamma", "normal"])
def test_recorded_steps_are_the_plain_ones(family, precision, held, caplog):
    torch.manual_seed(1)
    plain, x = build(family).cuda(), torch.rand(250, 6, device="cuda")
    labels = {
        "labels": torch.arange(250, device="cuda") % 3,
        "probabilities": torch.rand(250, 3, device="cuda").softmax(-1),
    }.get(held)
    settings = stage(
        precision=precision,
        clip_grad_norm=1.0,
        agreement=1.0,
        augment=Swapping(0.1),
        kl_weight=0.0 if held == "autoencoder" else 1.0,
    )
    found = []
    for recorded in (False, True):
        model = copy.deepcopy(plain)
        optimizer = AdamW(model.parameters(), lr=0.01, fused=True, capturable=True)
        found.append(trained(model, optimizer, settings._replace(recorded=recorded), labels, x))
        assert isinstance(optimizer.param_groups[0]["lr"], float)
    assert caplog.records == []
    for one, other in zip(found[0][0], found[1][0], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-4, abs=1e-5)
    assert torch.equal(found[0][2], found[1][2])


@needs_gpu
def test_what_follows_a_step_is_recorded_with_it():
    """The centers of DCN, and the momentum of SGD."""
    torch.manual_seed(1)
    x, found = torch.rand(256, 6, device="cuda"), []
    friendly = FriendlyAutoencoder(build("normal")).cuda()
    for recorded in (False, True):
        model = copy.deepcopy(friendly)
        optimizer = SGD(model.parameters(), lr=0.01, momentum=0.9, fused=True)
        trained(model, optimizer, stage(recorded=recorded), None, x)
        found.append(model)
    assert found[0].counts.sum().item() == pytest.approx(3 * 100 + 2 * 256)
    torch.testing.assert_close(found[0].state_dict(), found[1].state_dict(), rtol=1e-4, atol=1e-5)
