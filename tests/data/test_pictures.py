import numpy as np
import pytest
import torch
from PIL import Image

from gammvae.data.pictures import fitted, from_each, image_files, read_image, stored_shape
from gammvae.errors import InputError

PIXELS = np.random.default_rng(0).integers(256, size=(6, 9, 3), dtype=np.uint8)


def save(path, mode="RGB", **more):
    image = Image.fromarray(PIXELS).convert(mode)
    image.save(path, **more)
    return image


@pytest.mark.parametrize(
    ("mode", "channels"), [("RGB", 3), ("L", 1), ("RGBA", 3), ("LA", 1), ("P", 3), ("1", 1)]
)
def test_an_image_of_any_mode_becomes_gray_or_color(tmp_path, mode, channels):
    image = save(tmp_path / "x.png", mode)
    assert stored_shape(tmp_path / "x.png") == (channels, 6, 9)
    for wanted, name in [(1, "L"), (3, "RGB")]:
        expected = np.atleast_3d(np.asarray(image.convert(name))).transpose(2, 0, 1) / 255
        np.testing.assert_allclose(read_image(tmp_path / "x.png", wanted), expected, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_are_scaled_and_not_cut(tmp_path, channels):
    deep = np.random.default_rng(0).integers(2**16, size=(6, 9), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "x.png")
    assert stored_shape(tmp_path / "x.png") == (1, 6, 9)
    read = read_image(tmp_path / "x.png", channels)
    np.testing.assert_allclose(read, np.stack(channels * [deep / 65535]), atol=1e-6)


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_values_without_a_range_are_refused(tmp_path, kind):
    Image.fromarray(np.ones((6, 9), kind)).save(tmp_path / "x.tif")
    with pytest.raises(ValueError, match="has 32 bits and no fixed range of values"):
        read_image(tmp_path / "x.tif", 1)


def test_a_photo_is_turned_as_the_camera_was_held(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: the first row is the right side
    save(tmp_path / "x.png", exif=exif)
    assert stored_shape(tmp_path / "x.png") == (3, 9, 6)
    expected = np.rot90(PIXELS, -1).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(read_image(tmp_path / "x.png", 3), expected, atol=1e-6)


def test_an_image_covers_its_size_and_is_cut_to_the_middle():
    ramp = torch.linspace(0, 1, 40).expand(3, 20, 40)
    half = fitted(ramp, 10, 10)
    assert half.shape == (3, 10, 10)
    middle = ramp[0, 0].reshape(20, 2).mean(1)[5:15]  # each pixel is the mean of two
    torch.testing.assert_close(half[1, 5], middle, atol=0.005, rtol=0)
    assert fitted(ramp, 20, 40) is ramp
    assert fitted(torch.rand(1, 7, 13), 30, 8).shape == (1, 30, 8)


def test_values_stay_in_range_when_they_are_resized():
    image = torch.randint(2, (3, 31, 47)).float()
    for size in [(8, 8), (64, 100), (31, 46)]:
        found = fitted(image, *size)
        assert found.shape[1:] == size
        assert 0 <= found.min() <= found.max() <= 1


def test_files_are_sorted_and_hidden_and_other_ones_are_left_out(tmp_path):
    for name in ["b/2.png", "b/10.JPG", "a.tiff", "notes.txt", ".x.png", ".git/y.png", "b/.z.png"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "c.png").mkdir()
    files, others = image_files(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in files] == [
        "a.tiff",
        "b/10.JPG",
        "b/2.png",
    ]
    assert others == 1
    with pytest.raises(InputError, match=r"c\.png holds no images: their names must end in \.jpg"):
        image_files(tmp_path / "c.png")


def test_all_broken_images_are_counted_and_the_first_are_named(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(9)]
    for path in paths:
        save(path)
    paths[1].write_bytes(paths[1].read_bytes()[:60])
    for path in paths[3:]:
        path.write_text("no image")
    with pytest.raises(InputError) as error:
        from_each(paths, lambda path: read_image(path, 3))
    text = str(error.value)
    assert text.startswith(f"7 of 9 images cannot be read: {paths[1]} (")
    assert f"{paths[6]} (it is no image), ..." in text
    assert str(paths[7]) not in text
    assert "\n" not in text
