"""Networks as other programs write and name them, each cut down to what its names and its arithmetic need.

Written from the programs' state dicts, so that weights under their names can be made here: no file of theirs is used.
"""

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, *, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=bias)


def projection(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Returns a 1×1 convolution and a batch norm where the size changes, nothing where it does not."""
    if stride == 1 and inputs == outputs:
        return nn.Sequential()
    return nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


def pooled(maps: Tensor) -> Tensor:
    return maps.mean((2, 3))


class OptionABlock(nn.Module):
    """akamaster's block: where the width doubles, every second pixel goes on, with zero channels on both sides."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs, 3), nn.BatchNorm2d(outputs)
        self.stride = stride

    def forward(self, maps: Tensor) -> Tensor:
        branch = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps)))))
        if self.stride == 2:
            quarter = branch.shape[1] // 4
            maps = F.pad(maps[:, :, ::2, ::2], (0, 0, 0, 0, quarter, quarter))
        return F.relu(branch + maps)


class Akamaster(nn.Module):
    """akamaster/pytorch_resnet_cifar10: conv1, bn1, layer1…3, linear; no parameters in shortcuts."""

    def __init__(self, blocks: int, classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, 16, 3), nn.BatchNorm2d(16)
        self.layer1, self.layer2, self.layer3 = (
            nn.Sequential(
                *(
                    OptionABlock(width[0] if n == 0 else width[1], width[1], stride if n == 0 else 1)
                    for n in range(blocks)
                )
            )
            for width, stride in (((16, 16), 1), ((16, 32), 2), ((32, 64), 2))
        )
        self.linear = nn.Linear(64, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.bn1(self.conv1(images)))
        return self.linear(pooled(self.layer3(self.layer2(self.layer1(maps)))))


class ShortcutBlock(nn.Module):
    """kuangliu's basic block, with a convolution and a batch norm under the name `shortcut`."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs, 3), nn.BatchNorm2d(outputs)
        projected = stride != 1 or inputs != outputs
        self.shortcut = nn.Sequential(
            *((conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)) if projected else ())
        )

    def forward(self, maps: Tensor) -> Tensor:
        branch = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps)))))
        return F.relu(branch + self.shortcut(maps))


class Kuangliu(nn.Module):
    """ResNet-18 of kuangliu, Tf-KD, RepDistiller and mdistiller: layer1…4, shortcut, linear."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, 64, 3), nn.BatchNorm2d(64)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(ShortcutBlock(width[0], width[1], stride), ShortcutBlock(width[1], width[1], 1))
            for width, stride in (((64, 64), 1), ((64, 128), 2), ((128, 256), 2), ((256, 512), 2))
        )
        self.linear = nn.Linear(512, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.bn1(self.conv1(images)))
        return self.linear(pooled(self.layer4(self.layer3(self.layer2(self.layer1(maps))))))


class Weiaicunzai(nn.Module):
    """weiaicunzai/pytorch-cifar100's ResNet-18: conv1.0, conv2_x.0.residual_function.0, shortcut.0, fc."""

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int) -> None:
            super().__init__()
            self.residual_function = nn.Sequential(
                *(conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs), nn.ReLU()),
                *(conv(outputs, outputs, 3), nn.BatchNorm2d(outputs)),
            )
            projected = stride != 1 or inputs != outputs
            self.shortcut = nn.Sequential(
                *((conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)) if projected else ())
            )

        def forward(self, maps: Tensor) -> Tensor:
            return F.relu(self.residual_function(maps) + self.shortcut(maps))

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(conv(3, 64, 3), nn.BatchNorm2d(64), nn.ReLU())
        self.conv2_x, self.conv3_x, self.conv4_x, self.conv5_x = (
            nn.Sequential(self.Block(width[0], width[1], stride), self.Block(width[1], width[1], 1))
            for width, stride in (((64, 64), 1), ((64, 128), 2), ((128, 256), 2), ((256, 512), 2))
        )
        self.fc = nn.Linear(512, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.conv3_x(self.conv2_x(self.conv1(images)))
        return self.fc(pooled(self.conv5_x(self.conv4_x(maps))))


class WideBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, outputs, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), conv(outputs, outputs, 3)
        self.convShortcut = None if inputs == outputs else conv(inputs, outputs, 1, stride)

    def forward(self, maps: Tensor) -> Tensor:
        activated = F.relu(self.bn1(maps))
        branch = self.conv2(F.relu(self.bn2(self.conv1(activated))))
        return branch + (maps if self.convShortcut is None else self.convShortcut(activated))


