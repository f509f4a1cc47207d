import copy
from functools import partial

import pytest
import torch
import torch._inductor.config
from torch.optim import SGD, Adadelta, Adafactor, Adam, AdamW, RMSprop
from tqdm import tqdm

from gammvae.system.compiled import CACHE
from gammvae.training.compilation import Compilation, has_compiler
from gammvae.training.copies import WeightCopies
from gammvae.training.epochs import Epochs
from gammvae.training.loop import fit
from gammvae.training.updates import CompiledAdam, Update, is_plain_adam
from tests.model.test_vae import build
from tests.training.test_compilation import settings

needs_compiler = pytest.mark.skipif(not has_compiler(), reason="needs a C++ compiler")


@pytest.fixture
def cache(monkeypatch, tmp_path_factory):
    """Keeps what is compiled, for all tests of the session, out of the user's folder."""
    monkeypatch.setenv(CACHE, str(tmp_path_factory.getbasetemp() / "compiled"))
    with torch._inductor.config.patch({"cpp.vec_isa_ok": True, "compile_threads": 1}):
        yield


def updated(model, precision, make, without=(), betas=(0.8, 0.99), scales=(1,) * 5):
    """Weights, copies and moments after steps with given gradients, and the update.

    Args:
        model: Changed in place.
        precision: Of the copies.
        make: Makes the update.
        without: Numbers of weights that have no gradient.
        betas: Adam's rates of decay of the mixture and of everything else.
        scales: Of the gradients of each step.
    """
    generator = torch.Generator().manual_seed(0)
    groups = [
        {"params": [*model.encoder.parameters(), *model.decoder.parameters()]},
        {"params": list(model.prior.parameters()), "lr": 0.05},
    ]
    optimizer = Adam(groups, lr=0.01, betas=betas, fused=True)
    copies = WeightCopies(model, precision)
    update = make(optimizer, list(model.parameters()), copies)
    copy_of = dict(zip(map(id, copies.weights), copies.copies, strict=True))
    with copies.in_place():
        for step, scale in enumerate(scales):
            for index, weight in enumerate(update.weights):
                values = scale * torch.randn(weight.shape, generator=generator)
                if index not in without:
                    place = copy_of.get(id(weight), weight)
                    place.grad = values.to(place.dtype)
            optimizer.param_groups[0]["lr"] = 0.01 / (1 + step)
            update()
            optimizer.zero_grad()
        narrow = [one.detach().clone() for one in copies.copies]
    names = "step", "exp_avg", "exp_avg_sq"
    moments = [state[name] for state in optimizer.state.values() for name in names]
    return [*(one.detach() for one in model.parameters()), *moments], narrow, update


@needs_compiler
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"without": (3,)},
        {"betas": (0.0, 0.0), "scales": (1, 1e-3, 1, 1e-4)},
        {"scales": (1e20, 1, 1)},  # its square is infinite
    ],
)
def test_compiled_adam_equals_that_of_torch(cache, changes):
    """Up to rounding: 5e-7 relative, or of the largest up to 1: a few times float32's spacing."""
    torch.manual_seed(0)
    first = build("wilson_hilferty")
    second = copy.deepcopy(first)
    compilation = Compilation()
    plain = updated(first, torch.bfloat16, lambda *given: Update(*given, None), **changes)
    other = updated(
        second, torch.bfloat16, lambda *given: CompiledAdam(*given, compilation), **changes
    )
    assert other[2].adam.compiled is not None
    assert not compilation.failed
    for one, two in zip(plain[0], other[0], strict=True):
        largest = one.abs().amax().clamp(max=1.0).item()
        torch.testing.assert_close(two, one, rtol=5e-7, atol=5e-7 * largest)
    for one, two in zip(plain[1], other[1], strict=True):
        assert one.dtype == two.dtype == torch.bfloat16
        torch.testing.assert_close(two, one)
    for copied, weight in zip(other[1], other[2].copies.weights, strict=True):
        assert torch.equal(copied, weight.to(torch.bfloat16))


