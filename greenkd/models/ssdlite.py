"""SSDLite: single-shot detectors of depthwise convolutions, on MobileNetV2 and MobileNetV3.

Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, section 6.2; Howard et al.,
"Searching for MobileNetV3", ICCV 2019, section 6.3. Blocks and heads are torchvision's.
"""

from functools import partial
from pathlib import Path

from torch import nn

from greenkd.anchors import AnchorGrid
from greenkd.late_packages import torchvision
from greenkd.models.backbone_weights import start_backbone
from greenkd.models.registry import register_network
from greenkd.models.single_shot import MapChain, SingleShotDetector, fitting_maps
from greenkd.models.small_images import replace_stem

_C3, _C4 = 7, 14  # blocks of MobileNetV2 whose stride takes the map from 8 to 16, and from 16 to 32
_V3_C4 = 13  # of MobileNetV3


@register_network(
    parameters=3_383_876,
    macs=660_830_128,
    task="detection",
    anchors="ssdlite300",
    teacher="ssd300_vgg16",
    student="ssdlite300_mobilenet_v2",
    dataset="voc",
    input_shape=(3, 300, 300),
    num_classes=20,
    accuracy={"qfgaohao/pytorch-ssd, 07+12, its best test epoch": 68.6},
    differences="Its last head is a plain 1×1 convolution",
)
def ssdlite300_mobilenet_v2(
    num_classes: int,
    in_channels: int = 3,
    image_size: int = 300,
    *,
    anchors: AnchorGrid,
    pretrained_backbone: bool = False,
    backbone_weights: Path | None = None,
) -> nn.Module:
    """MobileNetV2-SSDLite for 300×300 pixels in the form of qfgaohao/pytorch-ssd: the student of ODKD.

    The first map is the expansion of block 14 at stride 16, the second the last of the backbone at stride 32; four
    inverted residuals follow. On the anchors `ssd300` the expansion of block 7 at stride 8 comes before them.

    Args:
        num_classes: Classes, without the background.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        anchors: The boxes to label and move.
        pretrained_backbone: Start MobileNetV2 from torchvision's ImageNet weights (IMAGENET1K_V2).
        backbone_weights: Where their file lies, mobilenet_v2-7ebf99e0.pth; None: it is fetched.
    """
    maps = fitting_maps("ssdlite300_mobilenet_v2", anchors)

    backbone = torchvision.models.mobilenet_v2()
    start_backbone(
        "ssdlite300_mobilenet_v2",
        backbone.features,
        torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V2,
        pretrained=pretrained_backbone,
        file=backbone_weights,
        in_channels=in_channels,
    )
    if in_channels != 3:
        replace_stem(backbone, "features.0.0", in_channels=in_channels, stride=2)

    # Every stage ends with the expansion of a block, before its depthwise convolution halves the map.
    blocks = list(backbone.features)
    stages: list[nn.Module] = []
    start: list[nn.Module] = blocks[:_C3]
    if maps == "from_stride_8":
        stages.append(nn.Sequential(*start, blocks[_C3].conv[0]))
        start = [blocks[_C3].conv[1:]]
    else:
        start = [*start, blocks[_C3]]
    stages.append(nn.Sequential(*start, *blocks[_C3 + 1 : _C4], blocks[_C4].conv[0]))
    stages.append(nn.Sequential(blocks[_C4].conv[1:], *blocks[_C4 + 1 :]))

    block = torchvision.models.mobilenetv2.InvertedResidual
    extras = [
        block(1280, 512, 2, 0.2),
        block(512, 256, 2, 0.25),
        block(256, 256, 2, 0.5),
        block(256, 64, 2, 0.25),
    ]
    channels = [576, 1280, 512, 256, 256, 64]
    if maps == "from_stride_8":
        extras[2:] = [nn.Sequential(*extras[2:])]  # from 3 cells to 1
        channels = [192, 576, 1280, 512, 256, 64]

    ssdlite = torchvision.models.detection.ssdlite
    head = ssdlite.SSDLiteHead(channels, list(anchors.per_location), num_classes + 1, nn.BatchNorm2d)
    return SingleShotDetector(MapChain([*stages, *extras]), head)


@register_network(
    parameters=2_469_860,
    macs=443_288_384,
    task="detection",
    anchors="ssdlite320",
    teacher="ssd300_vgg16",
    student="ssdlite320_mobilenet_v3",
    dataset="voc",
    input_shape=(3, 320, 320),
    num_classes=20,
)
def ssdlite320_mobilenet_v3(
    num_classes: int,
    in_channels: int = 3,
    image_size: int = 320,
    *,
    anchors: AnchorGrid,
    reduced_tail: bool = True,
    pretrained_backbone: bool = False,
    backbone_weights: Path | None = None,
) -> nn.Module:
    """MobileNetV3-Large-SSDLite for 320×320 pixels, torchvision's; it takes the anchors of 300×300 pixels as well.

    Args:
        num_classes: Classes, without the background.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        anchors: The boxes to label and move.
        reduced_tail: Halve the channels of the last stage, as the authors do for detection. ImageNet weights are for
            the full one.
        pretrained_backbone: Start MobileNetV3 from torchvision's ImageNet weights (IMAGENET1K_V1).
        backbone_weights: Where their file lies, mobilenet_v3_large-8738ca79.pth; None: it is fetched.
    """
    fitting_maps("ssdlite320_mobilenet_v3", anchors, takes=("from_stride_16",))
    if pretrained_backbone and reduced_tail:
        raise ValueError(
            "pretrained_backbone=true needs reduced_tail=false: there are no ImageNet weights of that tail"
        )

    norm_layer = partial(nn.BatchNorm2d, eps=0.001, momentum=0.03)
    backbone = torchvision.models.mobilenet_v3_large(norm_layer=norm_layer, reduced_tail=reduced_tail)
    start_backbone(
        "ssdlite320_mobilenet_v3",
        backbone.features,
        torchvision.models.MobileNet_V3_Large_Weights.IMAGENET1K_V1,
        pretrained=pretrained_backbone,
        file=backbone_weights,
        in_channels=in_channels,
    )
    if in_channels != 3:
        replace_stem(backbone, "features.0.0", in_channels=in_channels, stride=2)

    ssdlite = torchvision.models.detection.ssdlite
    extractor = ssdlite.SSDLiteFeatureExtractorMobileNet(backbone.features, _V3_C4, norm_layer)
    channels = [672, 480 if reduced_tail else 960, 512, 256, 256, 128]
    head = ssdlite.SSDLiteHead(channels, list(anchors.per_location), num_classes + 1, norm_layer)
    return SingleShotDetector(MapChain([*extractor.features, *extractor.extra]), head)
