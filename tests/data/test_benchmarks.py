import bz2
import dataclasses
import gzip
import json
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
from sklearn.datasets import load_digits

from gammvae.config.published import AboutConfig
from gammvae.data.benchmarks import digits
from gammvae.data.by_name import load_dataset
from gammvae.data.dataset import Dataset
from gammvae.errors import InputError
from tests.conftest import as_published, compose_config


def of(name, root, *overrides, loader=None):
    """The dataset of a small root: other files and sizes than published, all else the same."""
    config = compose_config(
        f"dataset={name}", f"dataset.root={root}", "dataset.download=false", *overrides
    ).dataset
    files = as_published(Path(root), config.about.files, "http://example.org/x")
    return load_dataset(
        dataclasses.replace(
            config,
            about=AboutConfig(files=files),
            loader={**config.loader, **(loader or {})},
        )
    )


def write_idx(path, array):
    """The format of MNIST's files: two zeros, type 8 (uint8), dimensions, sizes, bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


MNIST_SIZES = {"parts": {"train": 60, "t10k": 10}}


@pytest.fixture
def mnist_root(tmp_path):
    rng = np.random.default_rng(0)
    for part, n in MNIST_SIZES["parts"].items():
        folder = tmp_path / "MNIST" / "raw"
        images = np.zeros((n, 28, 28), np.uint8)
        images[:, 3, 4] = rng.integers(256, size=n)
        write_idx(folder / f"{part}-images-idx3-ubyte", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte", (images[:, 3, 4] % 10).astype(np.uint8))
    return tmp_path


USPS_SIZES = {"parts": {"USPS/usps.bz2": 291, "USPS/usps.t.bz2": 70}}


@pytest.fixture
def usps_root(tmp_path):
    """In sample i of each file, pixel i mod 256 is white and the class is i mod 10."""
    (tmp_path / "USPS").mkdir()
    for file, n in USPS_SIZES["parts"].items():
        lines = []
        for i in range(n):
            values = ["-1.0"] * 256
            values[i % 256] = "1.0"
            pixels = " ".join(f"{j + 1}:{value}" for j, value in enumerate(values))
            lines.append(f"{i % 10 + 1} {pixels}\n")
        (tmp_path / file).write_bytes(bz2.compress("".join(lines).encode()))
    return tmp_path


HHAR_SIZES = {"parts": {"train": 40, "test": 15}, "features": 5, "openml_digest": None}


@pytest.fixture
def hhar_values():
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, size=(55, 5)), rng.integers(1, 7, size=55)


@pytest.fixture
def hhar_root(tmp_path, hhar_values):
    """UCI's layout and number format, in which X_train.txt begins ``  2.8858451e-001``."""
    x, y = hhar_values
    with zipfile.ZipFile(tmp_path / "UCI HAR Dataset.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for part, rows in [("train", slice(40)), ("test", slice(40, 55))]:
            lines = [
                "".join(f"{value: 17.7e}".replace("e-0", "e-00") for value in row)
                for row in x[rows]
            ]
            archive.writestr(f"UCI HAR Dataset/{part}/X_{part}.txt", "\n".join(lines) + "\n")
            labels = "\n".join(map(str, y[rows])) + "\n"
            archive.writestr(f"UCI HAR Dataset/{part}/y_{part}.txt", labels)
        archive.writestr("UCI HAR Dataset/README.txt", "licence")
    return tmp_path


def test_digits_are_scikit_learns():
    data, (x, y) = digits(), load_digits(return_X_y=True)
    assert (data.x.shape, data.shape) == ((1797, 64), (1, 8, 8))
    np.testing.assert_array_equal(data.x * 16, x)
    np.testing.assert_array_equal(data.y, y)


def test_idx_files_are_read_in_order_train_first(mnist_root):
    data = of("mnist", mnist_root, loader=MNIST_SIZES)
    assert (data.x.shape, data.x.dtype, data.shape) == ((70, 784), np.float32, (1, 28, 28))
    pixel = np.round(data.x[:, 3 * 28 + 4] * 255).astype(int)
    np.testing.assert_array_equal(pixel % 10, data.y)
    assert data.x.sum() == pytest.approx(pixel.sum() / 255, rel=1e-5)


def test_usps_is_read_from_libsvm_files(usps_root):
    data = of("usps", usps_root, loader=USPS_SIZES)
    assert (data.x.shape, data.x.dtype, data.shape) == ((361, 256), np.float32, (1, 16, 16))
    assert data.x.min() == 0
    assert data.x.max() == 1
    np.testing.assert_array_equal(data.x[:291].argmax(1), np.arange(291) % 256)
    np.testing.assert_array_equal(data.y[:291], np.arange(291) % 10)
    np.testing.assert_array_equal(data.x[291:].argmax(1), np.arange(70))


def test_hhar_is_read_from_ucis_archive(hhar_root, hhar_values):
    data = of("hhar", hhar_root, loader=HHAR_SIZES)
    assert (data.x.dtype, data.shape) == (np.float32, (5,))
    np.testing.assert_allclose(data.x, hhar_values[0], rtol=1e-6)
    np.testing.assert_array_equal(data.y, hhar_values[1] - 1)


def test_hhar_is_prepared_once_and_anew_when_the_archive_changes(
    hhar_root, tmp_path_factory, monkeypatch
):
    cache = f"dataset.cache={tmp_path_factory.mktemp('prepared')}"
    first = of("hhar", hhar_root, cache, loader=HHAR_SIZES)

    def no_more(*_):
        raise AssertionError

    with monkeypatch.context() as patched:
        patched.setattr(np, "loadtxt", no_more)
        assert of("hhar", hhar_root, cache, loader=HHAR_SIZES).digest == first.digest
    with zipfile.ZipFile(hhar_root / "UCI HAR Dataset.zip", "a") as archive:
        archive.writestr("changed", "")
    monkeypatch.setattr(np, "loadtxt", no_more)
    with pytest.raises(InputError, match="AssertionError"):
        of("hhar", hhar_root, cache, loader=HHAR_SIZES)


@pytest.fixture
def openml_root(tmp_path, hhar_values):
    """scikit-learn's cache of OpenML's answers, so that nothing is asked for on the network."""
    x, y = hhar_values
    attributes = [f"@ATTRIBUTE V{i + 1} REAL" for i in range(5)]
    rows = [
        ",".join([*(f"{v:.7e}" for v in row), str(label)]) for row, label in zip(x, y, strict=True)
    ]
    arff = "\n".join(
        ["@RELATION har", *attributes, "@ATTRIBUTE Class {1,2,3,4,5,6}", "@DATA", *rows, ""]
    )
    url = "https://api.openml.org/data/v1/download/1592281/har.arff"
    description = {
        "id": "1478",
        "name": "har",
        "version": "1",
        "format": "ARFF",
        "file_id": "1592281",
        "url": url,
        "status": "active",
        "default_target_attribute": "Class",
        "md5_checksum": "",
    }
    features = [
        {
            "index": str(i),
            "name": f"V{i + 1}" if i < 5 else "Class",
            "data_type": "numeric" if i < 5 else "nominal",
            "is_target": "true" if i == 5 else "false",
            "is_ignore": "false",
            "is_row_identifier": "false",
            "number_of_missing_values": "0",
        }
        for i in range(6)
    ]
    return (
        tmp_path,
        arff,
        {
            "data/1478": {"data_set_description": description},
            "data/features/1478": {"data_features": {"feature": features}},
            "data/qualities/1478": {"data_qualities": {"quality": []}},
        },
    )


@pytest.fixture
def openml(openml_root, monkeypatch):
    """OpenML's server, as far as scikit-learn sees it."""
    import hashlib
    import io

    from sklearn.datasets import _openml

    root, arff, answers = openml_root
    answers["data/1478"]["data_set_description"]["md5_checksum"] = hashlib.md5(
        arff.encode()
    ).hexdigest()

    def urlopen(request, *_, **__):
        url = request.full_url
        for path, answer in answers.items():
            if url.endswith(path):
                return Response(json.dumps(answer).encode())
        return Response(arff.encode())

    class Response(io.BytesIO):
        def __init__(self, content):
            super().__init__(gzip.compress(content))

        def info(self):
            return {"Content-Encoding": "gzip"}

    monkeypatch.setattr(_openml, "urlopen", urlopen)
    return root


def offline(config):
    """Other addresses, at which nothing answers."""
    files = as_published(Path(config.root), config.about.files, "http://127.0.0.1:9/x")
    return dataclasses.replace(
        config, about=AboutConfig(files=files), loader={**config.loader, **HHAR_SIZES}
    )


@pytest.mark.usefixtures("_impatient")
def test_hhar_from_openml_is_the_same(openml, hhar_root, monkeypatch):
    from_uci = of("hhar", hhar_root, loader=HHAR_SIZES)
    config = offline(compose_config("dataset=hhar", f"dataset.root={openml}/elsewhere").dataset)
    from_openml = load_dataset(config)
    assert from_openml.digest == from_uci.digest
    assert "read from OpenML data set 1478, because" in from_openml.notes[0]
    first = Dataset(from_uci.x[:40], from_uci.y[:40], (5,)).digest
    config.loader["openml_digest"] = first
    assert load_dataset(config).digest == from_uci.digest
    config.loader["openml_digest"] = first[::-1]
    with pytest.raises(InputError, match="OpenML data set 1478 has other samples, or another ord"):
        load_dataset(config)


@pytest.fixture
def _impatient(monkeypatch):
    monkeypatch.setattr("gammvae.data.published.transfer.time.sleep", lambda _: None)


@pytest.mark.usefixtures("_impatient")
def test_without_either_source_both_failures_are_named(tmp_path, monkeypatch):
    def unreachable(**_):
        raise OSError("no route to OpenML")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", unreachable)
    config = offline(compose_config("dataset=hhar", f"dataset.root={tmp_path}").dataset)
    with pytest.raises(InputError, match=r"the download failed: .* failed too: no route to OpenML"):
        load_dataset(config)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "usps", "hhar"])
