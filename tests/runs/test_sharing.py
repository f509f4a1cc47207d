import json
import logging
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import torch

import gammvae
from gammvae.runs import sharing
from gammvae.runs.directory import RunDirectory
from gammvae.runs.sharing import Pretrained
from tests.conftest import TINY, compose_config, run

SMOKE = (*TINY, "experiment=smoke", "device=cpu")


@pytest.fixture
def call(tmp_path, caplog):
    """Runs one configuration, and says whether it pretrained by itself."""

    caplog.set_level(logging.INFO, "gammvae")

    def one(name, *overrides):
        where = (f"run_dir={tmp_path / name}", f"pretrained={tmp_path / 'shared'}")
        config = compose_config(*SMOKE, *where, *overrides)
        directory = RunDirectory(tmp_path / name)
        result = run(config, directory)
        said = (directory / "run.log").read_text()
        return result["metrics"], "the autoencoder is taken from" not in said

    return one


def test_a_shared_autoencoder_gives_the_figures_of_a_run_by_itself(call, tmp_path):
    first, trained = call("a")
    assert trained
    alone, trained = call("b", "init=kmeans", f"pretrained={tmp_path / 'elsewhere'}")
    assert trained
    shared, trained = call("c", "init=kmeans")
    assert not trained
    assert shared == alone
    assert shared != first
    lines = [json.loads(line) for line in (tmp_path / "c" / "metrics.jsonl").open()]
    assert [(line["stage"], line["epoch"]) for line in lines] == [
        ("pretrain", 1),
        ("pretrain", 2),
        ("init", 1),
        ("train", 1),
        ("train", 2),
    ]
    content = torch.load(tmp_path / "c" / "pretrain.pt", weights_only=True)
    assert content["epoch"] == 2


@pytest.mark.parametrize(
    ("overrides", "trained"),
    [
        (("train.epochs=1", "train.agreement=0", "init.n_init=2"), False),
        (("model.name=other",), False),
        (("seed=1",), True),
        (("pretrain.epochs=1",), True),
        (("architecture.latent_dim=3",), True),
        (("model=vade",), True),
        (("augmentation.degrees=3",), True),
        (("preprocess=minmax",), True),
        (("overwrite=true",), True),
    ],
)
def test_what_pretraining_depends_on(call, overrides, trained):
    call("a")
    assert call("b", *overrides)[1] == trained


def test_methods_of_one_source_share_its_autoencoder():
    """On every dataset: DEC, IDEC, DCN and k-means on the code; not those of other sources."""
    facts = {"augmented": False}
    for dataset in ("mnist", "usps", "hhar", "digits"):
        path = {
            settings: Pretrained(compose_config(f"dataset={dataset}", *settings), facts).path
            for settings in (
                ("experiment=dec_2016",),
                ("experiment=dec_2016", "model=ae_kmeans"),
                ("experiment=idec_2017",),
                ("experiment=dcn_2017",),
                ("experiment=n2d_2020",),
                ("experiment=vade_2017",),
                ("model=dec", "experiment=plain"),
            )
        }
        assert len(set(list(path.values())[:4])) == 1
        assert len(set(path.values())) == 4


@pytest.mark.parametrize(
    "changed",
    [
        "pretrain.loss=squared_error",
        *("optimizer.warmup=0.2", "optimizer.schedule=step", "optimizer.step_factor=0.5"),
        *("architecture.units=data", "architecture.weights=fan_in", "architecture.decoder_gain=1"),
        "pretrain.layers.epochs=2",
    ],
)
def test_what_changes_pretraining_makes_another_autoencoder(changed):
    facts = {"augmented": False}
    one, other = (Pretrained(compose_config(*o), facts).path for o in ((), (changed,)))
    assert one != other


@pytest.mark.parametrize(
    "changed",
    [
        *("train.targets_every=3", "train.tolerance=0.1", "model.starts=3"),
        "+optimizer@train.optimizer=sgd",
    ],
)
def test_what_comes_later_makes_no_other_autoencoder(changed):
    facts = {"augmented": False}
    one, other = (Pretrained(compose_config(*o), facts).path for o in ((), (changed,)))
    assert one == other


def test_augmentation_matters_only_where_it_is_used(call):
    assert call("a", "pretrain.augment=false")[1]
    assert not call("b", "pretrain.augment=false", "augmentation.degrees=3")[1]


def test_a_changed_program_trains_anew(call, monkeypatch):
    call("a")
    monkeypatch.setattr(sharing, "program_digest", lambda: "other")
    assert call("b", "init.n_init=2")[1]


def test_a_stage_without_epochs_is_shared(call):
    assert call("a", "pretrain.epochs=0")[1]
    assert not call("b", "pretrain.epochs=0", "init.n_init=2")[1]


def test_where_it_is_kept():
    def place(*overrides):
        return Pretrained(compose_config(*overrides), {"augmented": True}).path

    assert place().parts[:2] == ("outputs", ".pretrained")
    assert place("output_root=there").parts[:2] == ("there", ".pretrained")
    assert place("run_dir=a") is None
    assert place("run_dir=a", "pretrained=p").parts[0] == "p"
    assert place() != place("batch_size=64")


def test_a_second_process_waits_for_the_first(tmp_path, forks):
    def start(name, *overrides):
        where = (f"run_dir={tmp_path / name}", f"pretrained={tmp_path / 'shared'}")
        command = [*forks, "gammvae", "train", *SMOKE, *where, *overrides]
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    first = start("a", "pretrain.epochs=30")
    while not (tmp_path / "a" / "metrics.jsonl").exists():
        time.sleep(0.05)
        assert first.poll() is None
    second = start("b", "pretrain.epochs=30", "init.n_init=2")
    assert (first.wait(120), second.wait(120)) == (0, 0)
    said = (tmp_path / "b" / "run.log").read_text()
    assert "the autoencoder is taken from" in said


def test_a_change_of_any_module_makes_other_autoencoders(tmp_path, monkeypatch):
    """The digest of the program sees every folder of the package."""
    shutil.copytree(Path(gammvae.__file__).parent, tmp_path / "gammvae")
    monkeypatch.setattr(gammvae, "__file__", str(tmp_path / "gammvae" / "__init__.py"))
    digests = set()
    for name in ("__init__.py", "errors.py", "model/vae.py", "training/loop.py"):
        with (tmp_path / "gammvae" / name).open("a") as file:
            file.write("# changed")
        sharing.program_digest.cache_clear()
        digests.add(sharing.program_digest())
    sharing.program_digest.cache_clear()
    assert len(digests) == 4
