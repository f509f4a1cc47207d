import gzip
import hashlib

import pytest
import yaml

from gammvae.cli.catalog import Catalog, check, fetch, overview, state_of
from gammvae.data.by_name import call_loader, store_of
from gammvae.errors import InputError
from tests.data.published.test_downloads import _impatient, server  # noqa: F401 - fixtures
from tests.data.test_benchmarks import MNIST_SIZES, mnist_root  # noqa: F401 - a fixture


@pytest.fixture
def catalog(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return lambda *overrides, config_dir=None: Catalog(
        config_dir, [f"dataset.root={tmp_path}/data", *overrides]
    )


def lines_of(text):
    """The overview by dataset."""
    return {line.split()[0]: line for line in text.splitlines()[2:]}


def test_all_benchmarks_are_listed_with_what_is_published(catalog, tmp_path):
    lines = lines_of(overview(catalog()))
    assert sorted(lines) == [
        *("digits", "fashion_mnist", "hhar", "mnist", "reuters10k", "stl10", "usps"),
    ]
    assert " ".join(lines["mnist"].split()) == (
        f"mnist 70,000 784 10 bernoulli CC BY-SA 3.0 11 MB to download {tmp_path}/data/MNIST/raw"
    )
    assert lines["hhar"].split()[1:5] == ["10,299", "561", "6", "normal"]
    assert lines["reuters10k"].split()[1:5] == ["10,000", "2,000", "4", "normal"]
    assert lines["stl10"].split()[1:5] == ["13,000", "2,048", "10", "normal"]
    assert " ready " in lines["digits"]
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small(tmp_path, mnist_root, server):  # noqa: F811
    """A dataset of the user's own with MNIST's loader, and a server that has its files."""
    folder = mnist_root / "MNIST" / "raw"
    files = {}
    for path in sorted(folder.iterdir()):
        packed = gzip.compress(path.read_bytes())
        server.files[f"{path.name}.gz"] = packed
        files[f"small/{path.name}"] = {
            "url": f"{server.url}/{path.name}.gz",
            "digest": "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest(),
            "unpack": "gzip",
        }
    config = {
        "name": "small",
        "n_clusters": 10,
        "likelihood": "bernoulli",
        "loader": {
            "_target_": "gammvae.data.benchmarks.idx_images",
            "folder": "small",
            "side": 28,
            **MNIST_SIZES,
        },
        "about": {"samples": 70, "features": 784, "files": files},
    }
    (tmp_path / "mine" / "dataset").mkdir(parents=True)
    (tmp_path / "mine" / "dataset" / "small.yaml").write_text(yaml.safe_dump(config))
    return tmp_path / "mine"


def test_a_dataset_of_the_users_own_is_fetched_checked_and_listed(catalog, small, tmp_path):
    mine = catalog(config_dir="mine")
    assert "small" in mine.names()
    assert state_of(mine.config("small")).text == "to download"
    assert list(fetch(mine, ["small"])) == ["small is ready: 70 samples"]
    text = check(mine, "small")
    assert text.count("as published") == 4
    assert "samples     70 of shape 1 x 28 x 28" in text
    assert "values      from 0 to " in text
    assert "small is in order" in text
    assert state_of(mine.config("small")).text == "ready"
    assert "small" not in catalog().names()


def test_figures_of_a_check_are_those_of_the_samples(catalog):
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    text = check(catalog(), "digits")
    assert f"mean        {x.mean() / 16:.4f}, standard deviation {x.std() / 16:.4f}" in text
    assert f"0: {(y == 0).sum()}, 1: {(y == 1).sum()}" in text


def test_an_altered_file_is_corrupt_and_named(catalog, small, tmp_path):
    mine = catalog(config_dir="mine")
    list(fetch(mine, ["small"]))
    path = tmp_path / "data" / "small" / "train-images-idx3-ubyte"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    state = state_of(mine.config("small"))
    assert state.text == "corrupt"
    assert "train-images-idx3-ubyte is not the published file: its digest is" in state.remark
    assert "small: " in overview(mine)
    for use in (lambda: check(mine, "small"), lambda: list(fetch(mine, ["small"]))):
        with pytest.raises(InputError, match="train-images-idx3-ubyte is not the published file"):
            use()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="train-images-idx3-ubyte is not the published file"):
        check(mine, "small")
    path.unlink()
    with pytest.raises(InputError, match="train-images-idx3-ubyte is missing and dataset.download"):
        check(mine, "small")


def test_a_begun_download_is_told(catalog, small, tmp_path):
    mine = catalog(config_dir="mine")
    (tmp_path / "data" / "small").mkdir(parents=True)
    (tmp_path / "data" / "small" / ".train-images-idx3-ubyte.gz.part").write_bytes(bytes(2_500_000))
    assert state_of(mine.config("small")).text == "to download, 2.5 MB begun"


def test_known_content_in_other_files_is_ready_with_a_remark(catalog, small, tmp_path):
    mine = catalog(config_dir="mine")
    list(fetch(mine, ["small"]))
    path = tmp_path / "data" / "small" / "t10k-labels-idx1-ubyte"
    content = bytearray(path.read_bytes())
    content[-1] = (content[-1] + 1) % 10
    path.write_bytes(content)
    config = yaml.safe_load((small / "dataset" / "small.yaml").read_text())
    with pytest.raises(InputError, match="t10k-labels-idx1-ubyte is not the published file"):
        check(mine, "small")
    dataset = mine.config("small").dataset
    digest = call_loader(dataset, store_of(dataset), "cpu").digest
    config["about"]["contents"] = {digest: "one label was corrected"}
    (small / "dataset" / "small.yaml").write_text(yaml.safe_dump(config))
    assert state_of(mine.config("small")).text == "ready *"
    assert "one label was corrected" in overview(mine)
    assert "one label was corrected" in check(mine, "small")


def test_what_cannot_be_fetched_does_not_stop_the_others(catalog, small, server):  # noqa: F811
    (small / "dataset" / "gone.yaml").write_text(
        (small / "dataset" / "small.yaml").read_text().replace("small", "gone")
    )
    server.files = {name: file for name, file in server.files.items() if "t10k" not in name}
    lines = []
    with pytest.raises(InputError) as error:
        lines.extend(fetch(catalog(config_dir="mine"), ["gone", "digits", "small"]))
    assert lines == ["digits is ready: 1,797 samples"]
    assert "gone: " in str(error.value)
    assert "small: " in str(error.value)
    assert "404 Not Found" in str(error.value)


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (lambda of: of().config("cifar"), "unknown option dataset=cifar: dataset has"),
        (
            lambda of: of("dataset.rot=x").config("digits"),
            r"unknown option dataset.rot: did you mean root\? dataset has",
        ),
        (lambda of: of(config_dir="nowhere"), "--config-dir nowhere is not a folder"),
    ],
)
def test_what_is_not_there_is_named(catalog, use, message):
    with pytest.raises(InputError, match=message):
        use(catalog)


def test_real_datasets_are_ready(real_data):
    catalog = Catalog(None, [f"dataset.root={real_data}"])
    states = {name: state_of(catalog.config(name)) for name in ("mnist", "usps", "hhar")}
    assert states["mnist"].text == "ready"
    assert all(state.text.startswith("ready") for state in states.values())
    if states["hhar"].text == "ready *":
        assert "test rows were recomputed" in states["hhar"].remark
