"""What a data set of boxes refuses, and what its fingerprint depends on."""

import dataclasses

import pytest
import torch

from greenkd.anchors import ANCHOR_GRIDS
from greenkd.data import DetectionDataset, DetectionImages
from greenkd.errors import DataError

GRID = ANCHOR_GRIDS["digit_scenes"]


def pictures(**changes: torch.Tensor) -> DetectionImages:
    """Two pictures of 48 × 48 pixels: one with a box of class 0 and one of class 1, the other empty."""
    fields = {
        "images": torch.zeros(2, 1, 48, 48, dtype=torch.uint8),
        "boxes": torch.tensor([[[1.0, 2, 11, 12], [20, 20, 48, 48]], [[0, 0, 0, 0], [0, 0, 0, 0]]]),
        "labels": torch.tensor([[0, 1], [-1, -1]]),
        "difficult": torch.zeros(2, 2, dtype=torch.bool),
    }
    return DetectionImages(**(fields | changes))


def dataset(train: DetectionImages, names: tuple[str, ...] = ("a", "b")) -> DetectionDataset:
    return DetectionDataset(train, pictures(), names, GRID)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": torch.zeros(2, 1, 48, 40, dtype=torch.uint8)}, r"\[N, C, S, S\]"),
        ({"labels": torch.tensor([0, 1])}, "labels are"),
        ({"boxes": torch.zeros(2, 2, 4, dtype=torch.float64)}, "boxes are torch.float64"),
        ({"boxes": pictures().boxes + 1}, "outside of 0 … 48"),
        ({"boxes": pictures().boxes[..., [0, 1, 0, 3]]}, "has no area"),
    ],
)
def test_pictures_that_are_none_are_refused(changes: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(DataError, match=message):
        pictures(**changes)


def test_a_class_without_a_box_and_a_label_without_a_name_are_refused() -> None:
    with pytest.raises(DataError, match="no box of class 'c' \\(1 of 3"):
        dataset(pictures(), ("a", "b", "c"))
    with pytest.raises(DataError, match="labels run from -1 to 1, but there are 1"):
        dataset(pictures(), ("a",))


def test_networks_see_the_size_of_the_anchors() -> None:
    stored = pictures(images=torch.zeros(2, 1, 96, 96, dtype=torch.uint8))
    one = DetectionDataset(stored, stored, ("a", "b"), GRID)
    assert (one.num_classes, one.in_channels, one.image_size, stored.size) == (2, 1, 48, 96)


def test_the_fingerprint_depends_on_boxes_marks_and_anchors() -> None:
    base = dataset(pictures())
    moved = dataset(pictures(boxes=pictures().boxes * 0.5))
    marked = dataset(pictures(difficult=torch.tensor([[True, False], [False, False]])))
    other = DetectionDataset(pictures(), pictures(), ("a", "b"), dataclasses.replace(GRID, scales=(0.2, 0.4, 0.5)))

    assert dataset(pictures()).fingerprint == base.fingerprint
    assert len({one.fingerprint for one in (base, moved, marked, other)}) == 4


def test_a_subset_keeps_boxes_with_their_pictures() -> None:
    (part,) = [pictures().subset(torch.tensor([1]))]
    assert len(part) == 1
    assert part.labels.tolist() == [[-1, -1]]
