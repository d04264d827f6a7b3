"""What every loader returns: all images of a data set in memory, as bytes."""

import dataclasses
import functools
import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from greenkd.errors import DataError


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Pictures with their classes.

    Attributes:
        images: uint8 [N, C, H, W].
        labels: int64 [N], class numbers from 0.

    Raises:
        DataError: Shapes or types are not these, or there is no image at all.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        for name, values in (("images", self.images), ("labels", self.labels)):
            if not isinstance(values, Tensor):
                raise DataError(f"{name} are a {type(values).__name__}; give a torch.Tensor, as torch.from_numpy makes")

        if self.images.dtype != torch.uint8 or self.images.dim() != 4:
            raise DataError(f"images are {self.images.dtype} {list(self.images.shape)}; give uint8 [N, C, H, W]")

        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise DataError(
                f"labels are {self.labels.dtype} {list(self.labels.shape)}; "
                f"give int64 [{len(self.images)}], one per image"
            )

        if len(self.images) == 0:
            raise DataError("a part of the data set holds no image")

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "Images":
        """Returns the same pictures on another device."""
        return Images(self.images.to(device), self.labels.to(device))

    def subset(self, indices: Tensor) -> "Images":
        """Returns the pictures at `indices` (int64 [M]), in that order, as a copy."""
        return Images(self.images[indices], self.labels[indices])


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """A data set with its official training and test parts.

    Attributes:
        train: The training part, from which the validation part is cut.
        test: The test part, looked at once.
        class_names: One name per class, in the order of the labels.

    Raises:
        DataError: The parts differ in shape, images are not square, a label has no name, a class has no training image.
    """

    train: Images
    test: Images
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        for name, part in (("train", self.train), ("test", self.test)):
            if not isinstance(part, Images):
                raise DataError(f"{name} is a {type(part).__name__}; give greenkd.data.Images(images, labels)")
        if not _are_names(self.class_names):
            raise DataError(f"class_names={self.class_names!r}: give one name per class, each a text")

        shapes = {tuple(part.images.shape[1:]) for part in (self.train, self.test)}
        if len(shapes) > 1:
            raise DataError(f"training and test images differ in shape: {sorted(shapes)}; both need the same one")

        channels, height, width = shapes.pop()
        if height != width or channels not in (1, 3):
            raise DataError(f"images of {channels} channels, {height}×{width}; 1 or 3 channels and a square are needed")

        for part in (self.train, self.test):
            low, high = int(part.labels.min()), int(part.labels.max())
            if low < 0 or high >= self.num_classes:
                raise DataError(f"labels run from {low} to {high}, but there are {self.num_classes} class names")

        require_every_class(self.train.labels, self.class_names, "the training part")

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def in_channels(self) -> int:
        """Number of channels: 1 for grey, 3 for RGB."""
        return int(self.train.images.shape[1])

    @property
    def image_size(self) -> int:
        """Height and width in pixels."""
        return int(self.train.images.shape[2])

    @functools.cached_property
    def fingerprint(self) -> str:
        """The SHA-256 (hex) of all shapes, pixels and labels: for one content the same on every machine."""
        digest = hashlib.sha256()
        for tensor in (self.train.images, self.train.labels, self.test.images, self.test.labels):
            add_tensor(digest, tensor)
        return digest.hexdigest()


def add_tensor(digest: "hashlib._Hash", tensor: Tensor) -> None:
    """Adds type, shape and content of a tensor to a fingerprint, in the same way on every machine."""
    array = tensor.cpu().contiguous().numpy()
    digest.update(f"{array.dtype.str[1:]}{array.shape}".encode())

    # Numbers are written little-endian whatever the machine is; pixels are single bytes.
    digest.update(array.astype(array.dtype.newbyteorder("<"), copy=False).data)


def _are_names(value: object) -> bool:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return False
    return all(isinstance(name, str) for name in value)


def require_every_class(labels: Tensor, class_names: Sequence[str], where: str) -> None:
    """Refuses a part in which a class has no image.

    Args:
        labels: int64 [N], class numbers of the part's images.
        class_names: One name per class.
        where: The part, for the message.

    Raises:
        DataError: Names the first such class and `where` it is missing.
    """
    counts = torch.bincount(labels, minlength=len(class_names))
    empty = [name for name, count in zip(class_names, counts.tolist(), strict=True) if count == 0]
    if empty:
        raise DataError(
            f"{where}: no usable image of class {empty[0]!r} ({len(empty)} of {len(class_names)} classes are empty); "
            "add images, or take the class out of the data set"
        )
