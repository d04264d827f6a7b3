"""Made-up pictures that a network can learn to tell apart: for smoke runs and tests."""

from typing import Annotated, Literal

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from greenkd.data.base import Dataset, Images
from greenkd.streams import numpy_stream


def load_generated(
    *,
    num_classes: Annotated[int, Field(ge=2)] = 10,
    in_channels: Literal[1, 3] = 3,
    image_size: Annotated[int, Field(ge=4)] = 32,
    train_per_class: Annotated[int, Field(ge=2)] = 50,
    test_per_class: Annotated[int, Field(ge=1)] = 10,
    noise: Annotated[float, Field(ge=0, le=1)] = 0.5,
    seed: int = 0,
) -> Dataset:
    """Makes images that are a smooth random pattern per class, mixed with noise per pixel.

    Args:
        num_classes: Number of classes.
        in_channels: 1 or 3.
        image_size: Height and width in pixels.
        train_per_class: Training images of every class.
        test_per_class: Test images of every class.
        noise: Share of each pixel that is uniform noise: 0 shows the bare pattern, 1 nothing else.
        seed: Seed of the stream "inputs"; the same seed makes the same bytes on every machine.

    Returns:
        Images uint8 [N, C, H, W] with N = num_classes · train_per_class, and likewise for the test part.
    """
    patterns = numpy_stream(seed, "inputs").integers(0, 256, (num_classes, in_channels, 4, 4), np.uint8)
    # Coarse blobs: a crop by a few pixels or a mirror image still shows the class.
    prototypes = F.interpolate(torch.from_numpy(patterns), size=image_size, mode="nearest")

    train = _part(prototypes, train_per_class, noise, numpy_stream(seed, "inputs", 1))
    test = _part(prototypes, test_per_class, noise, numpy_stream(seed, "inputs", 2))
    return Dataset(train, test, tuple(f"class {number}" for number in range(num_classes)))


def _part(prototypes: Tensor, per_class: int, noise: float, rng: np.random.Generator) -> Images:
    labels = torch.arange(len(prototypes)).repeat(per_class)
    grain = torch.from_numpy(rng.integers(0, 256, (len(labels), *prototypes.shape[1:]), np.uint8))

    share = round(noise * 256)  # mixed in integers, so that no rounding depends on the machine
    mixed = (prototypes[labels].int() * (256 - share) + grain.int() * share) >> 8
    return Images(mixed.to(torch.uint8), labels)
