"""CIFAR and Tiny ImageNet at fewer pixels: what makes a sweep of them possible on a processor without a GPU.

A picture of 32×32 pixels costs a convolutional network four times what one of 16×16 does. ImageNet was reduced in the
same way for the same reason (Chrabaszcz et al. 2017, arXiv 1707.08819), there by the mean of boxes too.
"""

from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from greenkd.data import load_cifar10, load_cifar100, load_tiny_imagenet
from greenkd.data.base import Dataset, Images
from greenkd.errors import DataError


def load_small_pictures(
    *,
    source: Literal["cifar10", "cifar100", "tiny_imagenet"],
    root: Path,
    image_size: Annotated[int, Field(ge=4)] = 16,
    verify: bool = True,
) -> Dataset:
    """Loads a data set and makes each pixel the mean of a square of its pixels, rounded.

    Args:
        source: Which data set.
        root: Where it lies, as for its own loader.
        image_size: Pixels per side that are left; divides the picture's own.
        verify: As for CIFAR's loaders; Tiny ImageNet has no published sums.

    Raises:
        DataError: As for the data set's own loader; or the size does not divide the picture's.
    """
    if source == "tiny_imagenet":
        full = load_tiny_imagenet(root=root)
    else:
        full = {"cifar10": load_cifar10, "cifar100": load_cifar100}[source](root=root, verify=verify)

    if full.image_size % image_size:
        raise DataError(
            f"image_size={image_size}: does not divide the {full.image_size} pixels of {source}; take 16 or 8"
        )
    train, test = (Images(_reduced(part.images, image_size), part.labels) for part in (full.train, full.test))
    return Dataset(train, test, full.class_names)


def _reduced(images: Tensor, image_size: int) -> Tensor:
    """Returns the means of squares of pixels, uint8 [N, C, image_size, image_size]."""
    count, channels, size, _ = images.shape
    side = size // image_size
    squares = images.view(count, channels, image_size, side, image_size, side).to(torch.int32)
    total = squares.sum(dim=(3, 5))
    return ((total + side * side // 2) // (side * side)).to(torch.uint8)
