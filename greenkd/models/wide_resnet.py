"""Wide residual networks: WRN-16-1, WRN-16-2, WRN-40-1, WRN-40-2.

Zagoruyko and Komodakis, "Wide Residual Networks", BMVC 2016: pre-activation blocks (batch norm, ReLU, convolution) in
three stages of 16k, 32k, 64k channels; depth 6n+4. There is no dropout, as in the code of Tian et al., ICLR 2020
(RepDistiller).
"""

from torch import Tensor, nn

from greenkd.models.registry import register_network
from greenkd.models.small_images import require_image_size

_MINIMUM = 4  # two stages halve the image


class _PreActivationBlock(nn.Module):
    """Two convolutions, each after batch norm and ReLU, beside a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)

        self.shortcut = None
        if in_channels != out_channels:
            self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        activated = self.relu(self.bn1(maps))
        residual: Tensor = self.conv2(self.relu(self.bn2(self.conv1(activated))))

        # A block that changes the width projects the activated maps, one that does not passes them on untouched.
        return residual + (maps if self.shortcut is None else self.shortcut(activated))


class WideResNet(nn.Module):
    """A wide residual network.

    Args:
        depth: 6n+4, n blocks per stage.
        widen_factor: k, the factor on 16-32-64 channels.
        num_classes: Length of the logits.
        in_channels: Channels of the images.
    """

    def __init__(self, depth: int, widen_factor: int, num_classes: int, in_channels: int) -> None:
        super().__init__()
        blocks = (depth - 4) // 6
        widths = [planes * widen_factor for planes in (16, 32, 64)]

        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.block1 = _stage(16, widths[0], blocks, stride=1)
        self.block2 = _stage(widths[0], widths[1], blocks, stride=2)
        self.block3 = _stage(widths[1], widths[2], blocks, stride=2)
        self.bn1 = nn.BatchNorm2d(widths[2])
        self.relu = nn.ReLU(inplace=True)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[2], num_classes)

        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.fc.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to logits [B, num_classes]."""
        maps = self.block3(self.block2(self.block1(self.conv1(images))))
        logits: Tensor = self.fc(self.avgpool(self.relu(self.bn1(maps))).flatten(1))
        return logits


def _stage(in_channels: int, width: int, blocks: int, *, stride: int) -> nn.Sequential:
    """Chains the blocks of one stage, of which the first changes resolution and width."""
    rest = [_PreActivationBlock(width, width, stride=1) for _ in range(blocks - 1)]
    return nn.Sequential(_PreActivationBlock(in_channels, width, stride), *rest)


@register_network(
    parameters=180_916,
    macs=26_663_168,
    teacher="wrn_40_2",
    student="wrn_16_1",
)
def wrn_16_1(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """WRN-16-1: three stages of two pre-activation blocks, 16-32-64 channels."""
    return _wide_resnet("wrn_16_1", num_classes, in_channels, image_size, depth=16, widen_factor=1)


@register_network(
    parameters=703_284,
    macs=101_118_464,
    teacher="wrn_40_2",
    student="wrn_16_1",
    accuracy={"Tian et al., ICLR 2020, 240 epochs": 73.26},
)
def wrn_16_2(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """WRN-16-2: three stages of two pre-activation blocks, 32-64-128 channels."""
    return _wide_resnet("wrn_16_2", num_classes, in_channels, image_size, depth=16, widen_factor=2)


@register_network(
    parameters=569_780,
    macs=83_286_272,
    teacher="wrn_40_2",
    student="wrn_16_1",
    accuracy={"Tian et al., ICLR 2020, 240 epochs": 71.98},
)
def wrn_40_1(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """WRN-40-1: three stages of six pre-activation blocks, 16-32-64 channels."""
    return _wide_resnet("wrn_40_1", num_classes, in_channels, image_size, depth=40, widen_factor=1)


@register_network(
    parameters=2_255_156,
    macs=327_610_880,
    teacher="wrn_40_2",
    student="wrn_16_2",
    accuracy={"Tian et al., ICLR 2020, 240 epochs": 75.61},
)
def wrn_40_2(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """WRN-40-2: three stages of six pre-activation blocks, 32-64-128 channels."""
    return _wide_resnet("wrn_40_2", num_classes, in_channels, image_size, depth=40, widen_factor=2)


def _wide_resnet(
    name: str, num_classes: int, in_channels: int, image_size: int, *, depth: int, widen_factor: int
) -> nn.Module:
    require_image_size(name, image_size, _MINIMUM)
    return WideResNet(depth, widen_factor, num_classes, in_channels)
