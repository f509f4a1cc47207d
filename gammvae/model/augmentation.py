"""Random changes of the encoder's input that should not change the cluster.

The decoder's target is the unchanged sample, but for methods that train samples beside their
changed copies, which are reconstructed themselves.

Notation: ``B`` batch, ``F`` features of the data.
"""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from gammvae.errors import InputError

Augmentation = Callable[[Tensor], Tensor]


class Swapping:
    """Replaces random features by those of other samples of the batch, as noise in their own units.

    Args:
        probability: With which each feature of each sample is replaced, from 0 to 1.
    """

    def __init__(self, probability: float) -> None:
        self.probability = probability

    def __call__(self, x: Tensor) -> Tensor:
        """Returns changed copies ``(B, F)`` of samples ``(B, F)``."""
        others = torch.randint(len(x), x.shape, device=x.device)
        swapped = torch.rand_like(x) < self.probability
        return torch.where(swapped, x.gather(0, others), x)


class Chain:
    """Applies several changes one after the other.

    Args:
        changes: In the order in which they are applied.
    """

    def __init__(self, changes: Sequence[Augmentation]) -> None:
        self.changes = changes

    def __call__(self, x: Tensor) -> Tensor:
        """Returns changed copies ``(B, F)`` of samples ``(B, F)``."""
        for change in self.changes:
            x = change(x)
        return x


class Checked:
    """A change of the user's own, whose result must be samples of the same shape.

    Args:
        change: The change.
        name: Its name, for messages.
    """

    def __init__(self, change: Augmentation, name: str) -> None:
        self.change, self.name = change, name

    def __call__(self, x: Tensor) -> Tensor:
        """Returns changed copies ``(B, F)`` of samples ``(B, F)``.

        Raises:
            InputError: The change returns something else.
        """
        changed: object = self.change(x)
        if not isinstance(changed, Tensor) or changed.shape != x.shape:
            shape = getattr(changed, "shape", None)
            what = type(changed).__name__ if shape is None else f"shape {tuple(shape)}"
            raise InputError(
                f"augmentation.change={self.name} must return a tensor of shape {tuple(x.shape)}, "
                f"that of its argument, but returned {what}"
            )
        return changed


class RandomAffine:
    """Rotates, scales, shears and shifts each image by random amounts of its own.

    torchvision's transform of that name draws one set of amounts for a whole batch. That of kornia
    draws one for each image, but with other random numbers, so that earlier runs could not be
    repeated or continued; it also takes longer, and draws on the CPU unless told otherwise.

    Args:
        shape: Channels, height and width of a sample.
        degrees: Largest angle of rotation in either direction.
        translate: Largest shift along either axis, as a fraction of that side.
        scale: Largest relative change of size.
        shear: Largest angle of the horizontal shear, in degrees.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        degrees: float,
        translate: float,
        scale: float,
        shear: float,
    ) -> None:
        self.shape = shape
        self.angle, self.shift = math.radians(degrees), translate
        self.scale, self.shear = scale, math.tan(math.radians(shear))
        grid = F.affine_grid(torch.eye(2, 3)[None], [1, *shape], align_corners=False)
        points = grid.flatten(0, 2).T
        # x, y and 1 of every pixel
        self.points = torch.cat([points, torch.ones(1, points.shape[1])])  # (3, pixels)

    def __call__(self, x: Tensor) -> Tensor:
        """Returns changed copies ``(B, F)`` of images ``(B, F)``.

        They are interpolated bilinearly; pixels from outside the image are zero.
        """
        _, height, width = self.shape
        draws = torch.rand(5, len(x), device=x.device) * 2 - 1
        angle, stretch, shear = draws[0] * self.angle, 1 + draws[1] * self.scale, draws[2]
        shear = shear * self.shear
        cos, sin = angle.cos() / stretch, angle.sin() / stretch
        # grid coordinates run from -1 to 1 along either side, whatever its length in pixels
        shift = 2 * self.shift * draws[3:]
        matrix = torch.stack(
            [
                torch.stack([cos, (shear * cos - sin) * height / width, shift[0]], dim=-1),
                torch.stack([sin * width / height, cos + shear * sin, shift[1]], dim=-1),
            ],
            dim=1,
        )  # (B, 2, 3)
        images = x.reshape(len(x), *self.shape)
        # affine_grid multiplies image by image, which takes longer than the interpolation
        self.points = self.points.to(x.device)
        grid = (matrix.flatten(0, 1) @ self.points).view(len(x), 2, height, width)
        grid = grid.permute(0, 2, 3, 1)
        return F.grid_sample(images, grid, align_corners=False).flatten(1)
