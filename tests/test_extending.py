"""The user's own architecture, augmentation, family and method; see also the page in the docs."""

import dataclasses
import json
import pickle
import textwrap

import numpy as np
import pytest
import torch
import yaml
from torch.distributions import Independent, kl_divergence
from torch.distributions import Laplace as TorchLaplace

from gammvae import GammMVAE
from gammvae.config.code import Stored, as_stored, digest_of_code, made, with_code
from gammvae.config.identity import identity
from gammvae.config.ranges import CODE
from gammvae.config.stored import from_stored
from gammvae.errors import InputError
from gammvae.model.building import check_layers
from gammvae.model.distributions import pairwise_kl
from gammvae.runs.code import config_with_code
from gammvae.runs.directory import RunDirectory
from gammvae.runs.sharing import LATER
from gammvae.training.experiment import Experiment
from tests.conftest import TINY, a_result, compose_config
from tests.test_docs import BLOCK, DOCS

SHORT = {"pretrain__updates": 4, "train__updates": 4, "architecture__latent_dim": 3}
# How a crafted run can name a function, by the setting.
CRAFTED = {
    "architecture.layers": {"hidden": [], "channels": []},
    "augmentation.change": {},
    "model.latents": {"family": "own", "reparameterization": "own", "gain": None},
    "model.peer": {"method": "own"},
}
HARMFUL = {"_target_": "os.mkdir", "path": "hacked"}


def crafted(key, function=HARMFUL, **others):
    """A stored configuration that names a function."""
    tree = dataclasses.asdict(compose_config(*TINY))
    section, name = key.split(".")
    tree[section] |= {name: function, **others}
    return tree


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A folder with the files of the page of the docs, which Python finds."""
    folder = tmp_path_factory.mktemp("mine")
    for block in BLOCK.finditer((DOCS / "how-to/extend.md").read_text()):
        if block["file"]:
            (path := folder / block["file"]).parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(block["code"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture(scope="module")
def x():
    y = np.arange(60) % 3
    return (np.eye(3, 5)[y] * 5 + np.random.default_rng(0).normal(size=(60, 5))).astype(np.float32)


@pytest.fixture(scope="module")
def saved(mine, x, tmp_path_factory):
    """A fitted estimator of the user's own parts, and the folder of its run."""
    own = {"model": "laplace", "architecture": "residual", "augmentation": "jitter"}
    settings = {"config_dir": str(mine / "mine"), "device": "cpu", "precision": "float32"}
    model = GammMVAE(3, **settings, **own, **SHORT).fit(x)
    model.save(run := tmp_path_factory.mktemp("runs") / "run")
    return model, run


def test_runs_of_own_parts_are_loaded_and_pickled(saved, mine, x):
    model, run = saved
    expected = model.predict_proba(x)
    loaded = GammMVAE.load(run, device="cpu", config_dir=mine / "mine")
    for other in (loaded, pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(other.predict_proba(x), expected)
    np.testing.assert_array_equal(loaded.fit(x).predict_proba(x), expected)


def test_an_argument_of_an_own_part_is_a_parameter(mine, x, tmp_path):
    own = {"config_dir": mine / "mine", "architecture": "residual", "device": "cpu"}
    model = GammMVAE(3, architecture__layers__width=16, **own, **SHORT).fit(x)
    model.save(tmp_path / "run")
    loaded = GammMVAE.load(tmp_path / "run", device="cpu", config_dir=mine / "mine")
    assert loaded.get_params()["architecture__layers"]["width"] == 16
    np.testing.assert_array_equal(loaded.fit(x).transform(x), model.transform(x))
    with pytest.raises(InputError, match="wdth"):
        GammMVAE(3, architecture__layers__wdth=16, **own).fit(x)


def test_commands_need_the_folder_of_own_parts(saved, mine, in_process):
    run = str(saved[1])
    refused = in_process("sample", run, "n=2")
    assert refused.returncode == 2
    assert "config.yaml" in refused.stderr
    assert "--config-dir FOLDER" in refused.stderr
    drawn = in_process("sample", run, "n=2", "min_posterior=0", "--config-dir", str(mine / "mine"))
    assert drawn.returncode == 0, drawn.stderr
    with pytest.raises(InputError, match="is code that does not come with gammvae"):
        GammMVAE.load(run)


def change(run, tmp_path, **changes):
    tree = yaml.safe_load((run / "config.yaml").read_text())
    tree["architecture"]["layers"] |= changes
    (folder := tmp_path / "changed").mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(tree))
    return RunDirectory(folder)


@pytest.mark.parametrize("changes", [{"_target_": "os.system"}, {"width": "64"}, {"x": "y"}])
def test_only_what_the_users_yaml_names_is_called(saved, mine, tmp_path, changes):
    with pytest.raises(InputError, match="config.yaml: the run has architecture.layers"):
        config_with_code(change(saved[1], tmp_path, **changes), str(mine / "mine"))


def test_numbers_are_those_of_the_run(saved, mine, tmp_path):
    found = config_with_code(change(saved[1], tmp_path, width=7), str(mine / "mine"))
    assert found.architecture.layers == {"_target_": "residual.layers", "width": 7}
    assert not isinstance(found.architecture.layers, Stored)


@pytest.mark.parametrize("key", CODE)
@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_a_stored_function_is_not_called(key, command, in_process, tmp_path):
    (run := tmp_path / "run").mkdir()
    (run / "config.yaml").write_text(yaml.safe_dump(crafted(key, **CRAFTED[key])))
    (run / "result.json").write_text(json.dumps(a_result()))
    result = in_process(command, "run")
    assert result.returncode == 2
    assert f"{key}._target_=os.mkdir is code that does not come with gammvae" in result.stderr
    with pytest.raises(InputError, match="does not come with gammvae"):
        GammMVAE.load(run)
    assert not (tmp_path / "hacked").exists()


