"""Against torchvision's v2 kernels, picture by picture, with the drawn parameters; boxes against drawn rectangles."""

import numpy as np
import pytest
import torch
from torchvision import tv_tensors
from torchvision.ops import box_iou
from torchvision.transforms.v2 import RandomIoUCrop
from torchvision.transforms.v2 import functional as reference

from greenkd.components import build
from greenkd.data import DetectionAugmentation, DetectionImages, DetectionViews, iou_crop
from greenkd.data.detection_augmentation import resize
from greenkd.errors import ConfigError

FILL = [123, 117, 104]
ALL = DetectionAugmentation(photometric=True, zoom_out=True, iou_crop=True, flip=True)
GEOMETRIC = DetectionAugmentation(zoom_out=True, iou_crop=True, flip=True)


def scenes(count: int, side: int = 60, channels: int = 3, places: int = 4, seed: int = 0) -> DetectionImages:
    """Smooth pictures with 0 to `places` boxes."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.integers(0, 256, (count, channels, 7, 7), dtype=np.uint8)).float()
    images = torch.nn.functional.interpolate(coarse, size=side, mode="bicubic").clamp(0, 255).to(torch.uint8)
    corners = rng.uniform(0, 0.7 * side, (count, places, 2))
    sides = np.minimum(rng.uniform(4, 0.6 * side, (count, places, 2)), side - corners)
    labels = rng.integers(0, 5, (count, places))
    labels[np.arange(places) >= rng.integers(0, places + 1, count)[:, None]] = -1
    boxes = np.where(labels[..., None] < 0, 0, np.concatenate([corners, corners + sides], axis=2))
    return DetectionImages(
        images,
        torch.from_numpy(boxes.astype(np.float32)),
        torch.from_numpy(labels),
        torch.from_numpy((rng.random((count, places)) < 0.3) & (labels >= 0)),
    )


def colour_per_picture(picture: torch.Tensor, views: DetectionViews, index: int) -> torch.Tensor:
    """The photometric steps of v2.RandomPhotometricDistort, on one picture of floats."""
    brightness, before, saturation, hue, after = views.factors[index].tolist()
    picture = reference.adjust_brightness(picture, brightness)
    picture = reference.adjust_contrast(picture, before)
    picture = reference.adjust_saturation(picture, saturation)
    picture = reference.adjust_hue(picture, hue)
    picture = reference.adjust_contrast(picture, after)
    return reference.permute_channels(picture, views.orders[index].tolist())


def shown_per_picture(
    picture: torch.Tensor, boxes: torch.Tensor, views: DetectionViews, index: int, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pads, crops, mirrors and resizes one picture of floats and its boxes with torchvision's kernels."""
    side = picture.shape[-1]
    left, top, width, height = views.crops[index].tolist()
    # The canvas: as much on every side as the crop reaches over.
    padding = [max(0, -left), max(0, -top), max(0, left + width - side), max(0, top + height - side)]
    boxes = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(side, side))
    fill = FILL if picture.shape[0] == 3 else [0.299 * 123 + 0.587 * 117 + 0.114 * 104]
    place = (top + padding[1], left + padding[0], height, width)
    pair = []
    for item in (picture, boxes):
        moved = reference.pad(item, padding, fill=[value / 255 for value in fill])
        moved = reference.crop(moved, *place)
        if views.flips[index]:
            moved = reference.horizontal_flip(moved)
        pair.append(reference.resize(moved, [size, size], antialias=False))
    return pair[0], pair[1].as_subclass(torch.Tensor)


