"""ShuffleNetV1 as the literature's CIFAR-100 tables use it; torchvision has none.

Zhang et al., "ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices", CVPR 2018: three
groups, 240-480-960 channels, 4-8-4 blocks. Where the code behind the tables (RepDistiller: Tian et al., ICLR 2020)
differs from the publication, this follows the code: a 1×1 stem without pooling, ReLU after the depthwise convolution,
and in the block that halves the image a quarter of the channels it adds (not of its output) in the middle.
"""

import torch
from torch import Tensor, nn

from greenkd.models.registry import register_network
from greenkd.models.small_images import require_image_size

_GROUPS = 3
_STEM = 24
_MINIMUM = 8  # three stages halve the image


class _ShuffleBlock(nn.Module):
    """A block of grouped 1×1, depthwise 3×3 and grouped 1×1 convolutions; at stride 2 its input is appended."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        branch = out_channels - in_channels if stride == 2 else out_channels
        middle = branch // 4
        # The stem's 24 channels are too few to be grouped (section 3.2 of the publication).
        self.groups = 1 if in_channels == _STEM else _GROUPS

        self.conv1 = nn.Conv2d(in_channels, middle, 1, groups=self.groups, bias=False)
        self.bn1 = nn.BatchNorm2d(middle)
        self.conv2 = nn.Conv2d(middle, middle, 3, stride, padding=1, groups=middle, bias=False)
        self.bn2 = nn.BatchNorm2d(middle)
        self.conv3 = nn.Conv2d(middle, branch, 1, groups=_GROUPS, bias=False)
        self.bn3 = nn.BatchNorm2d(branch)
        self.relu = nn.ReLU(inplace=True)

        self.shortcut = nn.AvgPool2d(3, stride=2, padding=1) if stride == 2 else nn.Identity()

    def forward(self, maps: Tensor) -> Tensor:
        branch = self.relu(self.bn1(self.conv1(maps)))
        branch = branch.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)  # channel shuffle
        branch = self.relu(self.bn2(self.conv2(branch)))
        branch = self.bn3(self.conv3(branch))

        shortcut = self.shortcut(maps)
        joined = torch.cat([branch, shortcut], dim=1) if self.stride == 2 else branch + shortcut
        activated: Tensor = self.relu(joined)
        return activated


class ShuffleNetV1(nn.Module):
    """ShuffleNet with three groups.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
    """

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, _STEM, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(_STEM)
        self.relu = nn.ReLU(inplace=True)

        self.layer1 = _stage(_STEM, 240, blocks=4)
        self.layer2 = _stage(240, 480, blocks=8)
        self.layer3 = _stage(480, 960, blocks=4)

        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(960, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to logits [B, num_classes]."""
        maps = self.relu(self.bn1(self.conv1(images)))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        logits: Tensor = self.fc(self.avgpool(maps).flatten(1))
        return logits


def _stage(in_channels: int, width: int, *, blocks: int) -> nn.Sequential:
    """Chains the blocks of one stage, of which the first halves the image."""
    rest = [_ShuffleBlock(width, width, stride=1) for _ in range(blocks - 1)]
    return nn.Sequential(_ShuffleBlock(in_channels, width, stride=2), *rest)


@register_network(
    parameters=949_258,
    macs=38_691_456,
    teacher="resnet32x4",
    student="mobilenet_v2",
    accuracy={"Tian et al., ICLR 2020, 240 epochs": 70.5},
)
def shufflenet_v1(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """ShuffleNetV1 with three groups, 240-480-960 channels, as the literature's CIFAR-100 tables use it."""
    require_image_size("shufflenet_v1", image_size, _MINIMUM)
    return ShuffleNetV1(num_classes, in_channels)
