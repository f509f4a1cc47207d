import numpy as np

from gammvae.report.pictures import gray_range, grid, is_image


def test_images_stand_side_by_side():
    x = np.zeros((3, 784), np.float32)
    x[1] = 1
    picture = np.array(grid(x, (1, 28, 28), 2, (0, 1)))
    assert picture.shape == (2 * 30 + 2, 2 * 30 + 2, 3)
    assert (picture[2:30, 2:30] == 0).all()
    assert (picture[2:30, 32:60] == 255).all()


def test_small_ones_are_enlarged_and_ranges_stretched():
    x = np.linspace(-4, 6, 2 * 64).reshape(2, 64)
    assert gray_range(x) == (-4, 6)
    assert gray_range(x / 10 + 0.4) == (0, 1)
    picture = np.array(grid(x, (1, 8, 8), 2, gray_range(x)))
    assert picture.shape == (8 * 4 + 4, 2 * (8 * 4 + 2) + 2, 3)
    assert picture[2, 2, 0] == 0
    assert picture[33, 67, 0] == 255


def test_what_can_be_looked_at():
    assert is_image((1, 8, 8))
    assert is_image((3, 32, 32))
    assert not is_image((2, 8, 8))
    assert not is_image((64,))
