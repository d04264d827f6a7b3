"""Data sets of pictures with boxes: what the loaders of detection return."""

import dataclasses
import functools
import hashlib

import torch
from torch import Tensor

from greenkd.anchors import AnchorGrid
from greenkd.data.base import add_tensor
from greenkd.errors import DataError

PADDING = -1
"""The label of a place that holds no box."""


@dataclasses.dataclass(frozen=True, eq=False)
class DetectionImages:
    """Square pictures with the boxes of the things in them; every picture has M places for boxes, M ≥ 1.

    Attributes:
        images: uint8 [N, C, S, S].
        boxes: float32 [N, M, 4], left, top, right, bottom in pixels of the stored picture, 0 … S; 0 where there is no
            box.
        labels: int64 [N, M], class numbers from 0; −1 where there is no box.
        difficult: bool [N, M], boxes that are not counted in the metric, found or missed.

    Raises:
        DataError: Shapes, types or numbers are not these, or there is no picture at all.
    """

    images: Tensor
    boxes: Tensor
    labels: Tensor
    difficult: Tensor

    def __post_init__(self) -> None:
        count = len(self.images)
        if self.images.dtype != torch.uint8 or self.images.dim() != 4 or self.images.shape[2] != self.images.shape[3]:
            raise DataError(f"images are {self.images.dtype} {list(self.images.shape)}; give uint8 [N, C, S, S]")
        if count == 0:
            raise DataError("a part of the data set holds no image")

        places = max(self.labels.shape[-1], 1)
        wanted = {
            "boxes": (torch.float32, (count, places, 4)),
            "labels": (torch.int64, (count, places)),
            "difficult": (torch.bool, (count, places)),
        }
        for name, (dtype, shape) in wanted.items():
            tensor: Tensor = getattr(self, name)
            if tensor.dtype != dtype or tuple(tensor.shape) != shape:
                raise DataError(f"{name} are {tensor.dtype} {list(tensor.shape)}; give {dtype} {list(shape)}")

        self._check_boxes()

    def __len__(self) -> int:
        return len(self.images)

    @property
    def size(self) -> int:
        """Height and width of the stored pictures, in pixels; networks may be given another size."""
        return int(self.images.shape[2])

    def to(self, device: torch.device | str) -> "DetectionImages":
        """Returns the same pictures on another device."""
        return DetectionImages(*(tensor.to(device) for tensor in self.tensors()))

    def subset(self, indices: Tensor) -> "DetectionImages":
        """Returns the pictures at `indices` (int64 [M]), in that order, as a copy."""
        return DetectionImages(*(tensor[indices] for tensor in self.tensors()))

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns images, boxes, labels and difficult."""
        return self.images, self.boxes, self.labels, self.difficult

    def _check_boxes(self) -> None:
        present = self.boxes[self.labels != PADDING]
        if len(present) == 0:
            return

        inside = (present >= 0).all() & (present <= self.size).all()
        has_area = (present[:, 2:] > present[:, :2]).all()
        if not bool(inside & has_area):
            raise DataError(f"a box lies outside of 0 … {self.size}, or has no area; cut boxes to the picture first")


@dataclasses.dataclass(frozen=True, eq=False)
class DetectionDataset:
    """A data set of pictures with boxes, with its official training and test parts.

    Attributes:
        train: The training part, from which the validation part is cut.
        test: The test part, looked at once.
        class_names: One name per class, in the order of the labels; the background is none of them.
        anchors: The boxes that all networks label and move; they give the pictures' size as well.

    Raises:
        DataError: The parts differ in shape, a label has no name, a class has no training box.
    """

    train: DetectionImages
    test: DetectionImages
    class_names: tuple[str, ...]
    anchors: AnchorGrid

    def __post_init__(self) -> None:
        shapes = {tuple(part.images.shape[1:]) for part in (self.train, self.test)}
        if len(shapes) > 1:
            raise DataError(f"training and test images differ in shape: {sorted(shapes)}; both need the same one")
        if self.in_channels not in (1, 3):
            raise DataError(f"images of {self.in_channels} channels; 1 or 3 are needed")

        for part in (self.train, self.test):
            low, high = int(part.labels.min()), int(part.labels.max())
            if low < PADDING or high >= self.num_classes:
                raise DataError(f"labels run from {low} to {high}, but there are {self.num_classes} class names")
        self._require_every_class()

    @property
    def num_classes(self) -> int:
        """Number of classes, without the background."""
        return len(self.class_names)

    @property
    def in_channels(self) -> int:
        """Number of channels: 1 for grey, 3 for RGB."""
        return int(self.train.images.shape[1])

    @property
    def image_size(self) -> int:
        """Height and width in pixels of what networks see; the anchors' image size."""
        return self.anchors.image_size

    @functools.cached_property
    def fingerprint(self) -> str:
        """The SHA-256 (hex) of anchors, pixels and boxes: for one content the same on every machine."""
        digest = hashlib.sha256(f"{self.anchors.name} {self.anchors.image_size}".encode())
        for tensor in (self.anchors.boxes, *self.train.tensors(), *self.test.tensors()):
            add_tensor(digest, tensor)
        return digest.hexdigest()

    def _require_every_class(self) -> None:
        counts = torch.bincount(self.train.labels[self.train.labels >= 0], minlength=self.num_classes)
        empty = [name for name, count in zip(self.class_names, counts.tolist(), strict=True) if count == 0]
        if empty:
            raise DataError(
                f"the training part: no box of class {empty[0]!r} ({len(empty)} of {len(counts)} classes have none); "
                "add pictures, or take the class out of the data set"
            )
