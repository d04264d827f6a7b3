"""Which anchor has which box, against torchvision's matcher and coder, picture by picture."""

import torch
from torchvision.models.detection._utils import BoxCoder, SSDMatcher
from torchvision.ops import box_iou

from greenkd.anchors import ANCHOR_GRIDS
from greenkd.tasks.detection.matching import Matcher

GRID = ANCHOR_GRIDS["digit_scenes"]
CPU = torch.device("cpu")


def scenes(count: int, places: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(count, places, 2, generator=generator) * 0.7
    boxes = torch.cat([corners, corners + 0.05 + 0.25 * torch.rand(count, places, 2, generator=generator)], dim=-1)
    labels = torch.randint(0, 10, (count, places), generator=generator)
    absent = torch.rand(count, places, generator=generator) < 0.3
    return boxes.masked_fill(absent.unsqueeze(-1), 0), labels.masked_fill(absent, -1)


def test_a_batch_is_matched_as_torchvision_matches_each_picture() -> None:
    boxes, labels = scenes(30, 4)
    ours = Matcher(GRID, CPU).match(boxes, labels)
    assert ours.offsets is not None

    coder, matcher, below = BoxCoder((10.0, 10.0, 5.0, 5.0)), SSDMatcher(0.5), 0
    for picture in range(30):
        true, classes = boxes[picture][labels[picture] >= 0], labels[picture][labels[picture] >= 0]
        if len(true) == 0:
            assert ours.labels[picture].sum() == 0
            continue
        overlaps = box_iou(true, GRID.corners)
        matched = matcher(overlaps)
        positive = matched >= 0
        assert torch.equal(ours.labels[picture], torch.where(positive, classes[matched.clamp(min=0)] + 1, 0))

        offsets = coder.encode_single(true[matched[positive]], GRID.corners[positive])
        torch.testing.assert_close(ours.offsets[picture][positive], offsets, rtol=1e-4, atol=1e-4)
        below += int((overlaps.max(dim=0).values[positive] < 0.5).sum())

    assert below > 5, "some boxes have their best anchor though it overlaps little"
    assert torch.all(ours.offsets[ours.labels == 0] == 0)


def test_a_picture_without_boxes_is_background() -> None:
    targets = Matcher(GRID, CPU).match(torch.zeros(2, 3, 4), torch.full((2, 3), -1))
    assert targets.labels.shape == (2, GRID.num_anchors)
    assert targets.labels.sum() == 0
    assert targets.offsets is not None
    assert torch.isfinite(targets.offsets).all()


def test_of_boxes_with_the_same_best_anchor_the_last_has_it() -> None:
    anchor = GRID.corners[100]
    boxes = torch.stack([anchor, anchor * torch.tensor([1, 1, 1.01, 1.01])]).unsqueeze(0)
    assert Matcher(GRID, CPU).match(boxes, torch.tensor([[3, 5]])).labels[0, 100] == 6