def test_a_missing_file_says_what_is_expected_where(tmp_path, name):
    with pytest.raises(InputError) as error:
        of(name, tmp_path)
    message = str(error.value)
    assert str(tmp_path) in message
    assert "http" in message
    assert "GAMMVAE_DATA" in message
    assert list(tmp_path.iterdir()) == []


DAMAGE = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "a header alone": lambda content: content[:16],
    "garbage": lambda content: b"not a dataset file" * 10,
    "too long": lambda content: content + b"\0" * 784,
}


@pytest.mark.parametrize("kind", DAMAGE)
@pytest.mark.parametrize("file", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_a_damaged_idx_file_is_named(mnist_root, kind, file):
    path = mnist_root / "MNIST" / "raw" / file
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    with pytest.raises(InputError, match=f"{file} is damaged: "):
        of("mnist", mnist_root, loader=MNIST_SIZES)


@pytest.mark.parametrize(
    "kind", sorted(DAMAGE.keys() - {"too long"})
)  # bz2 and zip ignore what follows their end
@pytest.mark.parametrize(
    ("name", "file", "sizes"),
    [("usps", "USPS/usps.bz2", USPS_SIZES), ("hhar", "UCI HAR Dataset.zip", HHAR_SIZES)],
)
def test_a_damaged_archive_is_named(request, name, file, sizes, kind):
    root = request.getfixturevalue(f"{name}_root")
    path = root / file
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    with pytest.raises(InputError, match=f"{re.escape(path.name)} is damaged: "):
        of(name, root, loader=sizes)


def test_a_flipped_byte_in_the_hhar_archive_is_found(hhar_root):
    path = hhar_root / "UCI HAR Dataset.zip"
    content = bytearray(path.read_bytes())
    content[300] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"UCI HAR Dataset\.zip is damaged: "):
        of("hhar", hhar_root, loader=HHAR_SIZES)


