import copy
import sys
from functools import partial

import pytest
import torch
import torch._inductor.config
from torch.optim import Adam

from gammvae.model.building import build_model
from gammvae.system.compiled import CACHE
from gammvae.training import compilation
from gammvae.training.compilation import (
    Compilation,
    Compiled,
    CompiledLoss,
    has_compiler,
    is_compiled,
)
from gammvae.training.epochs import Stage
from gammvae.training.loop import fit
from gammvae.training.objective import Batch, batch_loss
from gammvae.training.schedules import LearningRate
from tests.conftest import compose_config
from tests.model.test_vae import build

CPU = torch.device("cpu")
needs_compiler = pytest.mark.skipif(not has_compiler(), reason="needs a C++ compiler")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path_factory):
    """Keeps what is compiled, for all tests of the session, out of the user's folder.

    torch neither compiles programs to find out what the processor can do, nor starts processes.
    """
    folder = tmp_path_factory.getbasetemp() / "compiled"
    monkeypatch.setenv(CACHE, str(folder))
    with torch._inductor.config.patch({"cpp.vec_isa_ok": True, "compile_threads": 1}):
        yield


def test_long_stages_on_the_processor_are_compiled(monkeypatch):
    monkeypatch.setattr(compilation, "has_compiler", lambda: True)
    assert is_compiled("auto", CPU, compilation.STEPS)
    assert not is_compiled("auto", CPU, compilation.STEPS - 1)
    assert not is_compiled("auto", torch.device("cuda:0"), compilation.STEPS)
    assert is_compiled(True, CPU, 1)
    assert not is_compiled(False, CPU, compilation.STEPS)
    monkeypatch.setattr(compilation, "has_compiler", lambda: False)
    assert not is_compiled("auto", CPU, compilation.STEPS)


def outcome(loss, model, batch):
    """The loss, its gradients and the figures, all with the same draws."""
    torch.manual_seed(0)
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=batch.samples.dtype == torch.bfloat16):
        found = loss(model, batch._replace(samples=batch.samples.float()))
    found.loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"loss": found.loss.detach(), "sums": found.sums, **gradients}, found.labels


def batches(x):
    """A batch as in every kind of epoch: with KL terms or without, with held clusters, a view."""
    weight, labels = torch.tensor(2.0), torch.arange(len(x)) % 3
    yield Batch(x, None, None, None, 0.0)
    yield Batch(x, None, None, weight, 0.0)
    yield Batch(x, 1 - x.float(), None, weight, 0.0)
    yield Batch(x, 1 - x.float(), labels, weight, 0.5)
    yield Batch(x, None, torch.full((len(x), 3), 1 / 3), weight, 0.5)


def check(model, x, tolerance, kinds):
    compilation = Compilation()
    loss = CompiledLoss(len(x), batch_loss, compilation)
    for batch in list(batches(x))[kinds]:
        expected, labels = outcome(batch_loss, model, batch)
        found, found_labels = outcome(loss, model, batch)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            # gradients that nearly vanish are differences of larger numbers
            error = (found[name] - value).norm() / value.norm().clamp(min=1e-2)
            assert error <= tolerance, name
        if labels is not None:
            assert (labels == found_labels).float().mean() > 0.95
    assert not compilation.failed


@needs_compiler
def test_compiled_and_plain_loss_have_the_same_values_and_gradients():
    check(build("wilson_hilferty_boosted"), torch.rand(32, 6), 1e-4, slice(3, 4))


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    "family",
    ["wilson_hilferty", "marsaglia_tsang", "implicit", "normal", "wilson_hilferty_boosted"],
)
def test_every_kind_of_batch_is_compiled(family):
    check(build(family), torch.rand(32, 6), 1e-4, slice(None))


@needs_compiler
@pytest.mark.slow
def test_convolutions_are_compiled():
    config = compose_config("architecture=conv", "architecture.channels=[4,6]", "n_clusters=3")
    model = build_model(config, (1, 12, 12), "bernoulli")
    check(model, torch.rand(32, 144), 1e-4, slice(None))


@needs_compiler
@pytest.mark.slow
def test_bfloat16_is_compiled():
    """Both round to bfloat16, whose relative spacing is 1/128, in different places."""
    check(build("wilson_hilferty"), torch.rand(32, 6).bfloat16(), 0.05, slice(None))


def settings(**changes):
    first = Stage("train", 2, 16, 1.0, "constant", LearningRate("constant"), None, torch.float32)
    return first._replace(**changes)


@needs_compiler
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_two_compiled_stages_are_equal_to_the_last_bit_also_in_two_parts(precision):
    def trained(parts):
        torch.manual_seed(3)
        model, x = build("wilson_hilferty"), torch.rand(40, 6)  # 16 + 16 + 8
        optimizer = Adam(model.parameters(), lr=0.01)
        for first, last in parts:
            stage = settings(epochs=4, precision=precision, compilation=Compilation())
            for record in fit(model, x, stage, optimizer, first):
                if record["epoch"] == last:
                    break
        return [parameter.detach().clone() for parameter in model.parameters()]

    whole, again, halves = trained([(0, 4)]), trained([(0, 4)]), trained([(0, 2), (2, 4)])
    for one, two, three in zip(whole, again, halves, strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, three)


COMPLAINT = "main.cpp:1:10: fatal error: Python.h: No such file or directory"


@pytest.mark.parametrize("reason", ["compiler", "headers", "folder"])
def test_training_goes_on_with_one_line_if_it_cannot_be_compiled(
    reason, tmp_path, monkeypatch, caplog
):
    compiler, cache = tmp_path / "broken", tmp_path / "cache"
    fails = f'case "$*" in *--version*) echo g++ 12;; *) echo "{COMPLAINT}" >&2; exit 1;; esac'
    compiler.write_text("#!/bin/sh\n" + ("exit 1" if reason == "compiler" else fails) + "\n")
    compiler.chmod(0o755)
    if reason == "folder":
        cache.write_text("not a folder")
    monkeypatch.setenv("CXX", str(compiler))
    monkeypatch.setenv(CACHE, str(cache))
    torch.manual_seed(0)
    plain, x = build("implicit"), torch.rand(40, 6)
    other = copy.deepcopy(plain)
    chosen = torch._inductor.config.patch({"cpp.cxx": (None, str(compiler))})
    with caplog.at_level("WARNING"), chosen:
        for model, compilation in ((plain, None), (other, Compilation())):
            torch.manual_seed(1)
            for _ in range(2):  # the second stage does not try again
                stage = settings(precision=torch.bfloat16, compilation=compilation)
                list(fit(model, x, stage, Adam(model.parameters(), lr=0.01)))
    assert all(map(torch.equal, plain.parameters(), other.parameters()))
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("compile: training goes on without, because of ")
    causes = {"compiler": "No working C++ compiler", "headers": COMPLAINT, "folder": str(cache)}
    assert causes[reason] in line


def test_the_compiler_is_the_one_that_torch_calls(monkeypatch):
    monkeypatch.setenv("CXX", sys.executable)
    assert has_compiler()
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert not has_compiler()


def times_and_whether_compiled(x, *, factor):
    return factor * x, torch.compiler.is_compiling()


@needs_compiler
def test_a_function_is_compiled_for_every_one_of_many_layers():
    """torch gives up after eight versions of a function, unless it is told otherwise."""
    whole = Compilation()
    for factor in range(2, 14):
        one = Compiled(partial(times_and_whether_compiled, factor=float(factor)), whole)
        for _ in range(2):
            result, is_compiled = one(torch.ones(3))
            assert torch.equal(result, torch.full((3,), float(factor)))
            assert is_compiled
