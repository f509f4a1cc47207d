import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import ResNet18_Weights, resnet18
from torchvision.transforms.functional import pil_to_tensor

import gammvae.data.extraction
import gammvae.data.features
from gammvae.cli.predict_file import OF_FEATURES, read_folder
from gammvae.cli.settings import PredictSettings
from gammvae.config.ranges import RULES
from gammvae.data.by_name import load_dataset
from gammvae.data.extraction import NETWORKS, resnet
from gammvae.errors import InputError
from tests.conftest import as_published, compose_config

WEIGHTS = NETWORKS["resnet18"].weights
IMAGES = [
    Image.fromarray(np.random.default_rng(seed).integers(256, size=size, dtype=np.uint8))
    for seed, size in enumerate([(20, 30, 3), (40, 25, 3), (32, 32)])
]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return resnet18().eval()


@pytest.fixture
def root(tmp_path, network):
    (tmp_path / "p").mkdir()
    for number, image in enumerate(IMAGES):
        image.save(tmp_path / f"p/{number}.png")
    torch.save(network.state_dict(), tmp_path / WEIGHTS)
    return tmp_path


def configured(root):
    settings = ("dataset=features", "n_clusters=2", f"dataset.path={root}/p")
    found = compose_config(*settings, "dataset.network=resnet18", f"dataset.root={root}").dataset
    files = as_published(root, found.about.files, "http://example.org/x")
    about = dataclasses.replace(found.about, files=files)
    return dataclasses.replace(found, cache=str(root / "cache"), download=False, about=about)


def test_features_are_those_of_the_network_below_its_last_layer(root, network):
    data = load_dataset(configured(root), "cpu")
    assert (data.x.shape, data.shape, data.y) == ((3, 512), (512,), None)
    assert data.samples == ("0.png", "1.png", "2.png")
    transform = ResNet18_Weights.IMAGENET1K_V1.transforms()
    with torch.no_grad():
        for image, row in zip(IMAGES, data.x, strict=True):
            classified = network(transform(pil_to_tensor(image.convert("RGB")))[None])
            # torchvision rounds the resized images to 1/255, which ours are not
            torch.testing.assert_close(
                network.fc(torch.from_numpy(row))[None], classified, rtol=0.02, atol=0.02
            )


def test_they_are_extracted_once_and_anew_if_an_image_changes(root, monkeypatch):
    first = load_dataset(configured(root), "cpu")
    monkeypatch.setattr(gammvae.data.features, "resnet", None)
    assert load_dataset(configured(root), "cpu").digest == first.digest
    monkeypatch.setattr(gammvae.data.features, "resnet", resnet)
    IMAGES[0].save(root / "p/1.png")
    changed = load_dataset(configured(root), "cpu")
    np.testing.assert_allclose(changed.x[1], first.x[0], rtol=1e-4, atol=1e-5)
    assert not list((root / "cache").glob("*.part"))


def test_broken_images_and_missing_weights_are_named(root):
    (root / "p/1.png").write_text("no image")
    with pytest.raises(InputError, match=r"1 of 3 images cannot be read: .*1\.png \(it is no imag"):
        load_dataset(configured(root), "cpu")
    (root / WEIGHTS).unlink()
    with pytest.raises(InputError, match=f"{WEIGHTS} is missing and dataset.download=false"):
        load_dataset(configured(root), "cpu")
    with pytest.raises(InputError, match="dataset=features needs dataset.path=FOLDER"):
        load_dataset(dataclasses.replace(configured(root), path=None), "cpu")


def test_every_network_may_be_named_and_has_weights():
    files = compose_config("dataset=features", "n_clusters=2").dataset.about.files
    assert {network.weights for network in NETWORKS.values()} == set(files)
    assert all(RULES["dataset.network"].holds(name) for name in NETWORKS)
    assert not RULES["dataset.network"].holds("vgg16")


@pytest.mark.parametrize("changed", [False, True])
def test_new_images_are_predicted_from_their_features(root, changed, monkeypatch):
    """The weights and the folders are those of the program, not those that a run names."""
    known = configured(root)
    loader = {"_target_": OF_FEATURES}
    of_run = dataclasses.replace(known, loader=loader, root="/nowhere", cache="/nowhere")

    class Stub:
        def __init__(self, **fields):
            self.__dict__.update(fields)

    monkeypatch.setattr(
        "gammvae.cli.predict_file.Catalog",
        lambda *_: Stub(config=lambda *_: Stub(dataset=known)),
    )
    trained = Stub(
        config=Stub(dataset=of_run, n_clusters=2), facts=Stub(shape=(512,)), device="cpu"
    )
    settings = PredictSettings(data=str(root / "p"), out="p.csv")
    if changed:
        with (root / WEIGHTS).open("ab") as file:
            file.write(b"more")
        with pytest.raises(InputError, match=f"{WEIGHTS} is not the published file"):
            read_folder(trained, settings)
        return
    found = read_folder(trained, settings)
    assert found.digest == load_dataset(known, "cpu").digest
    trained.facts.shape = (2048,)
    with pytest.raises(InputError, match=r"has 512 features of dataset.network=resnet18: the run"):
        read_folder(trained, settings)
