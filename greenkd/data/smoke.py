"""The handful of pictures that a smoke run makes up: networks get their full size, yet are through in seconds."""

import torch
import torch.nn.functional as F
from torch import Tensor

from greenkd.anchors import AnchorGrid
from greenkd.data.base import Dataset
from greenkd.data.detection import DetectionDataset, DetectionImages
from greenkd.data.generated import load_generated
from greenkd.streams import numpy_stream

_CLASSES, _TRAIN_PER_CLASS, _TEST_PER_CLASS = 3, 3, 2
_TRAIN_SCENES, _TEST_SCENES = 6, 4
_SIDES = (0.2, 0.6)  # of a box, in shares of the picture


class _Handful(Dataset):
    """A data set with too few pictures to show every class, on purpose."""

    def __post_init__(self) -> None:
        """Leaves out the checks of `Dataset`, which refuse a class without images."""


class _HandfulOfScenes(DetectionDataset):
    """A data set with too few boxes to show every class, on purpose."""

    def __post_init__(self) -> None:
        """Leaves out the checks of `DetectionDataset`, which refuse a class without boxes."""


def smoke_pictures(num_classes: int, in_channels: int, image_size: int) -> Dataset:
    """Makes nine training and six test pictures of three of the classes.

    Args:
        num_classes: Number of classes that networks tell apart.
        in_channels: 1 or 3.
        image_size: Height and width in pixels.
    """
    full = load_generated(
        num_classes=num_classes,
        in_channels=1 if in_channels == 1 else 3,
        image_size=image_size,
        train_per_class=_TRAIN_PER_CLASS,
        test_per_class=_TEST_PER_CLASS,
    )

    train, test = (part.subset((part.labels < _CLASSES).nonzero().squeeze(1)) for part in (full.train, full.test))
    return _Handful(train, test, full.class_names)


def smoke_scenes(num_classes: int, in_channels: int, anchors: AnchorGrid) -> DetectionDataset:
    """Makes six training and four test scenes, each with two smooth patches of up to three of the classes on noise.

    Args:
        num_classes: Number of classes that networks tell apart.
        in_channels: 1 or 3.
        anchors: Give the scenes' size.
    """
    shown = min(num_classes, _CLASSES)
    train = _scenes(_TRAIN_SCENES, shown, in_channels, anchors.image_size, part=1)
    test = _scenes(_TEST_SCENES, shown, in_channels, anchors.image_size, part=2)
    return _HandfulOfScenes(train, test, tuple(f"class {number}" for number in range(num_classes)), anchors)


def _scenes(count: int, classes: int, channels: int, size: int, part: int) -> DetectionImages:
    rng = numpy_stream(0, "inputs", part)
    images = torch.from_numpy(rng.integers(0, 64, (count, channels, size, size), "uint8"))
    patterns = torch.from_numpy(numpy_stream(0, "inputs").integers(64, 256, (classes, channels, 4, 4), "uint8"))

    # Two boxes in every scene, their corners on whole pixels
    labels = torch.arange(count).unsqueeze(1).add(torch.tensor([0, 1])) % classes
    low, high = (round(share * size) for share in _SIDES)
    sides = torch.from_numpy(rng.integers(low, high + 1, (count, 2, 2)))
    corners = (torch.from_numpy(rng.random((count, 2, 2))) * (size - sides)).long()
    boxes = torch.cat([corners, corners + sides], dim=-1)

    for image, places, classes_of in zip(images, boxes.tolist(), labels.tolist(), strict=True):
        for (left, top, right, bottom), label in zip(places, classes_of, strict=True):
            image[:, top:bottom, left:right] = _enlarged(patterns[label], bottom - top, right - left)

    return DetectionImages(images, boxes.float(), labels, torch.zeros_like(labels, dtype=torch.bool))


def _enlarged(pattern: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(pattern[None], size=(height, width), mode="nearest")[0]
