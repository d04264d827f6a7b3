"""SSD300 on VGG16, of torchvision's pieces: on its own 8732 anchors, or on the 3000 of its students.

Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016; Simonyan, Zisserman, ICLR 2015.
"""

from pathlib import Path

from torch import Tensor, nn

from greenkd.anchors import AnchorGrid
from greenkd.late_packages import torchvision
from greenkd.models.backbone_weights import start_backbone
from greenkd.models.registry import register_network
from greenkd.models.single_shot import MapChain, SingleShotDetector, fitting_maps


@register_network(
    parameters=26_728_388,
    macs=30_711_987_712,
    task="detection",
    anchors="ssdlite300",
    teacher="ssd300_vgg16",
    student="ssdlite300_mobilenet_v2",
    dataset="voc",
    input_shape=(3, 300, 300),
    num_classes=20,
    accuracy={
        "Liu et al., ECCV 2016, 07+12, 8732 anchors": 74.3,
        "the same with zoom-out": 77.2,
        "amdegroot/ssd.pytorch, 8732 anchors": 77.43,
    },
)
def ssd300_vgg16(
    num_classes: int,
    in_channels: int = 3,
    image_size: int = 300,
    *,
    anchors: AnchorGrid,
    pretrained_backbone: bool = False,
    backbone_weights: Path | None = None,
) -> nn.Module:
    """SSD300 on VGG16; with `dataset.anchors=ssdlite300` as the teacher of ODKD, on its student's 3000 anchors.

    On `ssd300` it is torchvision's: six maps from conv4_3 on, which is normalised. On `ssdlite300` and `ssdlite320` the
    first map is fc7's, at stride 16, and five halvings follow. All layers are trained, those of the backbone too.

    Args:
        num_classes: Classes, without the background.
        in_channels: Channels of the images.
        image_size: Pixels per side.
        anchors: The boxes to label and move.
        pretrained_backbone: Start VGG16 from torchvision's ImageNet weights (IMAGENET1K_V1), which are for pictures
            normalised by ImageNet's mean and standard deviation.
        backbone_weights: Where their file lies, vgg16-397923af.pth; None: it is fetched.
    """
    maps = fitting_maps("ssd300_vgg16", anchors)

    layers = _vgg16(in_channels)
    start_backbone(
        "ssd300_vgg16",
        layers,
        torchvision.models.VGG16_Weights.IMAGENET1K_V1,
        pretrained=pretrained_backbone,
        file=backbone_weights,
        in_channels=in_channels,
    )

    ssd = torchvision.models.detection.ssd
    extractor = ssd.SSDFeatureExtractorVGG(layers, highres=False)
    if maps == "from_stride_8":
        features: nn.Module = _AsList(extractor)
        channels = [512, 1024, 512, 256, 256, 256]
    else:
        to_fc7 = nn.Sequential(extractor.features, extractor.extra[0])
        features = MapChain([to_fc7, _halving(1024, 256, 512), _halving(512, 128, 256), *_further(3)])
        channels = [1024, 512, 256, 256, 256, 256]

    return SingleShotDetector(features, ssd.SSDHead(channels, list(anchors.per_location), num_classes + 1))


def _vgg16(in_channels: int) -> nn.Sequential:
    """Returns VGG16's convolutions, their weights drawn as torchvision draws them."""
    vgg = torchvision.models.vgg
    layers: nn.Sequential = vgg.make_layers(vgg.cfgs["D"], batch_norm=False)
    if in_channels != 3:
        layers[0] = nn.Conv2d(in_channels, 64, 3, padding=1)

    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    _clear_biases(layers)
    return layers


class _AsList(nn.Module):
    """Hands out the maps of torchvision's extractor without their names.

    Args:
        extractor: Returns a dictionary, the finest map first.
    """

    def __init__(self, extractor: nn.Module) -> None:
        super().__init__()
        self.extractor = extractor

    def forward(self, images: Tensor) -> list[Tensor]:
        return list(self.extractor(images).values())


def _further(count: int) -> list[nn.Module]:
    return [_halving(256, 128, 256) for _ in range(count)]


def _halving(in_channels: int, between: int, out_channels: int) -> nn.Sequential:
    """Makes a map of half the size, as SSD's conv8_2; torchvision draws its weights likewise."""
    block = nn.Sequential(
        nn.Conv2d(in_channels, between, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(between, out_channels, 3, stride=2, padding=1),
        nn.ReLU(inplace=True),
    )
    for layer in block:
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
    _clear_biases(block)
    return block


def _clear_biases(layers: nn.Module) -> None:
    for name, parameter in layers.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
