"""DenseNet-121 for small images: torchvision's network with another stem.

Huang et al., "Densely Connected Convolutional Networks", CVPR 2017. The 7×7 convolution of stride 2 becomes 3×3 of
stride 1 and the stem's max pooling is dropped, so a 32×32 image reaches the last dense block at 4×4.
"""

from torch import nn

from greenkd.late_packages import torchvision
from greenkd.models.initial_weights import InitialWeights, reset_to_pytorch_defaults
from greenkd.models.registry import register_network
from greenkd.models.small_images import replace_stem, require_image_size

_MINIMUM = 8  # three transitions halve the image


@register_network(
    parameters=7_048_676,
    macs=888_442_880,
    teacher="resnext29",
    student="mobilenet_v2",
    differences="Tf-KD's and Rafat et al.'s have no batch norm and ReLU after the stem, no ReLU in the three "
    "transitions, and other initial weights: `init=source`",
    accuracy={"Tf-KD: Yuan et al., CVPR 2020, 200 epochs": 79.04},
)
def densenet121(
    num_classes: int, in_channels: int = 3, image_size: int = 32, init: InitialWeights = "torchvision"
) -> nn.Module:
    """DenseNet-121 (BC) with a stem for small images: growth rate 32, dense blocks of 6-12-24-16 layers.

    Args:
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        init: `source` draws PyTorch's default weights, as the code of Tf-KD and of Rafat et al. does.
    """
    require_image_size("densenet121", image_size, _MINIMUM)

    network: nn.Module = torchvision.models.densenet121(num_classes=num_classes)
    stem = replace_stem(network, "features.conv0", in_channels=in_channels)
    nn.init.kaiming_normal_(stem.weight)

    network.set_submodule("features.pool0", nn.Identity())
    if init == "source":
        reset_to_pytorch_defaults(network)
    return network
