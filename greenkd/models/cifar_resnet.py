"""Residual networks of three stages for CIFAR-size images: ResNet-8 … ResNet-110, their ×4 variants, ResNeXt-29.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2: a 3×3 convolution, three stages of n
blocks at full, half and quarter resolution, global average pooling, one linear layer; depth 6n+2. Where the resolution
or the width changes, the shortcut is a 1×1 convolution, as in the code of Tian et al., ICLR 2020 (RepDistiller), and
unlike He et al.'s parameter-free shortcut. The blocks are torchvision's.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from greenkd.late_packages import torchvision
from greenkd.models.initial_weights import InitialWeights
from greenkd.models.registry import register_network
from greenkd.models.small_images import require_image_size

_MINIMUM = 4  # two stages halve the image


class CifarResNet(nn.Module):
    """A residual network of three stages.

    Args:
        depth: Layers with weights on the longest path: 6n+2 for basic blocks, 9n+2 for bottlenecks.
        widths: Channels of the stem, then `planes` of each stage (a bottleneck's output is four times its planes).
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        bottlenecks: Whether a block is torchvision's bottleneck of three convolutions, or its basic one of two.
        groups: Groups of a bottleneck's 3×3 convolution (ResNeXt's cardinality).
        width_per_group: Channels per group in the first stage.
    """

    def __init__(
        self,
        depth: int,
        widths: Sequence[int],
        num_classes: int,
        in_channels: int,
        *,
        bottlenecks: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
    ) -> None:
        super().__init__()
        stem, *stages = widths
        resnet = torchvision.models.resnet
        block, convolutions = (resnet.Bottleneck, 3) if bottlenecks else (resnet.BasicBlock, 2)
        blocks = (depth - 2) // (3 * convolutions)
        sizes = {"blocks": blocks, "groups": groups, "width_per_group": width_per_group}
        out_channels = [planes * block.expansion for planes in stages]

        self.conv1 = nn.Conv2d(in_channels, stem, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _stage(block, stem, stages[0], stride=1, **sizes)
        self.layer2 = _stage(block, out_channels[0], stages[1], stride=2, **sizes)
        self.layer3 = _stage(block, out_channels[1], stages[2], stride=2, **sizes)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(out_channels[2], num_classes)

        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to logits [B, num_classes]."""
        maps = self.relu(self.bn1(self.conv1(images)))
        maps = self.layer3(self.layer2(self.layer1(maps)))
        logits: Tensor = self.fc(self.avgpool(maps).flatten(1))
        return logits


