import os
import pickle
import zipfile

import pytest
import torch
from torch.optim import Adam

from gammvae.checkpoints import load_checkpoint, save_checkpoint
from gammvae.errors import InputError
from gammvae.runs import RunDirectory
from tests.test_model import build


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
        load_checkpoint(directory, "train", model, Adam(model.parameters()), digest)
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


@pytest.mark.parametrize("content", [{"weights": 1}, [1, 2], torch.zeros(3), {"format": "x"}])
def test_a_foreign_file_is_refused(saved, content):
    torch.save(content, saved[0] / "train.pt")
    refused(saved[0], "is foreign")


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
