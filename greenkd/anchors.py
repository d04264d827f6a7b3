"""Anchors of single-shot detectors: fixed boxes that a network labels and moves. A data set gives one set to all.

Teacher and student that share their anchors speak about the same boxes in the same order, so that one can be distilled
into the other anchor by anchor.
"""

import dataclasses
import functools
import math

import torch
from torch import Tensor

# What offsets are divided by: 0.1 for centres, 0.2 for logarithms of sizes, as in SSD and R-CNN.
_VARIANCES = (0.1, 0.1, 0.2, 0.2)
# A predicted box is at most so many times as large as its anchor; torchvision's bound.
_MAX_LOG_RATIO = math.log(1000 / 16)


@dataclasses.dataclass(frozen=True)
class AnchorGrid:
    """Anchors that lie on the cells of some square feature maps.

    On map k with scales s_k and s_{k+1}, every cell has a square of side s_k, a square of side √(s_k·s_{k+1}), and for
    every ratio r the boxes s_k·√r × s_k/√r and s_k/√r × s_k·√r (width × height). Sides are cut at 1; centres lie
    (column + ½)·step/image_size from the left, and likewise from the top.

    Attributes:
        name: The preset's name, as `dataset.anchors` gives it.
        image_size: Height and width of the pictures, in pixels.
        map_sizes: Height and width of every feature map, in cells.
        ratios: Aspect ratios above 1 of every map.
        scales: Side of the smaller square on every map, and one more number for the last map's larger square; in units
            of the picture's side.
        steps: Pixels between two cells of every map; image_size/map_size where empty.

    Source: Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, section 2.2.
    """

    name: str
    image_size: int
    map_sizes: tuple[int, ...]
    ratios: tuple[tuple[int, ...], ...]
    scales: tuple[float, ...]
    steps: tuple[int, ...] = ()

    @property
    def per_location(self) -> tuple[int, ...]:
        """Anchors on every cell, map by map."""
        return tuple(2 + 2 * len(ratios) for ratios in self.ratios)

    @property
    def num_anchors(self) -> int:
        """All anchors, A."""
        return sum(size * size * count for size, count in zip(self.map_sizes, self.per_location, strict=True))

    @functools.cached_property
    def boxes(self) -> Tensor:
        """Centre x, centre y, width, height, float32 [A, 4] on the CPU, in units of the picture's side.

        The order is map by map, row by row, column by column, anchor by anchor, as torchvision's heads return it.
        """
        maps = []
        for number, size in enumerate(self.map_sizes):
            step = self.steps[number] if self.steps else self.image_size / size
            centres = (torch.arange(size, dtype=torch.float64) + 0.5) * step / self.image_size
            rows, columns = torch.meshgrid(centres, centres, indexing="ij")
            places = torch.stack([columns, rows], dim=-1).reshape(-1, 1, 2)

            sides = torch.tensor(self._sides(number), dtype=torch.float64).clamp(max=1)
            cells, anchors = len(places), len(sides)
            boxes = torch.cat([places.expand(cells, anchors, 2), sides.expand(cells, anchors, 2)], dim=-1)
            maps.append(boxes.reshape(-1, 4))

        return torch.cat(maps).float()

    @functools.cached_property
    def corners(self) -> Tensor:
        """Left, top, right, bottom of the same boxes, float32 [A, 4]."""
        return to_corners(self.boxes)

    def _sides(self, number: int) -> list[tuple[float, float]]:
        """Returns width and height of every anchor of a map's cell."""
        scale, following = self.scales[number], self.scales[number + 1]
        larger = math.sqrt(scale * following)

        sides = [(scale, scale), (larger, larger)]
        for ratio in self.ratios[number]:
            long, short = scale * math.sqrt(ratio), scale / math.sqrt(ratio)
            sides += [(long, short), (short, long)]
        return sides


def _evenly_spaced(low: float, high: float, maps: int) -> tuple[float, ...]:
    """Returns the scales of torchvision's generator where none are given: even steps, and 1 for the last square."""
    return (*(low + (high - low) * number / (maps - 1) for number in range(maps)), 1.0)


