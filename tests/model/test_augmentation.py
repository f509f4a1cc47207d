import math

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform
from torch.nn.functional import affine_grid

from gammvae.errors import InputError
from gammvae.model.augmentation import Chain, Checked, RandomAffine, Swapping


def smooth_images(n, height, width):
    """Blurred spots away from the border, so that interpolation errs little."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:height, :width]
    spots = [
        np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 12)
        for r, c in rng.uniform(0.35, 0.65, (n, 2)) * (height, width)
    ]
    return torch.tensor(np.stack(spots), dtype=torch.float32).flatten(1)


@pytest.mark.parametrize(("height", "width"), [(24, 24), (20, 32)])
def test_against_scipy(height, width):
    """Rotation, scale, shear and shift in pixels, also where an image is not square."""
    x = smooth_images(6, height, width)
    torch.manual_seed(3)
    changed = RandomAffine((1, height, width), 20, 0.1, 0.2, 15)(x).reshape(6, height, width)
    torch.manual_seed(3)
    draws = (torch.rand(5, 6) * 2 - 1).double().numpy()
    for image, result, draw in zip(x.reshape(6, height, width), changed, draws.T, strict=True):
        angle, stretch = math.radians(20) * draw[0], 1 + 0.2 * draw[1]
        shear = math.tan(math.radians(15)) * draw[2]
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / stretch
        matrix = turn @ [[1, shear], [0, 1]]  # from output to input, (x, y)
        shift = 0.1 * draw[3:] * (width, height)
        center = np.array([width - 1, height - 1]) / 2
        offset = center + shift - matrix @ center
        flip = np.array([[0, 1], [1, 0]])  # scipy counts (row, column)
        expected = affine_transform(
            image.numpy(), flip @ matrix @ flip, offset[::-1], order=1, mode="grid-constant"
        )
        assert np.abs(result.numpy() - expected).max() < 1e-4


def test_no_change_within_no_limits():
    x = torch.rand(5, 3 * 8 * 6)
    assert torch.allclose(RandomAffine((3, 8, 6), 0, 0, 0, 0)(x), x, atol=1e-5)


def test_every_sample_has_a_change_of_its_own():
    x = smooth_images(1, 16, 16).expand(8, -1)
    changed = RandomAffine((1, 16, 16), 10, 0.1, 0.1, 10)(x)
    assert len(torch.unique(changed.round(decimals=4), dim=0)) == 8


def test_channels_move_together():
    x = smooth_images(4, 12, 12).repeat(1, 3)
    changed = RandomAffine((3, 12, 12), 10, 0.1, 0.1, 10)(x).reshape(4, 3, -1)
    assert torch.equal(changed[:, 0], changed[:, 1])
    assert torch.equal(changed[:, 0], changed[:, 2])


def test_swapping_takes_the_wanted_share_from_the_same_feature_of_others():
    x = torch.arange(200.0)[:, None] + 1000 * torch.arange(500)  # every value is there once
    swapped = Swapping(0.3)(x)
    assert torch.equal(swapped // 1000, x // 1000)
    # one of 200 is swapped with itself
    share, n = 0.3 * 199 / 200, x.numel()
    standard_error = math.sqrt(share * (1 - share) / n)
    assert (swapped != x).float().mean().item() == pytest.approx(share, abs=4 * standard_error)


def test_a_chain_applies_its_changes_in_order():
    chain = Chain([lambda x: x + 1, lambda x: x * 2])
    assert chain(torch.ones(1, 1)).item() == 4


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 5, 9)])
def test_pixels_are_those_of_torchs_grid(shape):
    matrix = torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(0))
    expected = affine_grid(matrix, [4, *shape], align_corners=False)
    found = (matrix @ RandomAffine(shape, 20, 0.1, 0.2, 15).points).view(4, 2, *shape[1:])
    torch.testing.assert_close(found.permute(0, 2, 3, 1), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "returned"),
    [(lambda x: None, "NoneType"), (lambda x: x[:, :1], r"shape \(4, 1\)"), (list, "list")],
)
def test_a_change_of_the_users_own_keeps_the_shape(change, returned):
    x = torch.rand(4, 3)
    assert Checked(torch.neg, "mine.negative")(x) is not None
    with pytest.raises(InputError, match=f"mine.wrong must return a .*, but returned {returned}"):
        Checked(change, "mine.wrong")(x)
