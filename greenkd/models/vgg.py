"""VGG-8, -13, -16 and -19 with batch norm, in the distillation literature's form for small images.

Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015, as Tian et al.,
ICLR 2020 (RepDistiller), use them: torchvision's convolutions, global average pooling instead of the last max pooling,
one linear layer of 512 features instead of three. Below 64×64 pixels the fourth max pooling is left out too, so a 32×32
image reaches the last block at 4×4.
"""

from collections import OrderedDict

from torch import nn

from greenkd.late_packages import torchvision
from greenkd.models.registry import register_network
from greenkd.models.small_images import replace_stem, require_image_size

_VGG8: list[int | str] = [64, "M", 128, "M", 256, "M", 512, "M", 512, "M"]
_MINIMUM = 16  # at 8×8 the last two blocks, which have no shortcuts, would see one pixel and its padding


@register_network(
    parameters=3_965_028,
    macs=96_192_512,
    teacher="vgg13",
    student="vgg8",
    accuracy={"Tian et al., ICLR 2020, 240 epochs": 70.36},
)
def vgg8(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """VGG-8 with batch norm: one convolution per block; one linear layer; images from 16×16 pixels."""
    return _small_vgg("vgg8", _VGG8, num_classes, in_channels, image_size)


@register_network(
    parameters=9_462_180,
    macs=284_936_192,
    teacher="vgg13",
    student="vgg8",
    accuracy={"Tian et al., ICLR 2020, 240 epochs": 74.64},
)
def vgg13(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """VGG-13 (configuration B) with batch norm: convolutions 2-2-2-2-2; one linear layer; images from 16×16 pixels."""
    return _small_vgg("vgg13", "B", num_classes, in_channels, image_size)


@register_network(
    parameters=14_774_436,
    macs=398_182_400,
    teacher="vgg19",
    student="vgg8",
)
def vgg16(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """VGG-16 (configuration D) with batch norm: convolutions 2-2-3-3-3; one linear layer; images from 16×16 pixels."""
    return _small_vgg("vgg16", "D", num_classes, in_channels, image_size)


@register_network(
    parameters=20_086_692,
    macs=511_428_608,
    teacher="vgg19",
    student="vgg8",
)
def vgg19(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """VGG-19 (configuration E) with batch norm: convolutions 2-2-4-4-4; one linear layer; images from 16×16 pixels."""
    return _small_vgg("vgg19", "E", num_classes, in_channels, image_size)


def _small_vgg(
    name: str, layout: list[int | str] | str, num_classes: int, in_channels: int, image_size: int
) -> nn.Module:
    require_image_size(name, image_size, _MINIMUM)

    # The last max pooling becomes a global average; small images skip the fourth.
    layers = torchvision.models.vgg.cfgs[layout] if isinstance(layout, str) else layout
    pooling = [position for position, layer in enumerate(layers) if layer == "M"]
    dropped = pooling[4:] if image_size >= 64 else pooling[3:]
    kept = [layer for position, layer in enumerate(layers) if position not in dropped]

    classifier = nn.Linear(512, num_classes)
    network = nn.Sequential(
        OrderedDict(
            features=torchvision.models.vgg.make_layers(kept, batch_norm=True),
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            classifier=classifier,
        )
    )
    replace_stem(network, "features.0", in_channels=in_channels)

    # The initial weights are those of torchvision's VGGs.
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)

    nn.init.normal_(classifier.weight, 0.0, 0.01)
    nn.init.zeros_(classifier.bias)
    return network
