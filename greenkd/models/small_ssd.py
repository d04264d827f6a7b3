"""Small single-shot detectors of plain convolutions, for scenes of 48×48 pixels and for trying out any data set."""

from collections.abc import Iterator
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from greenkd.anchors import AnchorGrid
from greenkd.models.registry import register_network

Width = Annotated[int, Field(gt=0)]

# Channels of the maps, from the picture's own size on, in units of `width`; the last holds for all smaller maps.
_FACTORS = (1, 2, 4)


class SmallSSD(nn.Module):
    """Convolutions on maps that are halved again and again; a head on each map that has anchors.

    Args:
        num_classes: Classes without the background.
        in_channels: Channels of the images.
        anchors: Of the data set; every one of its maps is one of the halved ones.
        width: Channels of the first convolution.

    Raises:
        ValueError: The anchors are on maps that halving does not lead to.
    """

    def __init__(self, num_classes: int, in_channels: int, anchors: AnchorGrid, width: int) -> None:
        super().__init__()
        self.outputs = num_classes + 1 + 4
        self.stages = nn.ModuleList()
        self.heads = nn.ModuleList()

        expected = list(zip(anchors.map_sizes, anchors.per_location, strict=True))
        channels = in_channels
        for number, size in enumerate(_halved(anchors.image_size, anchors.map_sizes[-1])):
            next_channels = width * _FACTORS[min(number, len(_FACTORS) - 1)]
            self.stages.append(_stage(channels, next_channels, halves=number > 0))
            channels = next_channels

            head: nn.Module = nn.Identity()
            if expected and size == expected[0][0]:
                head = nn.Conv2d(channels, expected.pop(0)[1] * self.outputs, 3, padding=1)
            self.heads.append(head)

        if expected:
            raise ValueError(f"anchors on maps of {list(anchors.map_sizes)} cells: halving does not lead there")

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to class logits and offsets [B, A, K+1+4]."""
        batch = images.shape[0]  # len() would be a number to torch.export, which needs the batch's size as a variable
        maps, outputs = images, []
        for stage, head in zip(self.stages, self.heads, strict=True):
            maps = stage(maps)
            if isinstance(head, nn.Conv2d):
                outputs.append(head(maps).permute(0, 2, 3, 1).reshape(batch, -1, self.outputs))
        return torch.cat(outputs, dim=1)


def _halved(size: int, last: int) -> Iterator[int]:
    """Yields a size and its halves, rounded up, down to the last."""
    while size > last:
        yield size
        size = -(-size // 2)
    yield size


def _stage(in_channels: int, out_channels: int, *, halves: bool) -> nn.Module:
    pooling = [nn.MaxPool2d(2, ceil_mode=True)] if halves else []
    return nn.Sequential(
        *pooling,
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


@register_network(
    parameters=95_020,
    macs=10_077_696,
    teacher="small_ssd",
    student="tiny_ssd",
    dataset="digit_scenes",
    task="detection",
    anchors="digit_scenes",
    input_shape=(1, 48, 48),
    num_classes=10,
)
def small_ssd(num_classes: int, anchors: AnchorGrid, in_channels: int = 3, width: Width = 16) -> nn.Module:
    """A detector of four 3×3 convolutions of 16 to 64 channels, for the digit scenes.

    A batch norm follows each convolution, a max pooling goes before each but the first. It takes the anchors of every
    preset, with as many convolutions as it has halved maps.

    Args:
        num_classes: Classes without the background.
        anchors: Of the data set.
        in_channels: Channels of the images.
        width: Channels of the first convolution; the second has twice, the others four times as many.
    """
    return SmallSSD(num_classes, in_channels, anchors, width)


@register_network(
    parameters=12_568,
    macs=1_275_264,
    teacher="small_ssd",
    student="tiny_ssd student.width=3",
    dataset="digit_scenes",
    task="detection",
    anchors="digit_scenes",
    input_shape=(1, 48, 48),
    num_classes=10,
)
def tiny_ssd(num_classes: int, anchors: AnchorGrid, in_channels: int = 3, width: Width = 4) -> nn.Module:
    """A detector of four 3×3 convolutions of 4 to 16 channels: weak enough for the digit scenes that a teacher matters.

    It is `small_ssd` at another width.

    Args:
        num_classes: Classes without the background.
        anchors: Of the data set.
        in_channels: Channels of the images.
        width: Channels of the first convolution; the second has twice, the others four times as many.
    """
    return SmallSSD(num_classes, in_channels, anchors, width)