def test_other_optimizers_take_their_own_steps():
    weights = [torch.zeros(1, requires_grad=True)]
    assert is_plain_adam(Adam(weights))
    others = [Adam(weights, weight_decay=0.1), Adam(weights, amsgrad=True), AdamW(weights)]
    assert not any(map(is_plain_adam, [*others, Adam(weights, maximize=True), SGD(weights)]))


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (CompiledAdam, {}),
        (Update, {"precision": torch.float32}),
        (Update, {"clip_grad_norm": 1.0}),
    ],
)
def test_the_update_is_compiled_where_it_saves_a_pass(kind, changes):
    model, x = build("wilson_hilferty"), torch.rand(40, 6)
    stage = settings(precision=torch.bfloat16, compilation=Compilation())._replace(**changes)
    epochs = Epochs(model, x, stage, Adam(model.parameters(), lr=0.01))
    assert type(epochs.update) is kind
    plain = Epochs(model, x, stage._replace(compilation=None), Adam(model.parameters(), lr=0.01))
    assert type(plain.update) is Update


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_moments_of_units_that_are_never_active_do_not_become_subnormal(precision):
    torch.manual_seed(0)
    model, x = build("wilson_hilferty"), torch.rand(40, 6)
    with torch.no_grad():
        model.encoder.body[0].bias[:2] = -100.0  # two units without a gradient from now on
    optimizer = Adam(model.parameters(), lr=1e-4)
    weight = model.encoder.body[0].weight
    epochs = Epochs(model, x, settings(precision=precision, steps=450), optimizer)
    optimizer.state[weight] = {
        "step": torch.tensor(1.0),
        "exp_avg": torch.full_like(weight, 1e-20),
        "exp_avg_sq": torch.full_like(weight, 1e-20),
    }
    epochs.run(None, 1.0, [1.0] * 450, tqdm(disable=True))
    smallest = torch.finfo(torch.float32).tiny
    for state in optimizer.state.values():
        for name in ("exp_avg", "exp_avg_sq"):
            values = state[name].abs()
            assert not ((values > 0) & (values < smallest)).any()
    # without this, they would be 1e-20 x 0.9^450 = 2.6e-41 now
    assert (optimizer.state[weight]["exp_avg"][:2] == 0).all()
    assert (optimizer.state[weight]["exp_avg"][2:] != 0).any()


def test_what_is_dropped_is_tiny():
    weight = torch.zeros(4, requires_grad=True)
    optimizer = SGD([weight], lr=0.1, momentum=0.9)
    weight.grad = torch.tensor([1.0, -1e-29, 1e-31, -1e-40])
    update = Update(optimizer, [weight], WeightCopies(torch.nn.Module(), torch.float32), None)
    update()
    update.drop_tiny()
    expected = torch.tensor([1.0, -1e-29, 0.0, 0.0])
    assert torch.equal(optimizer.state[weight]["momentum_buffer"], expected)


def test_tiny_moments_are_dropped_at_the_same_steps_if_a_stage_is_resumed():
    """An epoch here has 100 steps, and moments are dropped at every 128th of the stage."""

    def trained(parts):
        torch.manual_seed(3)
        model, x = build("wilson_hilferty"), torch.rand(40, 6)
        with torch.no_grad():
            model.encoder.body[0].bias[:2] = -100.0
        weight, optimizer = model.encoder.body[0].weight, Adam(model.parameters(), lr=1e-4)
        optimizer.state[weight] = {
            "step": torch.tensor(1.0),
            "exp_avg": torch.full_like(weight, 1e-21),
            "exp_avg_sq": torch.full_like(weight, 1e-20),
        }
        for first, last in parts:
            for record in fit(model, x, settings(epochs=3, steps=100), optimizer, first):
                if record["epoch"] == last:
                    break
            # 1e-21 x 0.9^128 = 1e-27 is kept at step 128, 1e-21 x 0.9^256 = 2e-33 dropped at 256
            assert (optimizer.state[weight]["exp_avg"][:2] == 0).all() == (last == 3)
        return [state[name] for state in optimizer.state.values() for name in ("exp_avg", "step")]

    for one, other in zip(trained([(0, 2), (2, 3)]), trained([(0, 3)]), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (partial(SGD, lr=0.1), []),
        (partial(SGD, lr=0.1, momentum=0.9), ["momentum_buffer"]),
        (RMSprop, ["square_avg"]),
        (Adadelta, ["square_avg", "acc_delta"]),
        (AdamW, ["exp_avg", "exp_avg_sq"]),
        (Adafactor, []),
    ],
)
def test_tiny_moments_of_all_optimizers_are_dropped(make, names):
    weight = torch.zeros(2, 3, requires_grad=True)
    optimizer = make([weight])
    weight.grad = torch.ones(2, 3)
    update = Update(optimizer, [weight], WeightCopies(torch.nn.Module(), torch.float32), None)
    update()
    for name in names:
        optimizer.state[weight][name].fill_(1e-40)
    update.drop_tiny()
    for name in names:
        assert (optimizer.state[weight][name] == 0).all()


@pytest.mark.parametrize(("eps", "expected"), [(1e-8, 0.0), (1e-15, 1e-31), (0.0, 1e-31)])
def test_second_moments_are_kept_where_little_is_added_to_their_root(eps, expected):
    """With gradients of 3e-16, an ``eps`` of 1e-15 does not hide the root of the moment."""
    weight = torch.zeros(3, requires_grad=True)
    optimizer = Adam([weight], eps=eps)
    weight.grad = torch.ones(3)
    update = Update(optimizer, [weight], WeightCopies(torch.nn.Module(), torch.float32), None)
    update()
    optimizer.state[weight]["exp_avg_sq"].fill_(1e-31)
    update.drop_tiny()
    assert torch.equal(optimizer.state[weight]["exp_avg_sq"], torch.full((3,), expected))
