"""AlexNet for small images, in the form that the code of Rafat et al. gives it: torchvision's channels, other strides.

Krizhevsky, "One weird trick for parallelizing convolutional neural networks", arXiv 2014. Of torchvision's network only
the five widths fit this image size (its head alone would hold 54 of 57 million parameters and read a 1×1 map copied 36
times), so the layers are written out here.
"""

from collections import OrderedDict

from torch import nn

from greenkd.models.registry import register_network
from greenkd.models.small_images import require_image_size

_MINIMUM = 29  # the stem's stride of 4 and three poolings leave one pixel


@register_network(
    parameters=2_495_396,
    macs=14_980_096,
    teacher="resnet18",
    student="mobilenet_v2",
)
def alexnet(num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """AlexNet with five convolutions, 2×2 poolings and one linear layer of 256 features, without batch norm.

    Train it at a learning rate of 0.01; images have at least 29×29 pixels.
    """
    require_image_size("alexnet", image_size, _MINIMUM)

    features = nn.Sequential(
        nn.Conv2d(in_channels, 64, 11, stride=4, padding=5),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(64, 192, 5, padding=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(192, 384, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(384, 256, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(256, 256, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    )

    return nn.Sequential(
        OrderedDict(
            features=features,
            avgpool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            classifier=nn.Linear(256, num_classes),
        )
    )
