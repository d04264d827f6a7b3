"""Anchors against torchvision's generator; offsets and overlaps against torchvision's coder and `box_iou`."""

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.ops import box_convert, box_iou

from greenkd.anchors import ANCHOR_GRIDS, decode_boxes, encode_boxes, iou, to_centres, to_corners


def random_boxes(*shape: int, seed: int = 0) -> torch.Tensor:
    corners = torch.rand(*shape, 2, 2, generator=torch.Generator().manual_seed(seed)).sort(dim=-2).values
    return corners.flatten(-2) + torch.tensor([0, 0, 1e-3, 1e-3])


@pytest.mark.parametrize(
    ("name", "count"), [("ssdlite300", 3000), ("ssd300", 8732), ("ssdlite320", 3234), ("digit_scenes", 360)]
)
def test_anchors_are_those_of_torchvision_in_its_order(name: str, count: int) -> None:
    grid = ANCHOR_GRIDS[name]
    if name == "ssdlite320":  # as torchvision builds ssdlite320_mobilenet_v3_large
        generator = DefaultBoxGenerator([[2, 3]] * 6, min_ratio=0.2, max_ratio=0.95)
    else:
        steps = list(grid.steps) or None
        generator = DefaultBoxGenerator([list(r) for r in grid.ratios], scales=list(grid.scales), steps=steps)

    sizes = [[size, size] for size in grid.map_sizes]
    expected = generator._grid_default_boxes(sizes, [grid.image_size] * 2)

    assert grid.num_anchors == count == len(grid.boxes)
    assert list(grid.per_location) == generator.num_anchors_per_location()
    torch.testing.assert_close(grid.boxes, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(grid.corners, box_convert(expected, "cxcywh", "xyxy"), rtol=0, atol=1e-6)


def test_offsets_are_those_of_torchvision_and_lead_back() -> None:
    anchors = ANCHOR_GRIDS["digit_scenes"].boxes
    boxes = random_boxes(len(anchors)).clamp(max=1) + torch.tensor([0, 0, 1e-2, 1e-2])
    coder = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))

    offsets = encode_boxes(boxes, anchors)
    expected = coder.encode_single(boxes, box_convert(anchors, "cxcywh", "xyxy"))
    torch.testing.assert_close(offsets, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(decode_boxes(offsets, anchors), boxes, rtol=1e-4, atol=1e-5)

    wild = torch.randn(len(anchors), 4, generator=torch.Generator().manual_seed(1)) * 30
    expected = coder.decode_single(wild, box_convert(anchors, "cxcywh", "xyxy"))
    torch.testing.assert_close(decode_boxes(wild, anchors), expected, rtol=1e-4, atol=1e-4)


def test_overlap_is_that_of_torchvision_and_0_without_area() -> None:
    first, second = random_boxes(2, 7), random_boxes(2, 5, seed=1)
    overlaps = iou(first, second)

    assert overlaps.shape == (2, 7, 5)
    for batch in range(2):
        torch.testing.assert_close(overlaps[batch], box_iou(first[batch], second[batch]))
    assert iou(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


def test_centres_and_corners_lead_back() -> None:
    boxes = random_boxes(9)
    torch.testing.assert_close(to_corners(to_centres(boxes)), boxes)