class WideGroup(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.layer = nn.Sequential(WideBlock(inputs, outputs, stride), WideBlock(outputs, outputs, 1))

    def forward(self, maps: Tensor) -> Tensor:
        return self.layer(maps)


class RepDistillerWide(nn.Module):
    """RepDistiller's and mdistiller's WRN-16-2: block1.layer.0.convShortcut."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = conv(3, 16, 3)
        self.block1, self.block2, self.block3 = WideGroup(16, 32, 1), WideGroup(32, 64, 2), WideGroup(64, 128, 2)
        self.bn1, self.fc = nn.BatchNorm2d(128), nn.Linear(128, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.block3(self.block2(self.block1(self.conv1(images))))
        return self.fc(pooled(F.relu(self.bn1(maps))))


class RepDistillerVgg(nn.Module):
    """RepDistiller's and mdistiller's VGGs: block0…4, each without its last activation, and one linear layer."""

    def __init__(self, blocks: Sequence[Sequence[int]], classes: int) -> None:
        super().__init__()
        inputs = 3
        for number, widths in enumerate(blocks):
            layers: list[nn.Module] = []
            for width in widths:
                layers += [conv(inputs, width, 3, bias=True), nn.BatchNorm2d(width), nn.ReLU()]
                inputs = width
            self.add_module(f"block{number}", nn.Sequential(*layers[:-1]))
        self.classifier = nn.Linear(512, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = images
        for number in range(5):
            maps = F.relu(self.get_submodule(f"block{number}")(maps))
            if number < 3:
                maps = F.max_pool2d(maps, 2)
        return self.classifier(pooled(maps))


def shuffled(first: Tensor, second: Tensor) -> Tensor:
    return torch.stack((first, second), dim=2).flatten(1, 2)


class ShuffleUnit(nn.Module):
    """RepDistiller's units of ShuffleNetV2: conv1…3 in a plain one, conv1…5 in one that halves the image."""

    def __init__(self, inputs: int, outputs: int, *, halves: bool) -> None:
        super().__init__()
        self.halves, middle = halves, outputs // 2
        kinds = (
            [(inputs, inputs, 3, inputs), (inputs, middle, 1, 1), (inputs, middle, 1, 1)]
            if halves
            else [(middle, middle, 1, 1)]
        )
        kinds += [(middle, middle, 3, middle), (middle, middle, 1, 1)]
        for number, (wide, out, kernel, groups) in enumerate(kinds, start=1):
            stride = 2 if halves and kernel == 3 else 1
            self.add_module(f"conv{number}", conv(wide, out, kernel, stride, groups))
            self.add_module(f"bn{number}", nn.BatchNorm2d(out))

    def layer(self, number: int, maps: Tensor) -> Tensor:
        return self.get_submodule(f"bn{number}")(self.get_submodule(f"conv{number}")(maps))

    def forward(self, maps: Tensor) -> Tensor:
        if not self.halves:
            first, second = maps.chunk(2, dim=1)
            return shuffled(first, F.relu(self.layer(3, self.layer(2, F.relu(self.layer(1, second))))))
        left = F.relu(self.layer(2, self.layer(1, maps)))
        return shuffled(left, F.relu(self.layer(5, self.layer(4, F.relu(self.layer(3, maps))))))


class RepDistillerShuffle(nn.Module):
    """RepDistiller's and mdistiller's ShuffleV2: conv1, bn1, layer1…3, conv2, bn2, linear; a 1×1 stem."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, 24, 1), nn.BatchNorm2d(24)
        self.layer1, self.layer2, self.layer3 = (
            nn.Sequential(
                ShuffleUnit(inputs, width, halves=True),
                *(ShuffleUnit(width, width, halves=False) for _ in range(units)),
            )
            for inputs, width, units in ((24, 116, 3), (116, 232, 7), (232, 464, 3))
        )
        self.conv2, self.bn2, self.linear = conv(464, 1024, 1), nn.BatchNorm2d(1024), nn.Linear(1024, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(images))))))
        return self.linear(pooled(F.relu(self.bn2(self.conv2(maps)))))


class ResNeXtBlock(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width // 2
        self.conv_reduce, self.bn_reduce = conv(inputs, width, 1), nn.BatchNorm2d(width)
        self.conv_conv, self.bn = conv(width, width, 3, stride, groups=8), nn.BatchNorm2d(width)
        self.conv_expand, self.bn_expand = conv(width, outputs, 1), nn.BatchNorm2d(outputs)
        layers = OrderedDict(shortcut_conv=conv(inputs, outputs, 1, stride), shortcut_bn=nn.BatchNorm2d(outputs))
        self.shortcut = nn.Sequential(layers if inputs != outputs else OrderedDict())

    def forward(self, maps: Tensor) -> Tensor:
        branch = F.relu(self.bn_reduce(self.conv_reduce(maps)))
        branch = self.bn_expand(self.conv_expand(F.relu(self.bn(self.conv_conv(branch)))))
        return F.relu(branch + self.shortcut(maps))


class Prlz77(nn.Module):
    """prlz77's and Tf-KD's ResNeXt-29, 8×64d: conv_1_3x3, stage_1.stage_1_bottleneck_0.conv_reduce, classifier."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv_1_3x3, self.bn_1 = conv(3, 64, 3), nn.BatchNorm2d(64)
        for stage, (inputs, width, stride) in enumerate(((64, 512, 1), (256, 1024, 2), (512, 2048, 2)), start=1):
            blocks = {f"stage_{stage}_bottleneck_0": ResNeXtBlock(inputs, width, stride)}
            blocks |= {f"stage_{stage}_bottleneck_{n}": ResNeXtBlock(width // 2, width, 1) for n in (1, 2)}
            self.add_module(f"stage_{stage}", nn.Sequential(OrderedDict(blocks)))
        self.classifier = nn.Linear(1024, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = F.relu(self.bn_1(self.conv_1_3x3(images)))
        for stage in (1, 2, 3):
            maps = self.get_submodule(f"stage_{stage}")(maps)
        return self.classifier(pooled(maps))