@pytest.mark.parametrize(
    ("augmentation", "channels"), [(ALL, 3), (GEOMETRIC, 1), (DetectionAugmentation(flip=True), 3)]
)
@pytest.mark.parametrize("size", [60, 41, 75])
def test_equals_torchvisions_kernels(augmentation: DetectionAugmentation, channels: int, size: int) -> None:
    images = scenes(60, channels=channels)
    views = augmentation.draw(images, seed=1, epoch=2)
    indices = torch.randperm(60)[:50]
    shown = augmentation.apply(images.images, views, indices, size)
    moved = augmentation.move_boxes(images, views, indices, size)
    assert shown.dtype == torch.uint8

    for row, index in enumerate(indices.tolist()):
        picture = images.images[index].float() / 255
        if augmentation.photometric:
            picture = colour_per_picture(picture, views, index)
        picture, boxes = shown_per_picture(picture, images.boxes[index], views, index, size)
        # Half a level by rounding to bytes, and a little for float32.
        assert (shown[row].float() - picture * 255).abs().max() < 0.51 + 0.02

        kept = moved.labels[row] >= 0
        assert torch.allclose(moved.boxes[row][kept], boxes[kept], atol=1e-3)
        assert not moved.boxes[row][~kept].any()
        assert not moved.difficult[row][~kept].any()
        assert torch.equal(moved.difficult[row][kept], images.difficult[index][kept])
        assert torch.equal(moved.labels[row][kept], images.labels[index][kept])

        # The rule of v2.RandomIoUCrop and of v2.SanitizeBoundingBoxes.
        left, top, width, height = views.crops[index].tolist()
        centres = (images.boxes[index, :, :2] + images.boxes[index, :, 2:]) / 2
        within = (centres > torch.tensor([left, top])) & (centres < torch.tensor([left + width, top + height]))
        large = (boxes[:, 2:] - boxes[:, :2] >= 1).all(dim=1)
        assert torch.equal(kept, within.all(dim=1) & large & (images.labels[index] >= 0))


@pytest.mark.parametrize("name", ["photometric", "zoom_out", "iou_crop", "flip"])
def test_boxes_go_through_every_augmentation_and_back(name: str) -> None:
    images = scenes(80)
    augmentation = DetectionAugmentation(**{name: True})
    views, everything = augmentation.draw(images, 0, 0), torch.arange(80)
    moved = augmentation.move_boxes(images, views, everything, 90)

    corner, sides = views.crops[:, None, :2], views.crops[:, None, 2:]
    back = moved.boxes / 90
    mirrored = torch.stack([1 - back[..., 2], back[..., 1], 1 - back[..., 0], back[..., 3]], dim=2)
    back = torch.where(views.flips.view(-1, 1, 1), mirrored, back)
    back = torch.cat([back[..., :2] * sides + corner, back[..., 2:] * sides + corner], dim=2)

    # What the crop shows of every box comes back.
    shown = torch.cat(
        [
            torch.maximum(images.boxes[..., :2], corner.float()),
            torch.minimum(images.boxes[..., 2:], (corner + sides).float()),
        ],
        dim=2,
    )
    kept = moved.labels >= 0
    assert torch.allclose(back[kept], shown[kept], atol=1e-3)
    assert kept.sum() > 100
    if name != "iou_crop":
        assert torch.equal(kept, images.labels >= 0)


def test_a_box_stays_around_what_it_was_around() -> None:
    """A white rectangle on black, found again by its pixels."""
    rng = np.random.default_rng(3)
    pictures, boxes = torch.zeros(40, 3, 64, 64, dtype=torch.uint8), torch.zeros(40, 1, 4)
    for row in range(40):
        left, top = rng.integers(2, 30, 2)
        right, bottom = left + rng.integers(12, 30), top + rng.integers(12, 30)
        pictures[row, :, top:bottom, left:right] = 255
        boxes[row, 0] = torch.tensor([left, top, right, bottom])
    images = DetectionImages(pictures, boxes, torch.zeros(40, 1, dtype=torch.int64), torch.zeros(40, 1).bool())
    augmentation = DetectionAugmentation(zoom_out=True, iou_crop=True, flip=True, fill=(0, 0, 0))

    for epoch in range(3):
        views, everything = augmentation.draw(images, 5, epoch), torch.arange(40)
        shown = augmentation.apply(images.images, views, everything, 96)
        moved = augmentation.move_boxes(images, views, everything, 96)
        assert (moved.labels == 0).all()  # the only box of a picture is never cropped away
        for row in range(40):
            rows, columns = (shown[row, 0] > 127).nonzero().unbind(1)
            found = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            assert (found - moved.boxes[row, 0]).abs().max() <= 1


