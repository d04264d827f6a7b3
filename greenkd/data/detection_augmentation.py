"""Augmentation of pictures with boxes: colours, zoom-out, crop and flip of whole batches on the device.

Zoom-out, crop, flip and the resizing to what networks see only move pixels along the axes, so they are together one
map per picture, and the pictures are sampled once, bilinearly without antialiasing, as the training of SSD resizes. The
numbers are drawn on the CPU with the boxes at hand, as a function of seed and epoch; steps, ranges and order are those
of torchvision's presets `ssd` (all four) and `ssdlite` (crop and flip).

One thing is different: pictures are stored as squares, so a crop's ratio of sides (½ … 2) is that in the square.
"""

import dataclasses
from typing import Annotated, NamedTuple

import numpy as np
import pydantic
import torch
import torch.nn.functional as F
from pydantic import ConfigDict, Field
from torch import Tensor

from greenkd.data.colour import NUMBERS, Uniform, change_colours, draw_colours
from greenkd.data.detection import PADDING, DetectionImages
from greenkd.data.iou_crop import Whole, search_crops
from greenkd.streams import numpy_stream

Byte = Annotated[int, Field(ge=0, le=255)]

_ZOOM_PROBABILITY = 0.5
_LARGEST_CANVAS = 4.0  # times the picture's side
_GEOMETRY = 5  # uniform numbers that flip and zoom-out take
_LEAST_SIDE = 1.0  # pixels; what is left of a box is at least as large
_LUMINANCE = (0.299, 0.587, 0.114)


@dataclasses.dataclass(frozen=True, eq=False)
class DetectionViews:
    """What one epoch does to every training picture, by its position in the training split.

    Attributes:
        crops: int64 [N, 4], left, top, width, height of what is shown, in pixels of the stored picture; a picture that
            is zoomed out is shown with what lies around it.
        flips: bool [N], mirror left and right.
        factors: float32 [N, 5], changes of colour, see `change_colours`.
        orders: int64 [N, 3], the source of every colour channel.
    """

    crops: Tensor
    flips: Tensor
    factors: Tensor
    orders: Tensor

    def to(self, device: torch.device | str) -> "DetectionViews":
        """Returns the same views on another device."""
        tensors = (self.crops, self.flips, self.factors, self.orders)
        return DetectionViews(*(tensor.to(device) for tensor in tensors))


class MovedBoxes(NamedTuple):
    """The boxes of a batch's pictures as they are shown; places as in `DetectionImages`."""

    boxes: Tensor  # float32 [B, M, 4], left, top, right, bottom in pixels of the shown picture; 0 where there is no box
    labels: Tensor  # int64 [B, M], -1 where there is no box
    difficult: Tensor  # bool [B, M]


