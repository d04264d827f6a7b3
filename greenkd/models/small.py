"""Small networks of plain convolutions: the original work's CNN, and two that suit the 8×8 digits."""

from typing import Annotated

from pydantic import Field
from torch import nn

from greenkd.models.small_images import require_image_size

Width = Annotated[int, Field(gt=0)]


def cnn(
    num_classes: int,
    in_channels: int = 3,
    image_size: int = 32,
    width: Width = 32,
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
) -> nn.Module:
    """The original work's five-layer CNN: three convolutions, each halving the image, and two linear layers.

    The original trains it with Adam at 1e-3.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side; the first linear layer's size depends on it.
        width: Channels of the first convolution; the others have two and four times as many.
        dropout: Between the linear layers.
    """
    require_image_size("cnn", image_size, 8)
    layers: list[nn.Module] = []
    channels = in_channels
    for factor in (1, 2, 4):
        layers += [
            nn.Conv2d(channels, factor * width, 3, padding=1),
            nn.BatchNorm2d(factor * width),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
        ]
        channels = factor * width
    return nn.Sequential(
        *layers,
        nn.Flatten(),
        nn.Linear(channels * (image_size // 8) ** 2, channels),
        nn.BatchNorm1d(channels),
        nn.ReLU(inplace=True),
        nn.Dropout(dropout),
        nn.Linear(channels, num_classes),
    )


def small_cnn(num_classes: int, in_channels: int = 3, image_size: int = 32, width: Width = 32) -> nn.Module:
    """Two convolutions with batch norm, a max pooling between them, global average pooling, one linear layer.

    At 32 channels it is a teacher for the 8×8 digits: about 99 % within ten epochs.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        width: Channels of the first convolution; the second has twice as many.
    """
    require_image_size("small_cnn", image_size, 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1, bias=False),
        nn.BatchNorm2d(2 * width),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(2 * width, num_classes),
    )


def tiny_cnn(num_classes: int, in_channels: int = 3, image_size: int = 32, width: Width = 8) -> nn.Module:
    """`small_cnn` at 8 channels: a student that falls short of its teacher on the digits, so that τ can matter.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        width: Channels of the first convolution; the second has twice as many.
    """
    return small_cnn(num_classes, in_channels, image_size, width)
