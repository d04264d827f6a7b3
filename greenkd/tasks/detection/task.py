"""Detection as a task: what a data set with boxes asks of networks, objectives and the bank."""

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from greenkd.anchors import AnchorGrid
from greenkd.data import (
    AnyDataset,
    DetectionAugmentation,
    DetectionImages,
    DetectionViews,
    picture_split,
)
from greenkd.data.detection import PADDING
from greenkd.objectives import SSD
from greenkd.objectives.multibox import OFFSETS
from greenkd.records import DataRecord
from greenkd.tasks.base import Metric, Targets, Task
from greenkd.tasks.detection.evaluator import DetectionEvaluator
from greenkd.tasks.detection.matching import Matcher


class Detection(Task[DetectionImages, DetectionAugmentation]):
    """Networks return [B, A, K+1+4]: class logits, background first, and offsets of A anchors.

    Targets are a class for each anchor and the offsets to its box, matched on the device once for all students of a
    batch. Boxes that are marked as difficult are not trained on.

    Args:
        anchors: Of the data set.
        class_names: Of the data set.
    """

    name = "detection"
    metric = Metric("mAP", unit="%", scale=100.0)
    has_hits = False
    outputs = "class logits (background first) and offsets of the anchors"
    supplied = "`num_classes` and `anchors` as arguments, which are supplied"

    def __init__(self, anchors: AnchorGrid, class_names: Sequence[str]) -> None:
        self._anchors = anchors
        self._class_names = tuple(class_names)
        self._matcher = cache(lambda device: Matcher(anchors, device))

    def split(self, images: DetectionImages, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
        """Takes a share of the pictures into the validation part, so that every class is on both sides."""
        return picture_split(images.labels, fraction, seed)

    def given(self, dataset: AnyDataset | DataRecord) -> dict[str, object]:
        """Returns the number of classes and channels, the pictures' size, and the anchors."""
        return {
            "num_classes": dataset.num_classes,
            "in_channels": dataset.in_channels,
            "image_size": dataset.image_size,
            "anchors": self._anchors,
        }

    def num_labels(self, dataset: AnyDataset) -> int:
        """Returns K+1, with the background."""
        return dataset.num_classes + 1

    def output_shape(self, dataset: AnyDataset) -> tuple[int, ...]:
        """Returns [A, K+1+4]."""
        return (self._anchors.num_anchors, self.num_labels(dataset) + OFFSETS)

    def supervised(self) -> SSD:
        """Returns the MultiBox loss."""
        return SSD()

    def draw_views(
        self, images: DetectionImages, augmentation: DetectionAugmentation, seed: int, epoch: int
    ) -> DetectionViews:
        """Draws colours, canvases, crops and flips, with the boxes at hand."""
        return augmentation.draw(images, seed, epoch)

    def present(
        self, images: DetectionImages, augmentation: DetectionAugmentation, views: DetectionViews, indices: Tensor
    ) -> tuple[Tensor, Targets]:
        """Returns the augmented pictures of one batch, and the targets of their anchors."""
        size = self._anchors.image_size
        pictures = augmentation.apply(images.images, views, indices, size)
        boxes, labels, difficult = augmentation.move_boxes(images, views, indices, size)

        matcher = self._matcher(pictures.device)
        return pictures, matcher.match(boxes / size, labels.masked_fill(difficult, PADDING))

    def evaluator(
        self, images: DetectionImages, mean: Sequence[float], std: Sequence[float], device: torch.device
    ) -> DetectionEvaluator:
        """Returns what measures average precision and the MultiBox loss on a split."""
        return DetectionEvaluator(images, self._anchors, self._class_names, mean, std, device)

    def count_hits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Counts none: no picture is simply right or wrong."""
        return torch.zeros((), dtype=torch.int64, device=outputs.device)
