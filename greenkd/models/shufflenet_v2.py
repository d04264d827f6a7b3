"""ShuffleNetV2 at four widths: torchvision's networks with a stem for small images.

Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", ECCV 2018. The stem's stride
becomes 1 and its max pooling is dropped, so a 32×32 image reaches the last stage at 4×4.
"""

from typing import Literal

from torch import nn

from greenkd.late_packages import LatePackage, torchvision
from greenkd.models.registry import register_network
from greenkd.models.small_images import replace_stem, require_image_size

_MINIMUM = 8  # three stages halve the image
_blocks = LatePackage("greenkd.models.blocks.channel_shuffle")  # torchvision's, changed


@register_network(
    parameters=1_356_104,
    macs=45_094_272,
    teacher="resnet18",
    student="mobilenet_v2",
    differences="Tf-KD's and Rafat et al.'s have no ReLU after the stem, biases, and a wider middle in the three "
    "blocks that halve the image; RepDistiller's is ours with `stem_kernel=1`",
    accuracy={
        "Tf-KD: Yuan et al., CVPR 2020, 200 epochs": 70.34,
        "Tian et al., ICLR 2020, 240 epochs, stem_kernel=1": 71.82,
    },
)
def shufflenet_v2(
    num_classes: int, in_channels: int = 3, image_size: int = 32, stem_kernel: Literal[1, 3] = 3
) -> nn.Module:
    """ShuffleNetV2 ×1.0 with a stem for small images: the second student of Rafat et al.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        stem_kernel: 3, as in the code of Rafat et al.; 1, as in the literature's CIFAR-100 tables (RepDistiller).
    """
    return _small_stem("shufflenet_v2", num_classes, in_channels, image_size, width="x1_0", stem_kernel=stem_kernel)


@register_network(
    parameters=444_292,
    macs=10_994_176,
    teacher="resnet18",
    student="mobilenet_v2",
)
def shufflenet_v2_x0_5(
    num_classes: int, in_channels: int = 3, image_size: int = 32, stem_kernel: Literal[1, 3] = 3
) -> nn.Module:
    """ShuffleNetV2 ×0.5 with a stem for small images.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        stem_kernel: As of `shufflenet_v2`.
    """
    return _small_stem(
        "shufflenet_v2_x0_5", num_classes, in_channels, image_size, width="x0_5", stem_kernel=stem_kernel
    )


@register_network(
    parameters=2_581_124,
    macs=94_351_872,
    teacher="resnet18",
    student="mobilenet_v2",
)
def shufflenet_v2_x1_5(
    num_classes: int, in_channels: int = 3, image_size: int = 32, stem_kernel: Literal[1, 3] = 3
) -> nn.Module:
    """ShuffleNetV2 ×1.5 with a stem for small images.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        stem_kernel: As of `shufflenet_v2`.
    """
    return _small_stem(
        "shufflenet_v2_x1_5", num_classes, in_channels, image_size, width="x1_5", stem_kernel=stem_kernel
    )


@register_network(
    parameters=5_549_896,
    macs=187_995_520,
    teacher="resnet18",
    student="mobilenet_v2",
)
def shufflenet_v2_x2_0(
    num_classes: int, in_channels: int = 3, image_size: int = 32, stem_kernel: Literal[1, 3] = 3
) -> nn.Module:
    """ShuffleNetV2 ×2.0 with a stem for small images.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        stem_kernel: As of `shufflenet_v2`.
    """
    return _small_stem(
        "shufflenet_v2_x2_0", num_classes, in_channels, image_size, width="x2_0", stem_kernel=stem_kernel
    )


def _small_stem(
    name: str, num_classes: int, in_channels: int, image_size: int, *, width: str, stem_kernel: int
) -> nn.Module:
    """Builds torchvision's network of that width and changes what an image of 32×32 pixels needs changed."""
    require_image_size(name, image_size, _MINIMUM)

    network: nn.Module = torchvision.models.get_model(
        f"shufflenet_v2_{width}", num_classes=num_classes, inverted_residual=_blocks.ShuffleUnit
    )

    # torchvision leaves this architecture's weights at PyTorch's default, so the new stem's are left there too.
    replace_stem(network, "conv1.0", in_channels=in_channels, kernel_size=stem_kernel)
    network.set_submodule("maxpool", nn.Identity())
    return network
