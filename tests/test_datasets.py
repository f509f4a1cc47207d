import bz2
import struct
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits

from gammvae.datasets import Dataset, check_samples, digits, idx_images, load_dataset, usps
from gammvae.errors import InputError


def write_idx(path, array):
    """The format of MNIST's files: two zeros, type 8 (uint8), dimensions, sizes, bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


@pytest.fixture
def mnist_root(tmp_path):
    rng = np.random.default_rng(0)
    for part, n in [("train", 60_000), ("t10k", 10_000)]:
        folder = tmp_path / "MNIST" / "raw"
        images = np.zeros((n, 28, 28), np.uint8)
        images[:, 3, 4] = rng.integers(256, size=n)
        write_idx(folder / f"{part}-images-idx3-ubyte", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte", (images[:, 3, 4] % 10).astype(np.uint8))
    return tmp_path


@pytest.fixture(scope="session")
def usps_files():
    """The two files' bytes: in sample i, pixel i mod 256 is white and the class is i mod 10."""
    files = {}
    for file, n in {"usps.bz2": 7_291, "usps.t.bz2": 2_007}.items():
        lines = []
        for i in range(n):
            values = ["-1.0"] * 256
            values[i % 256] = "1.0"
            pixels = " ".join(f"{j + 1}:{value}" for j, value in enumerate(values))
            lines.append(f"{i % 10 + 1} {pixels}\n")
        files[file] = bz2.compress("".join(lines).encode(), compresslevel=1)
    return files


@pytest.fixture
def usps_root(tmp_path, usps_files):
    (tmp_path / "USPS").mkdir()
    for file, content in usps_files.items():
        (tmp_path / "USPS" / file).write_bytes(content)
    return tmp_path


def test_digits_are_scikit_learns():
    data, (x, y) = digits(), load_digits(return_X_y=True)
    assert (data.x.shape, data.shape) == ((1797, 64), (1, 8, 8))
    np.testing.assert_array_equal(data.x * 16, x)
    np.testing.assert_array_equal(data.y, y)


def test_idx_files_are_read_in_order_train_first(mnist_root):
    data = idx_images(str(mnist_root), download=False, name="MNIST")
    assert (data.x.shape, data.x.dtype, data.shape) == ((70_000, 784), np.float32, (1, 28, 28))
    pixel = np.round(data.x[:, 3 * 28 + 4] * 255).astype(int)
    np.testing.assert_array_equal(pixel % 10, data.y)
    assert data.x.sum() == pytest.approx(pixel.sum() / 255, rel=1e-5)


def test_usps_is_read_from_libsvm_files(usps_root):
    data = usps(str(usps_root), download=False)
    assert (data.x.shape, data.x.dtype, data.shape) == ((9_298, 256), np.float32, (1, 16, 16))
    assert data.x.min() == 0
    assert data.x.max() == 1
    np.testing.assert_array_equal(data.x[:300].argmax(1), np.arange(300) % 256)
    np.testing.assert_array_equal(data.y[:300], np.arange(300) % 10)


@pytest.mark.parametrize("loader", [usps, lambda **kw: idx_images(name="MNIST", **kw)])
def test_a_missing_file_says_what_is_expected_where(tmp_path, loader):
    with pytest.raises(InputError) as error:
        loader(root=str(tmp_path), download=False)
    message = str(error.value)
    assert str(tmp_path) in message
    assert "http" in message
    assert "GAMMVAE_DATA" in message
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_is_one_message(tmp_path, monkeypatch):
    import torchvision

    def offline(*_, **__):
        raise RuntimeError("Error downloading\ntrain-images-idx3-ubyte.gz")

    monkeypatch.setattr(torchvision.datasets, "MNIST", offline)
    offline.mirrors = ["https://example.org/"]
    with pytest.raises(
        InputError, match=r"is missing and the download failed: Error downloading tr"
    ):
        idx_images(str(tmp_path), download=True, name="MNIST")


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
        idx_images(str(mnist_root), download=False, name="MNIST")


@pytest.mark.parametrize("kind", DAMAGE.keys() - {"too long"})  # bz2 ignores what follows its end
def test_a_damaged_usps_file_is_named(usps_root, kind):
    path = usps_root / "USPS" / "usps.bz2"
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    with pytest.raises(InputError, match=r"usps\.bz2 is damaged: "):
        usps(str(usps_root), download=False)


