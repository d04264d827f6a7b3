"""Random crop, flip and rotation of whole batches on the device, as functions of seed and epoch.

The order is that of the usual per-image pipeline (torchvision's RandomCrop with zero padding, RandomHorizontalFlip,
RandomRotation with nearest-neighbour interpolation). All three only move pixels, so they are one gather: where does
each output pixel come from? Its arithmetic is in integers, so every device shows the network the same bytes.
"""

import dataclasses
from typing import Annotated

import numpy as np
import pydantic
import torch
import torch.nn.functional as F
from pydantic import ConfigDict, Field
from torch import Tensor

from greenkd.streams import numpy_stream

_UNIT = 1 << 32  # cosines and sines are kept as integers in units of 2**-32


@dataclasses.dataclass(frozen=True, eq=False)
class Views:
    """What one epoch does to every training sample, by its position in the training split.

    Attributes:
        offsets: int64 [N, 2], row and column of the crop in the padded image, 0 … 2 · crop_padding.
        flips: bool [N], mirror left and right.
        rotations: int64 [N, 2], cosine and sine of the angle (counter-clockwise) in units of 2**-32.
    """

    offsets: Tensor
    flips: Tensor
    rotations: Tensor

    def to(self, device: torch.device | str) -> "Views":
        """Returns the same views on another device."""
        return Views(self.offsets.to(device), self.flips.to(device), self.rotations.to(device))


@pydantic.dataclasses.dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Augmentation:
    """Label-preserving changes of the training images. The default changes nothing.

    Attributes:
        crop_padding: Zero pixels added on every side before a crop of the original size is cut; 0: no crop.
        flip: Mirror left and right with probability one half.
        rotation_deg: Angles are uniform in ±rotation_deg; corners without a source are 0. Nearest neighbour, the
            default of PIL and torchvision and so of the original work; pixels equal those of `PIL.Image.rotate`.
    """

    crop_padding: Annotated[int, Field(ge=0)] = 0
    flip: bool = False
    rotation_deg: Annotated[float, Field(ge=0, le=180, allow_inf_nan=False)] = 0.0

    def draw(self, n: int, seed: int, epoch: int) -> Views:
        """Draws the views of all samples of one epoch, on the CPU, from the stream "augmentation".

        Every sample takes four numbers whatever is switched on, so adding a rotation leaves the crops as they were.

        Args:
            n: Number of training samples.
            seed: The campaign's seed.
            epoch: Zero-based.
        """
        uniform = numpy_stream(seed, "augmentation", epoch).random((n, 4))

        offsets = (uniform[:, :2] * (2 * self.crop_padding + 1)).astype(np.int64)
        flips = (uniform[:, 2] < 0.5) & self.flip
        angles = np.radians((2 * uniform[:, 3] - 1) * self.rotation_deg)
        rotations = np.rint(np.stack([np.cos(angles), np.sin(angles)], axis=1) * _UNIT).astype(np.int64)

        return Views(torch.from_numpy(offsets), torch.from_numpy(flips), torch.from_numpy(rotations))

    def apply(self, images: Tensor, views: Views, indices: Tensor) -> Tensor:
        """Returns the augmented pictures of one batch.

        Args:
            images: [N, C, H, W], the whole training split as bytes, on the device; or images in the making, through
                which a gradient flows.
            views: This epoch's views, on the same device.
            indices: int64 [B], positions in the training split, on the same device.

        Returns:
            [B, C, H, W] of the same type.
        """
        batch = images.index_select(0, indices)
        if not (self.crop_padding or self.flip or self.rotation_deg):
            return batch

        # Pixels are picked from the padded pictures, which are flattened so that one index names a row and a column.
        count, channels, height, width = batch.shape
        border = max(self.crop_padding, 1)  # at least 1: the corner pixel is the zero that rotation points to
        padded = F.pad(batch, (border, border, border, border)).view(count, channels, -1)

        # The way back from an output pixel to its source: turned, then mirrored, then moved by the crop.
        rows = torch.arange(height, device=batch.device).view(1, -1, 1)
        columns = torch.arange(width, device=batch.device).view(1, 1, -1)
        inside: Tensor | None = None  # [B, H, W]: is the source within the picture?
        if self.rotation_deg:
            rows, columns = _rotated(rows, columns, views.rotations.index_select(0, indices))
            inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)

        flips = views.flips.index_select(0, indices).view(-1, 1, 1)
        columns = torch.where(flips, width - 1 - columns, columns)

        top, left = (views.offsets.index_select(0, indices) + (border - self.crop_padding)).view(-1, 2, 1, 1).unbind(1)
        source = (rows + top) * (width + 2 * border) + (columns + left)
        if inside is not None:
            source = source.where(inside, 0)

        source = source.view(count, 1, -1).expand(-1, channels, -1)
        return padded.gather(2, source).view(count, channels, height, width)


def _rotated(rows: Tensor, columns: Tensor, rotations: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the source rows and columns, int64 [B, H, W] each, of pictures that are turned about their centres.

    The arithmetic is PIL's 16.16 fixed point; a source may lie outside the picture.

    With pixel centres at half coordinates, source x = cos·(x + ½ - w/2) - sin·(y + ½ - h/2) + w/2 for a turn that is
    counter-clockwise on the screen (y points down), and source y = sin·(x + …) + cos·(y + …) + h/2.
    """
    height, width = rows.numel(), columns.numel()
    cosine, sine = rotations.view(-1, 2, 1, 1).unbind(1)

    # The constant terms, in halves of the unit: x + ½ - w/2 at x = 0 is (1 - w)/2.
    start_x = cosine * (1 - width) - sine * (1 - height) + width * _UNIT
    start_y = sine * (1 - width) + cosine * (1 - height) + height * _UNIT

    # From 32 fractional bits to PIL's 16, rounded.
    start_x, start_y = (start_x + (1 << 16)) >> 17, (start_y + (1 << 16)) >> 17
    cosine, sine = (cosine + (1 << 15)) >> 16, (sine + (1 << 15)) >> 16

    return (start_y + sine * columns + cosine * rows) >> 16, (start_x + cosine * columns - sine * rows) >> 16
