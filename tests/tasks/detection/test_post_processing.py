"""Detections against torchvision's own post-processing, picture by picture."""

import pytest
import torch
from torchvision.models.detection import ssd as torchvision_ssd
from torchvision.models.detection._utils import BoxCoder

from greenkd.anchors import ANCHOR_GRIDS
from greenkd.tasks.detection.post_processing import MOST_DETECTIONS, detect, join

CLASSES = 4


def outputs(anchors: int, pictures: int, spread: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    said = torch.randn(pictures, anchors, CLASSES + 1 + 4, generator=generator)
    return said * torch.tensor([spread] * (CLASSES + 1) + [1.0] * 4)


@pytest.mark.parametrize(("preset", "spread"), [("digit_scenes", 2.0), ("ssdlite300", 2.0)])
def test_detections_are_torchvisions(preset: str, spread: float) -> None:
    grid, pictures = ANCHOR_GRIDS[preset], 3
    said = outputs(grid.num_anchors, pictures, spread)
    found = detect(said, grid.boxes)

    theirs = torchvision_ssd.SSD.__new__(torchvision_ssd.SSD)
    torch.nn.Module.__init__(theirs)
    theirs.box_coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
    theirs.score_thresh, theirs.nms_thresh = 0.01, 0.45
    theirs.topk_candidates, theirs.detections_per_img = 400, 200
    heads = {"cls_logits": said[..., : CLASSES + 1], "bbox_regression": said[..., CLASSES + 1 :]}
    expected = theirs.postprocess_detections(heads, [grid.corners] * pictures, [(1, 1)] * pictures)

    for picture, one in enumerate(expected):
        rows = found.images == picture
        torch.testing.assert_close(found.scores[rows], one["scores"])
        assert torch.equal(found.labels[rows] + 1, one["labels"])
        torch.testing.assert_close(found.boxes[rows], one["boxes"], rtol=1e-4, atol=1e-5)
    assert torch.bincount(found.images).max() == MOST_DETECTIONS, "the limit is reached"


def test_a_picture_may_have_no_detection() -> None:
    grid = ANCHOR_GRIDS["digit_scenes"]
    said = torch.zeros(2, grid.num_anchors, CLASSES + 5)
    said[..., 0] = 20.0  # the background
    said[1, 7, 3] = 40.0
    found = detect(said, grid.boxes)
    assert (found.images.tolist(), found.labels.tolist()) == ([1], [2])
    assert len(detect(said[:1], grid.boxes).scores) == 0


def test_batches_are_put_together() -> None:
    grid = ANCHOR_GRIDS["digit_scenes"]
    said = outputs(grid.num_anchors, 5, 3.0)
    whole = detect(said, grid.boxes)
    parts = join([detect(said[:2], grid.boxes), detect(said[2:], grid.boxes)], [2, 3])
    for one, other in zip(whole, parts, strict=True):
        torch.testing.assert_close(one, other)
