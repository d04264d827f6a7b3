"""ShuffleNetV2 at four widths: torchvision's networks with a stem for small images.

Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", ECCV 2018. The stem's stride
becomes 1 and its max pooling is dropped, so a 32×32 image reaches the last stage at 4×4.
"""

from typing import Literal

from torch import nn

from greenkd.models.small_images import replace_stem, require_image_size

_MINIMUM = 8  # three stages halve the image


def shufflenet_v2(
    num_classes: int, in_channels: int = 3, image_size: int = 32, stem_kernel: Literal[1, 3] = 3
) -> nn.Module:
    """ShuffleNetV2 ×1.0, the original work's second student.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        stem_kernel: 3, as in the original's code; 1, as in the literature's CIFAR-100 tables (RepDistiller).
    """
    return _small_stem("shufflenet_v2", num_classes, in_channels, image_size, width="x1_0", stem_kernel=stem_kernel)


def shufflenet_v2_x0_5(
    num_classes: int, in_channels: int = 3, image_size: int = 32, stem_kernel: Literal[1, 3] = 3
) -> nn.Module:
    """ShuffleNetV2 ×0.5; arguments as for `shufflenet_v2`."""
    return _small_stem(
        "shufflenet_v2_x0_5", num_classes, in_channels, image_size, width="x0_5", stem_kernel=stem_kernel
    )


def shufflenet_v2_x1_5(
    num_classes: int, in_channels: int = 3, image_size: int = 32, stem_kernel: Literal[1, 3] = 3
) -> nn.Module:
    """ShuffleNetV2 ×1.5; arguments as for `shufflenet_v2`."""
    return _small_stem(
        "shufflenet_v2_x1_5", num_classes, in_channels, image_size, width="x1_5", stem_kernel=stem_kernel
    )


def shufflenet_v2_x2_0(
    num_classes: int, in_channels: int = 3, image_size: int = 32, stem_kernel: Literal[1, 3] = 3
) -> nn.Module:
    """ShuffleNetV2 ×2.0; arguments as for `shufflenet_v2`."""
    return _small_stem(
        "shufflenet_v2_x2_0", num_classes, in_channels, image_size, width="x2_0", stem_kernel=stem_kernel
    )


def _small_stem(
    name: str, num_classes: int, in_channels: int, image_size: int, *, width: str, stem_kernel: int
) -> nn.Module:
    import torchvision

    from greenkd.models.channel_shuffle import Interleaved

    require_image_size(name, image_size, _MINIMUM)
    network: nn.Module = torchvision.models.get_model(
        f"shufflenet_v2_{width}", num_classes=num_classes, inverted_residual=Interleaved
    )
    # torchvision leaves this architecture's weights at PyTorch's default, so the new stem's are left there too.
    replace_stem(network, "conv1.0", in_channels=in_channels, kernel_size=stem_kernel)
    network.set_submodule("maxpool", nn.Identity())
    return network
