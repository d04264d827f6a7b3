"""Views of images in the making, differentiable: what the teacher is shown of them."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_SMALLEST_AREA = 0.25
_LARGEST_RATIO = 4 / 3


def local_views(images: Tensor, *, flip: bool, random: torch.Generator) -> Tensor:
    """Returns a part of each image at full size: a quarter to all of its area, sides 3:4 to 4:3, anywhere.

    Args:
        images: [B, C, H, W].
        flip: Mirror each with probability one half.
        random: On the CPU.
    """
    count = len(images)
    uniform = torch.rand(count, 5, generator=random)

    # Width and height as shares of the image's sides
    area = _SMALLEST_AREA + (1 - _SMALLEST_AREA) * uniform[:, 0]
    ratio = torch.exp((2 * uniform[:, 1] - 1) * math.log(_LARGEST_RATIO))
    width, height = (area * ratio).sqrt().clamp(max=1), (area / ratio).sqrt().clamp(max=1)

    # In coordinates from -1 to 1: the part's centre may lie so far from the image's that the part stays inside.
    centre_x = (2 * uniform[:, 2] - 1) * (1 - width)
    centre_y = (2 * uniform[:, 3] - 1) * (1 - height)
    mirrored = torch.where(uniform[:, 4] < 0.5, -1.0, 1.0) if flip else torch.ones(count)

    zeros = torch.zeros(count)
    rows = torch.stack([mirrored * width, zeros, centre_x], dim=1), torch.stack([zeros, height, centre_y], dim=1)
    affine = torch.stack(rows, dim=1).to(images.device)
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def shifted(images: Tensor, *, flip: bool, random: torch.Generator) -> Tensor:
    """Rolls all images by one random offset of up to an eighth of a side, and mirrors all of them or none.

    Args:
        images: [B, C, H, W].
        flip: Whether they may be mirrored.
        random: On the CPU.
    """
    most = images.shape[-1] // 8
    down, right, mirrored = torch.rand(3, generator=random).tolist()
    offsets = [math.floor(draw * (2 * most + 1)) - most for draw in (down, right)]

    rolled = torch.roll(images, offsets, dims=(2, 3))
    return rolled.flip(3) if flip and mirrored < 0.5 else rolled