def test_stored_functions_are_refused_wherever_they_are_called(tmp_path):
    with pytest.raises(InputError, match="does not come with gammvae"):
        made("model.peer", Stored(_target_="os.mkdir", path=str(tmp_path / "hacked")))
    config = from_stored(crafted("model.peer", method="own"))
    assert isinstance(config.model.peer, Stored)
    assert as_stored(config) == config
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("key", "function", "others", "message"),
    [
        ("model.latents", None, CRAFTED["model.latents"], "model.latents must be given if and"),
        ("model.peer", None, {"method": "own"}, "model.peer must be given if and only if"),
        ("model.peer", HARMFUL, {}, "model.peer must be given if and only if model.method=own"),
        ("architecture.layers", HARMFUL, {}, r"both must be \[\]"),
        ("augmentation.change", {"size": 1}, {}, "names no function: it must have a _target_"),
    ],
)
def test_functions_that_other_settings_leave_without_use(key, function, others, message):
    with pytest.raises(InputError, match=message):
        from_stored(crafted(key, function, **others))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere.f", "architecture.layers._target_=nowhere.f cannot be imported"),
        ("argparse.Namespace", "must return a tuple, but returned Namespace"),
        ("math.prod", "architecture.layers does not suit math.prod: "),
        ("residual.Residual", "architecture.layers does not suit residual.Residual: missing"),
    ],
)
def test_functions_that_do_not_suit(mine, x, target, message):
    own = {"config_dir": mine / "mine", "architecture": "residual"}
    model = GammMVAE(3, **own, architecture__layers={"_target_": target}, device="cpu")
    with pytest.raises(InputError, match=message):
        model.fit(x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"width": "abc"},
            r"layers._target_=residual.layers raised TypeError in .*residual.py, line",
        ),
        ({"width": 0}, "layers=residual.layers returned the output width 0: it must be at least 1"),
    ],
)
def test_what_a_function_raises_or_returns_is_named(mine, x, arguments, message):
    own = {"config_dir": mine / "mine", "architecture": "residual"}
    layers = {"_target_": "residual.layers", **arguments}
    model = GammMVAE(3, **own, architecture__layers=layers, device="cpu")
    with pytest.raises(InputError, match=message) as error:
        model.fit(x)
    if "raised" in message:
        assert isinstance(error.value.__cause__, TypeError)


def test_bodies_without_a_middle_layer_are_refused():
    body = torch.nn.Linear(2, 2)
    with pytest.raises(InputError, match="returned a Linear as the encoder's body: it must have"):
        check_layers(body, 2, body, "architecture.layers=f")


def test_pretrained_autoencoders_are_not_shared_across_other_code(mine, monkeypatch):
    usual = compose_config()
    assert not any(key.startswith(CODE) for key in identity(usual))
    assert digest_of_code(usual, CODE) == ""
    assert not any(key.startswith(LATER) for key in CODE[:3])
    own = with_code(usual, {"augmentation.change": {"_target_": "jitter.jitter"}})
    before = digest_of_code(own, CODE)
    assert before
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda path: str(path).encode())
    assert digest_of_code(own, CODE) != before


def test_the_divergence_of_an_own_family_is_that_of_torch(mine):
    from laplace import Laplace

    loc, scale = torch.randn(4, 3), torch.rand(4, 3) + 0.1
    others = torch.randn(2, 3), torch.rand(2, 3) + 0.1
    found = pairwise_kl(Independent(Laplace(loc, scale), 1), Independent(Laplace(*others), 1))
    each = kl_divergence(
        TorchLaplace(loc[:, None], scale[:, None]), TorchLaplace(*(one[None] for one in others))
    )
    torch.testing.assert_close(found, each.sum(-1))


class Dropping(torch.nn.Module):
    """A layer that differs between training and use, and counts how it was called."""

    def __init__(self):
        super().__init__()
        self.drop, self.called = torch.nn.Dropout(0.5), {True: 0, False: 0}

    def forward(self, x):
        self.called[self.training] += 1
        return self.drop(x)


def test_layers_such_as_dropout_are_random_in_training_only(tmp_path):
    once = ("pretrain.epochs=1", "train.epochs=1", f"run_dir={tmp_path / 'run'}")
    config = compose_config(*TINY, "device=cpu", *once)
    experiment = Experiment(config, RunDirectory(tmp_path / "run"))
    encoder = experiment.work.model.encoder
    encoder.body = torch.nn.Sequential(encoder.body, layer := Dropping())
    encoder.body.middle = encoder.body[0].middle
    experiment.work.model.eval()
    result = experiment.run()
    assert layer.called[True] == sum(result["steps"].values())
    assert layer.called[False] > 0
    assert not layer.training


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("model.peer", "must return a method, but returned a Namespace, which has no stages"),
        ("dataset.loader", "must return a gammvae.Dataset, but returned a Namespace"),
    ],
)
def test_what_the_users_functions_return_is_checked(tmp_path, key, message):
    config = compose_config(*TINY, "device=cpu")
    section, name = key.split(".")
    own = {"method": "own"} if section == "model" else {}
    value = {"_target_": "argparse.Namespace"}
    part = dataclasses.replace(getattr(config, section), **{name: value}, **own)
    config = dataclasses.replace(config, **{section: part})
    with pytest.raises(InputError, match=message):
        Experiment(config, RunDirectory(tmp_path / "run"))
