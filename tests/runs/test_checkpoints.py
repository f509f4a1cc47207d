import json
import os
import pickle
import zipfile

import pytest
import torch
from torch.optim import Adam

from gammvae.errors import InputError
from gammvae.runs.checkpoints import (
    check_progress,
    held_of,
    load_checkpoint,
    read_checkpoint,
    save_checkpoint,
)
from gammvae.runs.directory import RunDirectory
from tests.model.test_vae import build


def trained(seed=0):
    torch.manual_seed(seed)
    model = build("implicit")
    optimizer = Adam(model.parameters(), lr=0.01)
    (-model.elbo(torch.rand(20, 6)).value().mean()).backward()
    optimizer.step()
    return model, optimizer


@pytest.fixture
def saved(tmp_path):
    directory = RunDirectory(tmp_path)
    model, optimizer = trained()
    save_checkpoint(directory, "train", 7, model, optimizer, "digest")
    return directory, model, optimizer, torch.rand(3)


def test_everything_comes_back(saved):
    directory, model, optimizer, following = saved
    other, other_optimizer = trained(seed=1)
    assert load_checkpoint(directory, "train", other, other_optimizer, "digest").epoch == 7
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(torch.rand(3), following)
    state, restored = (o.state_dict()["state"] for o in (optimizer, other_optimizer))
    assert all(torch.equal(state[i]["exp_avg"], restored[i]["exp_avg"]) for i in state)


def test_without_a_file_nothing_changes(tmp_path):
    model, optimizer = trained()
    before = torch.get_rng_state()
    assert load_checkpoint(RunDirectory(tmp_path), "train", model, optimizer, "digest") is None
    assert torch.equal(torch.get_rng_state(), before)


def test_the_end_of_a_stage_needs_no_optimizer(tmp_path):
    directory = RunDirectory(tmp_path)
    model, optimizer = trained()
    save_checkpoint(directory, "train", 3, model, optimizer, "digest")
    large = (directory / "train.pt").stat().st_size
    save_checkpoint(directory, "train", 3, model, None, "digest")
    assert (directory / "train.pt").stat().st_size < large
    assert load_checkpoint(directory, "train", model, None, "digest").epoch == 3


def refused(directory, message, model=None, digest="digest"):
    model = model or trained()[0]
    with pytest.raises(InputError, match=rf"train\.pt {message}") as error:
        load_checkpoint(directory, "train", model, Adam(model.parameters(), lr=0.01), digest)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [0, 1, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused(saved, size):
    path = saved[0] / "train.pt"
    content = path.read_bytes()
    path.write_bytes(content[: int(size * len(content)) if isinstance(size, float) else size])
    refused(saved[0], "is damaged")


def test_a_flipped_bit_in_a_weight_is_refused(saved):
    path = saved[0] / "train.pt"
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda info: info.file_size)
    content = bytearray(path.read_bytes())
    # past the entry's header, whose name and padding torch makes shorter than 200 bytes
    content[largest.header_offset + 200 + largest.file_size // 2] ^= 1
    path.write_bytes(content)
    refused(saved[0], "is damaged: .* does not match its checksum")


def test_other_data_are_refused(saved):
    refused(saved[0], "was trained on other data", digest="other")


def test_another_architecture_is_refused(saved):
    refused(saved[0], "belongs to another model", model=build("implicit", n_clusters=5))


def test_a_file_of_another_version_is_named(saved):
    path = saved[0] / "train.pt"
    content = torch.load(path, weights_only=True)
    torch.save(content | {"format": "gammvae checkpoint 3"}, path)
    refused(saved[0], "is of another version of gammvae: its format is 'gammvae checkpoint 3'")


@pytest.mark.parametrize("content", [{"weights": 1}, [1, 2], torch.zeros(3), {"format": "x"}])
def test_a_foreign_file_is_refused(saved, content):
    torch.save(content, saved[0] / "train.pt")
    refused(saved[0], "is foreign")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": -1}, "is damaged: its part 'epoch'"),
        ({"epoch": 2.5}, "is damaged: its part 'epoch'"),
        ({"epoch": None}, "is damaged: its part 'epoch'"),
        ({"random": {}}, "is damaged: its part 'random'"),
        ({"random": {"cpu": torch.zeros(3, dtype=torch.uint8)}}, "is damaged"),
        ({"random": {"cpu": 1}}, "is damaged: its part 'tensors'"),
        ({"model": {}}, "is damaged: its part 'model'"),
        ({"model": {"x": torch.zeros(2, 2).to_sparse()}}, "is damaged: its part 'tensors'"),
        ({"optimizer": [1]}, "is damaged: its part 'optimizer'"),
        ({"optimizer": {"state": {}}}, "belongs to another model"),
        ({"digest": 5}, "is damaged: its part 'digest'"),
        ({"metrics": ["a"]}, "is damaged: its part 'metrics'"),
        ({"held": {"labels": 1}}, "is damaged: its part 'held'"),
        ({"more": 1}, "is foreign: it has a part 'more'"),
    ],
)
def test_parts_of_other_kind_are_refused(saved, change, message):
    content = torch.load(saved[0] / "train.pt", weights_only=True)
    torch.save(content | change, saved[0] / "train.pt")
    refused(saved[0], message)


