"""Scenes of digits: what is in a box, that boxes do not touch, and that the two parts share no digit."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from greenkd.anchors import ANCHOR_GRIDS, iou
from greenkd.data import DetectionDataset, load_digit_scenes, load_digits
from greenkd.data.digit_scenes import enlarge
from greenkd.errors import ConfigError

GRID = ANCHOR_GRIDS["digit_scenes"]


@pytest.fixture(scope="module")
def scenes() -> DetectionDataset:
    return load_digit_scenes(anchors=GRID, train_scenes=60, test_scenes=30)


def test_scenes_have_one_to_three_digits_that_do_not_touch(scenes: DetectionDataset) -> None:
    present = scenes.train.labels >= 0
    assert set(present.sum(dim=1).tolist()) == {1, 2, 3}
    overlaps = iou(scenes.train.boxes, scenes.train.boxes)
    assert (overlaps - torch.diag_embed(present.float())).abs().max() == 0

    sides = (scenes.train.boxes[..., 2:] - scenes.train.boxes[..., :2])[present]
    assert torch.equal(sides[:, 0], sides[:, 1])
    assert (sides.min(), sides.max()) == (10, 20)


def test_boxes_hold_ink_and_the_canvas_none(scenes: DetectionDataset) -> None:
    for image, boxes, labels in zip(scenes.train.images, scenes.train.boxes.int(), scenes.train.labels, strict=True):
        outside = torch.ones(48, 48, dtype=torch.bool)
        for (left, top, right, bottom), label in zip(boxes.tolist(), labels.tolist(), strict=True):
            if label >= 0:
                assert image[0, top:bottom, left:right].max() > 150
                outside[top:bottom, left:right] = False
        assert image[0][outside].max() < 96


@pytest.mark.parametrize("side", [10, 13, 20])
def test_digits_are_enlarged_bilinearly(side: int) -> None:
    digit = load_digits().train.images[7]
    expected = F.interpolate(digit[None].double(), size=side, mode="bilinear")[0, 0].numpy()
    assert np.abs(enlarge(digit[0].numpy(), side) - expected).max() <= 2  # weights are multiples of 1/256


def test_the_same_arguments_make_the_same_bytes_and_another_seed_others(scenes: DetectionDataset) -> None:
    again = load_digit_scenes(anchors=GRID, train_scenes=60, test_scenes=30)
    other = load_digit_scenes(anchors=GRID, train_scenes=60, test_scenes=30, seed=1)
    assert again.fingerprint == scenes.fingerprint != other.fingerprint


def test_training_and_test_scenes_show_different_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    from greenkd.data import digit_scenes

    taken = []
    part = digit_scenes._part
    monkeypatch.setattr(digit_scenes, "_part", lambda digits, *rest: taken.append(digits) or part(digits, *rest))
    load_digit_scenes(anchors=GRID, train_scenes=20, test_scenes=20)
    digits = load_digits()
    assert torch.equal(taken[0].images, digits.train.images)
    assert torch.equal(taken[1].images, digits.test.images)


def test_anchors_of_another_size_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"dataset\.anchors=ssd300: .* 300 pixels, and these have 48"):
        load_digit_scenes(anchors=ANCHOR_GRIDS["ssd300"])
