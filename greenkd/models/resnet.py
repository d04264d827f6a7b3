"""ResNet-18 … ResNet-152: torchvision's four-stage networks with a stem for small images.

The 7×7 convolution of stride 2 becomes 3×3 of stride 1 and the max pooling is dropped, as in the original's code and in
the distillation literature, so a 32×32 image reaches the last stage at 4×4.
"""

from torch import nn

from greenkd.models.small_images import replace_stem, require_image_size

_MINIMUM = 8  # three stages halve the image


def resnet18(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """ResNet-18 (He et al., CVPR 2016): basic blocks 2-2-2-2."""
    return _small_stem("resnet18", num_classes, in_channels, image_size)


def resnet34(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """ResNet-34 (He et al., CVPR 2016): basic blocks 3-4-6-3."""
    return _small_stem("resnet34", num_classes, in_channels, image_size)


def resnet50(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """ResNet-50 (He et al., CVPR 2016): bottlenecks 3-4-6-3."""
    return _small_stem("resnet50", num_classes, in_channels, image_size)


def resnet101(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """ResNet-101 (He et al., CVPR 2016): bottlenecks 3-4-23-3."""
    return _small_stem("resnet101", num_classes, in_channels, image_size)


def resnet152(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """ResNet-152 (He et al., CVPR 2016): bottlenecks 3-8-36-3."""
    return _small_stem("resnet152", num_classes, in_channels, image_size)


def _small_stem(name: str, num_classes: int, in_channels: int, image_size: int) -> nn.Module:
    import torchvision

    require_image_size(name, image_size, _MINIMUM)
    network: nn.Module = torchvision.models.get_model(name, num_classes=num_classes)
    stem = replace_stem(network, "conv1", in_channels=in_channels)
    nn.init.kaiming_normal_(stem.weight, mode="fan_out", nonlinearity="relu")
    network.set_submodule("maxpool", nn.Identity())
    return network