@pydantic.dataclasses.dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class DetectionAugmentation:
    """Changes of the training pictures that take their boxes along. The default changes nothing.

    Attributes:
        photometric: Brightness, contrast, saturation, hue and the order of channels, each with probability one half.
        zoom_out: With probability one half, the picture is put somewhere on a canvas of up to four times its side.
        iou_crop: A part of the picture that overlaps a box by a drawn share; boxes whose centre is outside are gone.
        flip: Mirror left and right with probability one half.
        fill: The canvas's colour, red, green, blue in bytes; grey pictures have its luminance. The default is
            ImageNet's mean, as SSD has it.
    """

    photometric: bool = False
    zoom_out: bool = False
    iou_crop: bool = False
    flip: bool = False
    fill: tuple[Byte, Byte, Byte] = (123, 117, 104)

    def draw(self, images: DetectionImages, seed: int, epoch: int) -> DetectionViews:
        """Draws the views of all pictures of one epoch, on the CPU, from the stream "augmentation".

        Every picture takes the same numbers whatever is switched on, so that changes of colour leave the crops as they
        were.

        Args:
            images: The training split, on any device.
            seed: The campaign's seed.
            epoch: Zero-based.
        """
        rng = numpy_stream(seed, "augmentation", epoch)
        uniform = rng.random((len(images), _GEOMETRY + NUMBERS))

        crops = self._crops(images, uniform[:, 1:_GEOMETRY], rng)
        flips = (uniform[:, 0] < 0.5) & self.flip
        colours = uniform[:, _GEOMETRY:] if self.photometric else np.ones((len(images), NUMBERS))
        factors, orders = draw_colours(colours)

        return DetectionViews(torch.from_numpy(crops), torch.from_numpy(flips), factors, orders)

    def _crops(self, images: DetectionImages, uniform: Uniform, rng: np.random.Generator) -> Whole:
        """Draws the canvas and what is cut from it, in pixels of the stored picture."""
        ratios = np.where(uniform[:, 0] < _ZOOM_PROBABILITY, 1 + (_LARGEST_CANVAS - 1) * uniform[:, 1], 1)
        sides = (images.size * (ratios if self.zoom_out else np.ones(len(images)))).astype(np.int64)
        corners = ((sides[:, None] - images.size) * uniform[:, 2:]).astype(np.int64)  # of the picture on its canvas

        crops = np.concatenate([np.zeros_like(corners), sides[:, None], sides[:, None]], axis=1)
        if self.iou_crop:
            boxes = images.boxes.cpu().double().numpy() + np.tile(corners, 2)[:, None].astype(np.float64)
            crops = search_crops(rng, boxes, (images.labels != PADDING).cpu().numpy(), sides)

        crops[:, :2] -= corners
        return crops

    def apply(self, images: Tensor, views: DetectionViews, indices: Tensor, size: int) -> Tensor:
        """Returns the pictures of one batch as networks see them.

        Args:
            images: uint8 [N, C, S, S], the whole training split, on the device.
            views: This epoch's views, on the same device.
            indices: int64 [B], positions in the training split, on the same device.
            size: Pixels per side of what networks see.

        Returns:
            uint8 [B, C, size, size].
        """
        batch = images.index_select(0, indices)
        moved = self.zoom_out or self.iou_crop or self.flip
        if not self.photometric and not moved:
            return resize(batch, size)

        pictures = batch.float() / 255
        if self.photometric:
            pictures = change_colours(pictures, views.factors[indices], views.orders[indices])
        if moved or size != batch.shape[2]:
            pictures = _sample(pictures, views.crops[indices], views.flips[indices], size, self._fill(batch))
        return _to_bytes(pictures)

    def move_boxes(self, images: DetectionImages, views: DetectionViews, indices: Tensor, size: int) -> MovedBoxes:
        """Returns the boxes of the pictures that `apply` returns for the same arguments, all on one device.

        A box stays if its centre is in the crop and at least one pixel is left of either side; it is cut to the crop.
        """
        crops = views.crops[indices].unsqueeze(1).float()
        corner, sides = crops[..., :2], crops[..., 2:]
        boxes, labels = images.boxes[indices], images.labels[indices]

        centres = (boxes[..., :2] + boxes[..., 2:]) / 2
        inside = ((corner < centres) & (centres < corner + sides)).all(dim=2)

        # Flipped first, in shares of the crop: left is then 1 minus what was right.
        shares = (boxes - corner.repeat(1, 1, 2)) / sides.repeat(1, 1, 2)
        left, top, right, bottom = shares.clamp(0, 1).unbind(2)
        flips = views.flips[indices].unsqueeze(1)
        left, right = torch.where(flips, 1 - right, left), torch.where(flips, 1 - left, right)
        moved = torch.stack([left, top, right, bottom], dim=2) * size

        large = (moved[..., 2:] - moved[..., :2] >= _LEAST_SIDE).all(dim=2)
        kept = inside & large & (labels != PADDING)
        return MovedBoxes(
            moved.where(kept.unsqueeze(2), 0), labels.where(kept, PADDING), images.difficult[indices] & kept
        )

    def _fill(self, batch: Tensor) -> Tensor:
        """Returns the canvas's colour in 0 … 1, [C, 1, 1]."""
        colour = torch.tensor(self.fill, dtype=torch.float32, device=batch.device)
        if batch.shape[1] == 1:
            colour = (colour * colour.new_tensor(_LUMINANCE)).sum(dim=0, keepdim=True)
        return colour.view(-1, 1, 1) / 255


def resize(pictures: Tensor, size: int) -> Tensor:
    """Resizes pictures, uint8 [B, C, H, W], to squares of a side (pixels), bilinearly as training does."""
    if tuple(pictures.shape[2:]) == (size, size):
        return pictures
    return _to_bytes(F.interpolate(pictures.float() / 255, size=size, mode="bilinear"))


def _sample(pictures: Tensor, crops: Tensor, flips: Tensor, size: int, fill: Tensor) -> Tensor:
    """Shows the crop of every picture at one size.

    Args:
        pictures: float32 [B, C, S, S].
        crops: int64 [B, 4], left, top, width, height in pixels.
        flips: bool [B].
        size: Pixels per side of the result.
        fill: [C, 1, 1], what lies around a picture.
    """
    left, top, width, height = crops.float().unsqueeze(2).unbind(1)

    # Where every output pixel's centre comes from. At a crop's edge it is the outermost pixel: what lies beyond was cut
    # off before the crop is enlarged.
    steps = (torch.arange(size, device=pictures.device) + 0.5) / size
    columns = torch.where(flips.unsqueeze(1), steps.flip(0), steps) * width
    columns = left + torch.minimum(columns.clamp(min=0.5), width - 0.5)
    rows = top + torch.minimum((steps * height).clamp(min=0.5), height - 0.5)

    # grid_sample's units: -1 and 1 are the outer edges of the picture. It surrounds pictures by 0, so fill is made 0.
    across, down = (2 * places / pictures.shape[2] - 1 for places in (columns, rows))
    grid = torch.stack([across.unsqueeze(1).expand(-1, size, -1), down.unsqueeze(2).expand(-1, -1, size)], dim=3)
    return F.grid_sample(pictures - fill, grid, mode="bilinear", padding_mode="zeros", align_corners=False) + fill


def _to_bytes(pictures: Tensor) -> Tensor:
    """Turns pictures in 0 … 1 into bytes."""
    return (pictures * 255).round_().clamp_(0, 255).to(torch.uint8)
