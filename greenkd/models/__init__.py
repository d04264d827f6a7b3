"""Networks by name: classic small-image networks, and torchvision's architectures with small-image stems.

Every function builds one network with fresh weights, drawn from PyTorch's global generator:

    name(num_classes: int, in_channels: int = 3, image_size: int = 32, ...) -> nn.Module

The network maps images [B, in_channels, image_size, image_size] to logits [B, num_classes]; its last module is the
linear layer that does so. Images smaller than a network can take raise a ValueError that names the least size.
`docs/networks.md` lists parameters and MACs.

>>> from greenkd import models
>>> network = models.resnet20(num_classes=10)
>>> sum(parameter.numel() for parameter in network.parameters())
272474
"""

from greenkd.models.alexnet import alexnet
from greenkd.models.cifar_resnet import (
    resnet8,
    resnet8x4,
    resnet14,
    resnet20,
    resnet32,
    resnet32x4,
    resnet44,
    resnet56,
    resnet110,
    resnext29,
)
from greenkd.models.densenet import densenet121
from greenkd.models.googlenet import googlenet
from greenkd.models.mobilenet import mobilenet_v2, mobilenet_v2_half
from greenkd.models.resnet import resnet18, resnet34, resnet50, resnet101, resnet152
from greenkd.models.shufflenet_v1 import shufflenet_v1
from greenkd.models.shufflenet_v2 import shufflenet_v2, shufflenet_v2_x0_5, shufflenet_v2_x1_5, shufflenet_v2_x2_0
from greenkd.models.small import cnn, small_cnn, tiny_cnn
from greenkd.models.timm_networks import from_timm
from greenkd.models.vgg import vgg8, vgg13, vgg16, vgg19
from greenkd.models.wide_resnet import wrn_16_1, wrn_16_2, wrn_40_1, wrn_40_2

NETWORKS = (
    tiny_cnn,
    small_cnn,
    cnn,
    resnet8,
    resnet14,
    resnet20,
    resnet32,
    resnet44,
    resnet56,
    resnet110,
    resnet8x4,
    resnet32x4,
    wrn_16_1,
    wrn_16_2,
    wrn_40_1,
    wrn_40_2,
    vgg8,
    vgg13,
    vgg16,
    vgg19,
    shufflenet_v1,
    shufflenet_v2_x0_5,
    shufflenet_v2,
    shufflenet_v2_x1_5,
    shufflenet_v2_x2_0,
    mobilenet_v2_half,
    mobilenet_v2,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext29,
    densenet121,
    googlenet,
    alexnet,
)
"""Every network that is defined here, in the order of the table in docs/networks.md."""

__all__ = [
    "NETWORKS",
    "alexnet",
    "cnn",
    "densenet121",
    "from_timm",
    "googlenet",
    "mobilenet_v2",
    "mobilenet_v2_half",
    "resnet8",
    "resnet8x4",
    "resnet14",
    "resnet18",
    "resnet20",
    "resnet32",
    "resnet32x4",
    "resnet34",
    "resnet44",
    "resnet50",
    "resnet56",
    "resnet101",
    "resnet110",
    "resnet152",
    "resnext29",
    "shufflenet_v1",
    "shufflenet_v2",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
    "small_cnn",
    "tiny_cnn",
    "vgg8",
    "vgg13",
    "vgg16",
    "vgg19",
    "wrn_16_1",
    "wrn_16_2",
    "wrn_40_1",
    "wrn_40_2",
]