def test_a_file_with_too_few_samples_is_refused(usps_root):
    (usps_root / "USPS" / "usps.bz2").write_bytes((usps_root / "USPS" / "usps.t.bz2").read_bytes())
    with pytest.raises(InputError, match=r"it holds shape \(70, 257\), expected \(291, 257\)"):
        of("usps", usps_root, loader=USPS_SIZES)


def test_an_hhar_archive_that_unpacks_to_too_much_is_refused(hhar_root, monkeypatch):
    monkeypatch.setattr("gammvae.data.benchmarks.HHAR_MEMBER_BYTES", 100)
    with pytest.raises(InputError, match=r"is damaged: train/X_train\.txt unpacks to"):
        of("hhar", hhar_root, loader=HHAR_SIZES)


def real(name, root):
    return load_dataset(
        compose_config(f"dataset={name}", f"dataset.root={root}", "dataset.download=false").dataset
    )


@pytest.mark.parametrize(
    ("name", "mean", "deviation"),
    [("mnist", 0.1307, 0.3081), ("fashion_mnist", 0.2860, 0.3530)],
)
def test_real_images_have_the_published_moments(real_data, name, mean, deviation):
    data = real(name, real_data)
    assert data.x.shape == (70_000, 784)
    assert (data.x.min(), data.x.max(), data.notes) == (0, 1, ())
    train = data.x[:60_000].astype(np.float64)
    assert train.mean() == pytest.approx(mean, abs=5e-5)
    assert train.std() == pytest.approx(deviation, abs=5e-5)
    counts = np.bincount(data.y[:60_000])
    assert counts.sum() == 60_000
    if name == "fashion_mnist":
        assert set(counts) == {6_000}
    else:
        assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


def test_real_usps_is_torchvisions(real_data):
    from torchvision.datasets import USPS

    data = real("usps", real_data)
    theirs = [USPS(real_data / "USPS", train=train) for train in (True, False)]
    np.testing.assert_array_equal(
        data.x, np.concatenate([part.data for part in theirs]).reshape(-1, 256) / np.float32(255)
    )
    np.testing.assert_array_equal(data.y, np.concatenate([part.targets for part in theirs]))


def test_real_hhar_has_the_published_shape_classes_and_range(real_data):
    data = real("hhar", real_data)
    assert (data.x.shape, data.shape) == ((10_299, 561), (561,))
    assert np.bincount(data.y).tolist() == [1722, 1544, 1406, 1777, 1906, 1944]
    assert (data.x.min(), data.x.max()) == (-1, 1)
    np.testing.assert_allclose(data.x[0, :3], [0.28858451, -0.020294171, -0.13290514], rtol=1e-7)
