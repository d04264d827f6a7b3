"""Small networks of plain convolutions: the CNN of Rafat et al., and two that suit the 8×8 digits."""

from typing import Annotated

from pydantic import Field
from torch import nn

from greenkd.models.registry import register_network
from greenkd.models.small_images import require_image_size

Width = Annotated[int, Field(gt=0)]


@register_network(
    parameters=369_124,
    macs=10_596_864,
    teacher="resnet18",
    student="mobilenet_v2",
)
def cnn(
    num_classes: int,
    in_channels: int = 3,
    image_size: int = 32,
    width: Width = 32,
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
) -> nn.Module:
    """Three convolutions, each halving the image, and two linear layers: the CNN of Rafat et al.

    Their code trains it with Adam at 1e-3; no result of it is published.

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


@register_network(
    parameters=19_562,
    macs=313_984,
    teacher="small_cnn",
    student="tiny_cnn",
    dataset="digits",
    input_shape=(1, 8, 8),
    num_classes=10,
)
def small_cnn(num_classes: int, in_channels: int = 3, image_size: int = 32, width: Width = 32) -> nn.Module:
    """Two 3×3 convolutions of 32 and 64 channels, for images as small as the 8×8 digits.

    A batch norm follows each convolution, a max pooling the first, a global average pooling and one linear layer the
    second. It reaches about 99 % of the digits within ten epochs.

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


@register_network(
    parameters=1_442,
    macs=23_200,
    teacher="small_cnn",
    student="tiny_cnn student.width=4",
    dataset="digits",
    input_shape=(1, 8, 8),
    num_classes=10,
)
def tiny_cnn(num_classes: int, in_channels: int = 3, image_size: int = 32, width: Width = 8) -> nn.Module:
    """Two 3×3 convolutions of 8 and 16 channels: weak enough for the digits that a teacher matters.

    It is `small_cnn` at another width. With `small_cnn` as teacher, what τ does to its accuracy between 2 and 16 is
    smaller than the noise of five seeds; `make sweep` prints the bound.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        width: Channels of the first convolution; the second has twice as many.
    """
    return small_cnn(num_classes, in_channels, image_size, width)