_PRESETS = (
    # MobileNetV2-SSDLite of qfgaohao/pytorch-ssd, and the teacher of ODKD that is fitted to it: 3000
    AnchorGrid(
        name="ssdlite300",
        image_size=300,
        map_sizes=(19, 10, 5, 3, 2, 1),
        ratios=((2, 3),) * 6,
        scales=(0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 1.1),
        steps=(16, 32, 64, 100, 150, 300),
    ),
    # SSD300 of the paper, with its scales for VOC: 8732
    AnchorGrid(
        name="ssd300",
        image_size=300,
        map_sizes=(38, 19, 10, 5, 3, 1),
        ratios=((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
        scales=(0.1, 0.2, 0.37, 0.54, 0.71, 0.88, 1.05),
        steps=(8, 16, 32, 64, 100, 300),
    ),
    # torchvision's ssdlite320_mobilenet_v3_large: 3234
    AnchorGrid(
        name="ssdlite320",
        image_size=320,
        map_sizes=(20, 10, 5, 3, 2, 1),
        ratios=((2, 3),) * 6,
        scales=_evenly_spaced(0.2, 0.95, 6),
    ),
    # Pictures of 48 × 48 pixels with digits of 10 to 20: 360 squares
    AnchorGrid(
        name="digit_scenes",
        image_size=48,
        map_sizes=(12, 6),
        ratios=((), ()),
        scales=(0.28, 0.42, 0.5),
    ),
)

ANCHOR_GRIDS: dict[str, AnchorGrid] = {grid.name: grid for grid in _PRESETS}
"""The presets that `dataset.anchors` may name."""


def to_corners(boxes: Tensor) -> Tensor:
    """Turns boxes [..., 4] given by centre, width and height into left, top, right, bottom."""
    half = boxes[..., 2:] / 2
    return torch.cat([boxes[..., :2] - half, boxes[..., :2] + half], dim=-1)


def to_centres(boxes: Tensor) -> Tensor:
    """Turns boxes [..., 4] given by left, top, right, bottom into centre, width and height."""
    sides = boxes[..., 2:] - boxes[..., :2]
    return torch.cat([boxes[..., :2] + sides / 2, sides], dim=-1)


def encode_boxes(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Returns the offsets that take anchors to boxes: what a network is to predict.

    Offsets are (box centre − anchor centre)/(0.1·anchor side) and ln(box side/anchor side)/0.2.

    Args:
        boxes: [..., A, 4], left, top, right, bottom, of an area above 0.
        anchors: [A, 4], centre x, centre y, width, height, in the same unit.

    Returns:
        [..., A, 4].
    """
    targets = to_centres(boxes)
    centres = (targets[..., :2] - anchors[:, :2]) / anchors[:, 2:]
    sides = (targets[..., 2:] / anchors[:, 2:]).log()
    return torch.cat([centres, sides], dim=-1) / anchors.new_tensor(_VARIANCES)


def decode_boxes(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Returns the boxes that predicted offsets stand for; the inverse of `encode_boxes`.

    Args:
        offsets: [..., A, 4].
        anchors: [A, 4], centre x, centre y, width, height.

    Returns:
        [..., A, 4], left, top, right, bottom, in the unit of the anchors; they may lie outside the picture.
    """
    scaled = offsets * anchors.new_tensor(_VARIANCES)
    centres = anchors[:, :2] + scaled[..., :2] * anchors[:, 2:]
    sides = scaled[..., 2:].clamp(max=_MAX_LOG_RATIO).exp() * anchors[:, 2:]
    return to_corners(torch.cat([centres, sides], dim=-1))


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Returns the intersection over union of every box with every other; 0 where both have no area.

    Args:
        first: [..., N, 4], left, top, right, bottom.
        second: [..., M, 4].

    Returns:
        [..., N, M].
    """
    corner = torch.maximum(first[..., :, None, :2], second[..., None, :, :2])
    opposite = torch.minimum(first[..., :, None, 2:], second[..., None, :, 2:])
    common = (opposite - corner).clamp(min=0).prod(dim=-1)

    union = area(first)[..., :, None] + area(second)[..., None, :] - common
    return torch.where(union > 0, common / union.clamp(min=torch.finfo(union.dtype).tiny), 0)


def area(boxes: Tensor) -> Tensor:
    """Returns the areas of boxes [..., 4] given by left, top, right, bottom, as [...]."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(dim=-1)