def test_crops_keep_the_rules_of_the_source_and_are_spread_as_its_are() -> None:
    images = scenes(250, side=100)
    views = DetectionAugmentation(iou_crop=True).draw(images, 0, 0)
    present = images.labels >= 0
    whole = (views.crops == torch.tensor([0, 0, 100, 100])).all(dim=1)
    assert whole[~present.any(dim=1)].all()

    torch.manual_seed(0)
    source = RandomIoUCrop()
    ours, theirs = [], []
    for row in present.any(dim=1).nonzero().squeeze(1).tolist():
        left, top, width, height = views.crops[row].tolist()
        boxes = images.boxes[row][present[row]]
        ours.append(described(boxes, left, top, width, height))
        assert 0 <= left <= 100 - width
        assert 0 <= top <= 100 - height
        assert min(width, height) >= 30
        assert 0.5 <= width / height <= 2
        assert ours[-1][0] > 0  # a centre is inside

        drawn = source.make_params([tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(100, 100))])
        place = [int(drawn[key]) for key in ("left", "top", "width", "height")] if drawn else [0, 0, 100, 100]
        theirs.append(described(boxes, *place))

    # Centres inside, best overlap, area, left: means within five standard errors of the difference.
    a, b = np.array(ours), np.array(theirs)
    error = np.sqrt((a.var(0) + b.var(0)) / len(a))
    assert (np.abs(a.mean(0) - b.mean(0)) < 5 * error).all()
    assert abs((a[:, 2] == 1e4).mean() - (b[:, 2] == 1e4).mean()) < 5 * np.sqrt(0.5 / len(a))


@pytest.mark.parametrize("least", [0.1, 0.5, 0.9])
def test_a_crop_overlaps_a_box_by_what_was_drawn(least: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iou_crop, "_OVERLAPS", np.array([least]))
    images = scenes(100, side=100)
    images.boxes[:, 0], images.labels[:, 0] = torch.tensor([10.0, 20.0, 70.0, 80.0]), 0
    views = DetectionAugmentation(iou_crop=True).draw(images, 0, 0)
    cropped = (views.crops != torch.tensor([0, 0, 100, 100])).any(dim=1).nonzero().squeeze(1).tolist()
    assert len(cropped) > 25  # of the largest overlap, no crop may be found
    for row in cropped:
        boxes = images.boxes[row][images.labels[row] >= 0]
        assert described(boxes, *views.crops[row].tolist())[1] >= least - 1e-6


def described(boxes: torch.Tensor, left: int, top: int, width: int, height: int) -> tuple[float, ...]:
    """How many centres a crop holds, the best overlap of a box that has its centre there, the area, and the left."""
    crop = torch.tensor([[left, top, left + width, top + height]]).float()
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    inside = ((centres > crop[0, :2]) & (centres < crop[0, 2:])).all(dim=1)
    best = float(box_iou(boxes[inside], crop).max()) if inside.any() else 0.0
    return float(inside.sum()), best, float(width * height), float(left)


def test_zoom_out_covers_its_range_and_the_whole_picture_stays() -> None:
    images = scenes(4000, side=50, places=1)
    crops = DetectionAugmentation(zoom_out=True).draw(images, 0, 0).crops
    zoomed = crops[:, 2] > 50
    assert torch.equal(crops[:, 2], crops[:, 3])
    assert (crops[:, :2] <= 0).all()
    assert (crops[:, :2] + crops[:, 2:] >= 50).all()
    assert abs(zoomed.float().mean().item() - 0.5) < 0.04  # five standard deviations
    assert abs(crops[zoomed, 2].float().mean().item() - 125) < 5
    assert crops[:, 2].max() > 195