def test_a_lacking_part_is_named(saved):
    content = torch.load(saved[0] / "train.pt", weights_only=True)
    del content["random"]
    torch.save(content, saved[0] / "train.pt")
    refused(saved[0], "is foreign: it has no part 'random'")


def test_weights_and_moments_are_finite_and_of_their_parameter_s_shape(saved):
    path = saved[0] / "train.pt"
    content = torch.load(path, weights_only=True)
    first = content["optimizer"]["state"][0]
    kept = first["exp_avg"]
    for bad, message in (
        (torch.zeros(2), r"exp_avg has shape \(2,\)"),
        (torch.full_like(kept, torch.nan), "exp_avg holds a value that is not finite"),
        ("text", "exp_avg has another type"),
        (kept.long(), "exp_avg has shape .* and type torch.int64"),
    ):
        first["exp_avg"] = bad
        torch.save(content, path)
        refused(saved[0], f"belongs to another model: {message}")
    del first["exp_avg"]
    torch.save(content, path)
    refused(saved[0], "belongs to another model: exp_avg is in only one of the two")
    first["exp_avg"] = kept
    weights = content["model"]
    name, weight = next(iter(weights.items()))
    for bad, message in (
        (torch.full_like(weight, torch.inf), f"{name} holds a value that is not finite"),
        (weight.long(), f"{name} has shape .* and type torch.int64"),
    ):
        torch.save(content | {"model": weights | {name: bad}}, path)
        refused(saved[0], f"belongs to another model: {message}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda o: o["state"].clear(), "the state of the optimizer belongs to other parameters"),
        (lambda o: o["state"].update({99: o["state"][0]}), "belongs to other parameters"),
        (lambda o: o["state"][0]["step"].sub_(10), "a negative number of steps"),
        (lambda o: o["param_groups"][0].update(betas="ab"), "the optimizer has other settings"),
        (lambda o: o["param_groups"][0].update(lr="fast"), "not supported between"),
        (
            lambda o: o["param_groups"][0].update(initial_lr=1e9),
            "the optimizer has other learning rates",
        ),
        (lambda o: o["param_groups"].pop(), "zip"),
    ],
)
def test_an_optimizer_goes_on_only_from_its_own_state(saved, change, message):
    path = saved[0] / "train.pt"
    content = torch.load(path, weights_only=True)
    for group in content["optimizer"]["param_groups"]:
        group["initial_lr"] = group["lr"]
    change(content["optimizer"])
    torch.save(content, path)
    refused(saved[0], f"belongs to another model: .*{message}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": 9}, "is from epoch 9, the stage has 8"),
        ({"epoch": 1}, "is from epoch 1, but has metrics of 2 epochs"),
        ({"metrics": ""}, "is from epoch 2, but has metrics of 0 epochs"),
        ({"metrics": "text\n"}, "line 1: Invalid JSON"),
    ],
)
def test_a_checkpoint_has_a_line_for_every_epoch(saved, change, message):
    path = saved[0] / "train.pt"
    lines = [{"stage": "train", "epoch": epoch, "seconds": 1.0} for epoch in (1, 2)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    good = read_checkpoint(path)._replace(epoch=2, metrics=text)
    check_progress(good, "train", 8, path)
    with pytest.raises(InputError, match=message):
        check_progress(good._replace(**change), "train", 8, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": torch.tensor([0, 1, 2])}, "no partition into 2 clusters"),
        ({"labels": torch.tensor([0, -1, 1])}, "no partition into 2 clusters"),
        ({"labels": torch.tensor([0.0, 1.0, 1.0])}, "no partition into 2 clusters"),
        ({"labels": torch.tensor([0, 1])}, "no partition into 2 clusters"),
        ({"labels": None}, "no partition"),
        ({"n_neighbors": 0}, "no graph"),
        ({"resolution": float("nan")}, "no graph"),
        ({"resolution": "1"}, "is damaged"),
    ],
)
def test_where_assignments_are_held_is_a_partition(saved, change, message):
    good = {"labels": torch.tensor([0, 1, 1]), "n_neighbors": 5, "resolution": 1.0}
    path = saved[0] / "train.pt"
    checkpoint = read_checkpoint(path)
    held = held_of(checkpoint._replace(held=good), 3, 2, path)
    assert (held.labels.tolist(), held.n_neighbors, held.resolution) == ([0, 1, 1], 5, 1.0)
    with pytest.raises(InputError, match=message):
        held_of(checkpoint._replace(held=good | change), 3, 2, path)


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    "save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))]
)
def test_no_code_in_a_file_is_run(saved, tmp_path, save):
    target = tmp_path / "hacked"
    save({"format": Attack(target)}, saved[0] / "train.pt")
    refused(saved[0], "is damaged")
    assert not target.exists()
