"""ResNet-18 … ResNet-152: torchvision's four-stage networks with a stem for small images.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016. The 7×7 convolution of stride 2 becomes 3×3 of
stride 1 and the max pooling is dropped, as in the code of Rafat et al. and of Tian et al., ICLR 2020 (RepDistiller), so
a 32×32 image reaches the last stage at 4×4.
"""

from torch import nn

from greenkd.late_packages import torchvision
from greenkd.models.initial_weights import InitialWeights, reset_to_pytorch_defaults
from greenkd.models.registry import register_network
from greenkd.models.small_images import replace_stem, require_image_size

_MINIMUM = 8  # three stages halve the image


@register_network(
    parameters=11_220_132,
    macs=555_468_800,
    teacher="resnet50",
    student="mobilenet_v2",
    differences="Tf-KD's and Rafat et al.'s initial weights: `init=source`; RepDistiller's are ours",
    accuracy={"Rafat et al., 100 epochs": 76.03, "Tf-KD: Yuan et al., CVPR 2020, 200 epochs": 75.87},
)
def resnet18(
    num_classes: int, in_channels: int = 3, image_size: int = 32, init: InitialWeights = "torchvision"
) -> nn.Module:
    """ResNet-18 with a stem for small images, basic blocks 2-2-2-2: the teacher of Rafat et al.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        init: `source` draws PyTorch's default weights, as the code of Tf-KD and of Rafat et al. does; torchvision's
            are those of RepDistiller too.
    """
    return _small_stem("resnet18", num_classes, in_channels, image_size, init)


@register_network(
    parameters=21_328_292,
    macs=1_159_448_576,
    teacher="resnet50",
    student="mobilenet_v2",
    differences="Tf-KD's and Rafat et al.'s initial weights: `init=source`; RepDistiller's are ours",
)
def resnet34(
    num_classes: int, in_channels: int = 3, image_size: int = 32, init: InitialWeights = "torchvision"
) -> nn.Module:
    """ResNet-34 with a stem for small images, basic blocks 3-4-6-3.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        init: `source` draws PyTorch's default weights, as the code of Tf-KD and of Rafat et al. does; torchvision's
            are those of RepDistiller too.
    """
    return _small_stem("resnet34", num_classes, in_channels, image_size, init)


@register_network(
    parameters=23_705_252,
    macs=1_298_014_208,
    teacher="resnet50",
    student="mobilenet_v2_half",
    differences="Tf-KD's and Rafat et al.'s initial weights: `init=source`; RepDistiller's are ours",
    accuracy={"Tian et al., ICLR 2020, 240 epochs": 79.34, "Tf-KD: Yuan et al., CVPR 2020, 200 epochs": 78.16},
)
def resnet50(
    num_classes: int, in_channels: int = 3, image_size: int = 32, init: InitialWeights = "torchvision"
) -> nn.Module:
    """ResNet-50 with a stem for small images, bottlenecks 3-4-6-3.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        init: `source` draws PyTorch's default weights, as the code of Tf-KD and of Rafat et al. does; torchvision's
            are those of RepDistiller too.
    """
    return _small_stem("resnet50", num_classes, in_channels, image_size, init)


@register_network(
    parameters=42_697_380,
    macs=2_510_168_064,
    teacher="resnet101",
    student="mobilenet_v2",
    differences="Tf-KD's and Rafat et al.'s initial weights: `init=source`; RepDistiller's are ours",
)
def resnet101(
    num_classes: int, in_channels: int = 3, image_size: int = 32, init: InitialWeights = "torchvision"
) -> nn.Module:
    """ResNet-101 with a stem for small images, bottlenecks 3-4-23-3.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        init: `source` draws PyTorch's default weights, as the code of Tf-KD and of Rafat et al. does; torchvision's
            are those of RepDistiller too.
    """
    return _small_stem("resnet101", num_classes, in_channels, image_size, init)


@register_network(
    parameters=58_341_028,
    macs=3_722_321_920,
    teacher="resnet152",
    student="mobilenet_v2",
    differences="Tf-KD's and Rafat et al.'s initial weights: `init=source`; RepDistiller's are ours",
)
def resnet152(
    num_classes: int, in_channels: int = 3, image_size: int = 32, init: InitialWeights = "torchvision"
) -> nn.Module:
    """ResNet-152 with a stem for small images, bottlenecks 3-8-36-3.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        init: `source` draws PyTorch's default weights, as the code of Tf-KD and of Rafat et al. does; torchvision's
            are those of RepDistiller too.
    """
    return _small_stem("resnet152", num_classes, in_channels, image_size, init)


def _small_stem(name: str, num_classes: int, in_channels: int, image_size: int, init: InitialWeights) -> nn.Module:
    """Builds torchvision's network of that name and changes what an image of 32×32 pixels needs changed."""
    require_image_size(name, image_size, _MINIMUM)

    network: nn.Module = torchvision.models.get_model(name, num_classes=num_classes)
    stem = replace_stem(network, "conv1", in_channels=in_channels)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")

    network.set_submodule("maxpool", nn.Identity())
    if init == "source":
        reset_to_pytorch_defaults(network)
    return network