def _stage(
    block: type[Any],
    in_channels: int,
    planes: int,
    *,
    stride: int,
    blocks: int,
    groups: int,
    width_per_group: int,
) -> nn.Sequential:
    """Chains the blocks of one stage, of which the first changes resolution and width."""
    width = planes * block.expansion

    shortcut = None
    if stride != 1 or in_channels != width:
        shortcut = nn.Sequential(nn.Conv2d(in_channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    first = block(in_channels, planes, stride, shortcut, groups, width_per_group)
    rest = [block(width, planes, groups=groups, base_width=width_per_group) for _ in range(blocks - 1)]
    return nn.Sequential(first, *rest)


@register_network(
    parameters=83_892,
    macs=12_507_392,
    teacher="resnet20",
    student="resnet8",
)
def resnet8(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """ResNet-8: three stages of one basic block, 16-32-64 channels."""
    return _cifar_resnet("resnet8", 8, num_classes, in_channels, image_size)


@register_network(
    parameters=181_108,
    macs=26_663_168,
    teacher="resnet56",
    student="resnet20",
)
def resnet14(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """ResNet-14: three stages of two basic blocks, 16-32-64 channels."""
    return _cifar_resnet("resnet14", 14, num_classes, in_channels, image_size)


@register_network(
    parameters=278_324,
    macs=40_818_944,
    teacher="resnet56",
    student="resnet20",
    accuracy={"Tian et al., ICLR 2020, 240 epochs": 69.06},
)
def resnet20(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """ResNet-20: three stages of three basic blocks, 16-32-64 channels."""
    return _cifar_resnet("resnet20", 20, num_classes, in_channels, image_size)


@register_network(
    parameters=472_756,
    macs=69_130_496,
    teacher="resnet110",
    student="resnet20",
    accuracy={"Tian et al., ICLR 2020, 240 epochs": 71.14},
)
def resnet32(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """ResNet-32: three stages of five basic blocks, 16-32-64 channels."""
    return _cifar_resnet("resnet32", 32, num_classes, in_channels, image_size)


@register_network(
    parameters=667_188,
    macs=97_442_048,
    teacher="resnet110",
    student="resnet20",
)
def resnet44(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """ResNet-44: three stages of seven basic blocks, 16-32-64 channels."""
    return _cifar_resnet("resnet44", 44, num_classes, in_channels, image_size)


@register_network(
    parameters=861_620,
    macs=125_753_600,
    teacher="resnet110",
    student="resnet20",
    accuracy={"Tian et al., ICLR 2020, 240 epochs": 72.34},
)
def resnet56(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """ResNet-56: three stages of nine basic blocks, 16-32-64 channels."""
    return _cifar_resnet("resnet56", 56, num_classes, in_channels, image_size)


@register_network(
    parameters=1_736_564,
    macs=253_155_584,
    teacher="resnet110",
    student="resnet20",
    accuracy={"Tian et al., ICLR 2020, 240 epochs": 74.31},
)
def resnet110(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """ResNet-110: three stages of eighteen basic blocks, 16-32-64 channels."""
    return _cifar_resnet("resnet110", 110, num_classes, in_channels, image_size)


@register_network(
    parameters=1_233_540,
    macs=177_071_104,
    teacher="resnet32x4",
    student="resnet8",
    accuracy={"Tian et al., ICLR 2020, 240 epochs": 72.5},
)
def resnet8x4(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """ResNet-8×4: three stages of one basic block, 64-128-256 channels."""
    return _cifar_resnet("resnet8x4", 8, num_classes, in_channels, image_size, widths=(32, 64, 128, 256))


@register_network(
    parameters=7_433_860,
    macs=1_083_040_768,
    teacher="resnet32x4",
    student="resnet8x4",
    accuracy={"Tian et al., ICLR 2020, 240 epochs": 79.42},
)
def resnet32x4(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """ResNet-32×4: three stages of five basic blocks, 64-128-256 channels."""
    return _cifar_resnet("resnet32x4", 32, num_classes, in_channels, image_size, widths=(32, 64, 128, 256))


@register_network(
    parameters=34_518_948,
    macs=5_387_358_208,
    teacher="resnext29",
    student="mobilenet_v2",
    differences="Tf-KD's last layer has other initial weights: `init=source`",
    accuracy={"Tf-KD: Yuan et al., CVPR 2020, 200 epochs": 81.03},
)
def resnext29(
    num_classes: int, in_channels: int = 3, image_size: int = 32, init: InitialWeights = "torchvision"
) -> nn.Module:
    """ResNeXt-29, 8×64d: three stages of three bottlenecks, cardinality 8, 64 channels per group.

    Xie et al., "Aggregated Residual Transformations for Deep Neural Networks", CVPR 2017, section 5.3.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        init: `source` draws the last layer from N(0, 2/fan_in) without a bias, as the code of Tf-KD does.
    """
    require_image_size("resnext29", image_size, _MINIMUM)

    widths = (64, 64, 128, 256)
    network = CifarResNet(29, widths, num_classes, in_channels, bottlenecks=True, groups=8, width_per_group=64)
    if init == "source":
        nn.init.kaiming_normal_(network.fc.weight)
        nn.init.zeros_(network.fc.bias)
    return network


def _cifar_resnet(
    name: str,
    depth: int,
    num_classes: int,
    in_channels: int,
    image_size: int,
    *,
    widths: tuple[int, int, int, int] = (16, 16, 32, 64),
) -> nn.Module:
    require_image_size(name, image_size, _MINIMUM)
    return CifarResNet(depth, widths, num_classes, in_channels)