def test_a_usps_file_with_too_few_samples_is_refused(usps_root):
    (usps_root / "USPS" / "usps.bz2").write_bytes((usps_root / "USPS" / "usps.t.bz2").read_bytes())
    with pytest.raises(InputError, match=r"it holds shape \(2007, 257\), expected \(7291, 257\)"):
        usps(str(usps_root), download=False)


GOOD = Dataset(np.full((5, 4), 0.5, np.float32), np.arange(5), (1, 2, 2))


def with_value(value):
    x = GOOD.x.copy()
    x[3, 2] = value
    return replace(GOOD, x=x)


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (with_value(np.nan), "has the value nan in sample 3, feature 2"),
        (with_value(np.inf), "has the value inf in sample 3, feature 2"),
        (
            with_value(1.5),
            r"values from 0.5 to 1.5: a bernoulli likelihood needs values in \[0, 1\]",
        ),
        (with_value(-0.1), "values from -0.1 to 0.5"),
        (replace(GOOD, x=GOOD.x[:0], y=None), r"samples of shape \(0, 4\)"),
        (replace(GOOD, x=GOOD.x[0]), r"samples of shape \(4,\)"),
        (replace(GOOD, x=GOOD.x.astype(np.float64)), "type float64"),
        (replace(GOOD, shape=(1, 3, 3)), "these must agree"),
        (replace(GOOD, y=np.arange(4)), "these must agree"),
    ],
)
def test_unusable_samples_are_refused(dataset, message):
    with pytest.raises(InputError, match=message):
        check_samples(dataset, "mine", "bernoulli")


def test_a_normal_likelihood_takes_any_finite_value():
    check_samples(with_value(-7.0), "mine", "normal")
    with pytest.raises(InputError, match="must be finite"):
        check_samples(with_value(np.nan), "mine", "normal")


def test_the_digest_sees_every_part():
    digests = {
        GOOD.digest,
        with_value(0.25).digest,
        replace(GOOD, y=np.arange(5)[::-1]).digest,
        replace(GOOD, y=None).digest,
        replace(GOOD, shape=(4,)).digest,
    }
    assert len(digests) == 5
    assert replace(GOOD, x=GOOD.x.copy()).digest == GOOD.digest


def given(root: str, extra: int, download: bool = True) -> Dataset:
    """A user's own loader."""
    assert (root, download, extra) == ("there", False, 3)
    return GOOD


def load(**loader):
    return load_dataset("mine", "bernoulli", loader, root="there", download=False)


def test_a_loader_is_given_root_and_download_if_it_takes_them():
    target = f"{__name__}.given"
    assert load(_target_=target, extra=3) is GOOD
    assert load(_target_="gammvae.datasets.digits").x.shape == (1797, 64)


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        ({"_target_": "gammvae.datasets.nothing"}, "cannot be imported"),
        ({"_target_": "no_such_module.load"}, "cannot be imported"),
        ({"_target_": "gammvae.datasets.digits", "size": 3}, "unexpected keyword argument 'size'"),
        ({"_target_": f"{__name__}.given"}, "missing a required argument: 'extra'"),
    ],
)
def test_a_loader_that_cannot_be_called_is_refused(loader, message):
    with pytest.raises(InputError, match=message):
        load(**loader)


@pytest.mark.parametrize(
    ("name", "shape", "mean", "deviation"),
    [("MNIST", (70_000, 784), 0.1307, 0.3081), ("FashionMNIST", (70_000, 784), 0.2860, 0.3530)],
)
def test_real_images_have_the_published_moments(real_data, name, shape, mean, deviation):
    data = idx_images(str(real_data), download=False, name=name)
    assert data.x.shape == shape
    train = data.x[:60_000].astype(np.float64)
    assert train.mean() == pytest.approx(mean, abs=5e-5)
    assert train.std() == pytest.approx(deviation, abs=5e-5)
    assert np.bincount(data.y[:60_000]).sum() == 60_000


def test_real_usps_is_torchvisions(real_data):
    from torchvision.datasets import USPS

    data = usps(str(real_data), download=False)
    theirs = [USPS(real_data / "USPS", train=train) for train in (True, False)]
    np.testing.assert_array_equal(
        data.x, np.concatenate([part.data for part in theirs]).reshape(-1, 256) / np.float32(255)
    )
    np.testing.assert_array_equal(data.y, np.concatenate([part.targets for part in theirs]))
