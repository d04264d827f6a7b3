"""MobileNetV2 for small images, in the two geometries that are published for CIFAR: torchvision's blocks throughout.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018.
"""

from typing import Annotated

from pydantic import Field
from torch import nn

from greenkd.late_packages import torchvision
from greenkd.models.initial_weights import InitialWeights, reset_to_pytorch_defaults
from greenkd.models.registry import register_network
from greenkd.models.small_images import replace_stem, require_image_size

_MINIMUM = 8  # three of the strides below are 2

# Expansion, channels, blocks, stride of the first block: the strides of the code of Rafat et al. and of Tf-KD.
_RAFAT = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 1], [6, 320, 1, 1]]
# The same in the code of Tian et al., ICLR 2020 (RepDistiller), where the stem halves the image too.
_TIAN = [
    [1, 16, 1, 1],
    [6, 24, 2, 1],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
]


@register_network(
    parameters=2_351_204,
    macs=63_763_520,
    teacher="resnet18",
    student="mobilenet_v2",
    differences="Tf-KD's and Rafat et al.'s expand the first block by one, have biases before batch norms, and other "
    "initial weights: `init=source`",
    accuracy={"Tf-KD: Yuan et al., CVPR 2020, 200 epochs": 68.38},
)
def mobilenet_v2(
    num_classes: int,
    in_channels: int = 3,
    image_size: int = 32,
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
    init: InitialWeights = "torchvision",
) -> nn.Module:
    """MobileNetV2 at full width with the stem and strides of Rafat et al.: their first student.

    The stem is a 1×1 convolution with one pixel of padding, as in their code, so a 32×32 image becomes 34×34, filled
    from the batch norm. Their first block has a 1×1 expansion that torchvision and Sandler et al. leave out: 1.2 MMAC
    of 64.8 at 32×32.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        dropout: Before the linear layer; torchvision's default is 0.2, their code has none.
        init: `source` draws PyTorch's default weights, as their code and Tf-KD's does.
    """
    require_image_size("mobilenet_v2", image_size, _MINIMUM)

    network: nn.Module = torchvision.models.MobileNetV2(
        num_classes=num_classes, inverted_residual_setting=_RAFAT, dropout=dropout
    )

    stem = replace_stem(network, "features.0.0", in_channels=in_channels, kernel_size=1, padding=1)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out")
    if init == "source":
        reset_to_pytorch_defaults(network)
    return _out_of_place(network)


@register_network(
    parameters=812_548,
    macs=6_458_112,
    teacher="resnet50",
    student="resnet20",
    differences="RepDistiller's has ReLU instead of ReLU6 and expands the first block by one (288 parameters more)",
    accuracy={"Tian et al., ICLR 2020, 240 epochs": 64.6},
)
def mobilenet_v2_half(
    num_classes: int,
    in_channels: int = 3,
    image_size: int = 32,
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0,
) -> nn.Module:
    """MobileNetV2 at half width, stem of stride 2: the "MobileNetV2" of the literature's CIFAR-100 tables.

    The stem is 3×3, the first stages keep the resolution, and the halved channels are not rounded to multiples of 8.
    The code behind the tables (RepDistiller) uses ReLU where torchvision has ReLU6, and expands the first block, which
    costs 288 parameters more.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        dropout: Before the linear layer; torchvision's default is 0.2, RepDistiller has none.
    """
    require_image_size("mobilenet_v2_half", image_size, 2 * _MINIMUM)

    network: nn.Module = torchvision.models.MobileNetV2(
        num_classes=num_classes,
        width_mult=0.5,
        inverted_residual_setting=_TIAN,
        round_nearest=1,
        dropout=dropout,
    )

    stem = replace_stem(network, "features.0.0", in_channels=in_channels, stride=2)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out")
    return _out_of_place(network)


def _out_of_place(network: nn.Module) -> nn.Module:
    """Takes ReLU6 out of place: its backward pass needs its input, of which autograd keeps a copy otherwise."""
    for module in network.modules():
        if isinstance(module, nn.ReLU6):
            module.inplace = False
    return network