def test_colours_cover_their_ranges() -> None:
    views = DetectionAugmentation(photometric=True).draw(scenes(4000, side=8, places=1), 0, 0)
    for column, (low, high), share, neutral in (
        (0, (0.875, 1.125), 0.5, 1),
        (1, (0.5, 1.5), 0.25, 1),
        (2, (0.5, 1.5), 0.5, 1),
        (3, (-0.05, 0.05), 0.5, 0),
        (4, (0.5, 1.5), 0.25, 1),
    ):
        factors = views.factors[:, column]
        changed = factors[factors != neutral]
        assert abs(len(changed) / 4000 - share) < 0.04
        assert low <= changed.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < changed.max() <= high
    assert not ((views.factors[:, 1] != 1) & (views.factors[:, 4] != 1)).any()
    assert len(views.orders.unique(dim=0)) == 6
    # Half are permuted, of which a sixth in the order that they had.
    assert abs((views.orders == torch.arange(3)).all(dim=1).float().mean().item() - 7 / 12) < 0.04


def test_views_are_a_function_of_seed_epoch_and_the_pictures_own_boxes() -> None:
    images = scenes(50)
    first, again = ALL.draw(images, 1, 2), ALL.draw(images, 1, 2)
    assert torch.equal(first.crops, again.crops)
    assert torch.equal(first.factors, again.factors)
    for other in (ALL.draw(images, 1, 3), ALL.draw(images, 2, 2)):
        assert not torch.equal(first.crops, other.crops)
        assert not torch.equal(first.flips, other.flips)

    # Another picture's boxes do not matter, nor do colours matter to the crops.
    fewer = DetectionImages(images.images, images.boxes.clone(), images.labels.clone(), images.difficult.clone())
    fewer.labels[::2], fewer.boxes[::2], fewer.difficult[::2] = -1, 0, False
    assert torch.equal(ALL.draw(fewer, 1, 2).crops[1::2], first.crops[1::2])
    assert torch.equal(GEOMETRIC.draw(images, 1, 2).crops, first.crops)


def test_a_picture_has_its_view_in_any_batch() -> None:
    images, order = scenes(40), torch.randperm(40)
    views = ALL.draw(images, 0, 0)
    whole = ALL.apply(images.images, views, torch.arange(40), 48)
    parts = torch.cat([ALL.apply(images.images, views, batch, 48) for batch in order.split(7)])
    assert torch.equal(parts, whole[order])


def test_changes_nothing_by_default() -> None:
    images, augmentation = scenes(20), DetectionAugmentation()
    views, indices = augmentation.draw(images, 0, 0), torch.tensor([3, 3, 19, 0])
    assert torch.equal(augmentation.apply(images.images, views, indices, 60), images.images[indices])
    assert torch.allclose(augmentation.move_boxes(images, views, indices, 60).boxes, images.boxes[indices], atol=1e-4)


def test_pictures_for_evaluation_are_resized_as_training_resizes() -> None:
    images, augmentation = scenes(10), DetectionAugmentation()
    shown = resize(images.images, 45)
    expected = reference.resize(images.images.float(), [45, 45], antialias=False)
    assert (shown.float() - expected).abs().max() < 0.51
    views = augmentation.draw(images, 0, 0)
    assert torch.equal(augmentation.apply(images.images, views, torch.arange(10), 45), shown)


@pytest.mark.parametrize(
    ("key", "value"), [("zoom_out", "twice"), ("fill", [1, 2]), ("fill", [0, 0, 256]), ("flop", 1)]
)
def test_refuses_what_makes_no_sense(key: str, value: object) -> None:
    target = {"_target_": "greenkd.data.DetectionAugmentation", key: value}
    with pytest.raises(ConfigError, match=key):
        build(target, where="augmentation", expect=DetectionAugmentation)
