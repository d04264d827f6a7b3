"""What single-shot detectors have in common: maps of several sizes, and heads that label and move anchors on them.

Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016. The heads are torchvision's.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from greenkd.anchors import AnchorGrid

Maps = Literal["from_stride_8", "from_stride_16"]
"""Which cells a network's anchors lie on: those of SSD300, or those of SSDLite, whose finest map is half as fine."""

_FITTING: dict[tuple[int, ...], Maps] = {
    (38, 19, 10, 5, 3, 1): "from_stride_8",
    (19, 10, 5, 3, 2, 1): "from_stride_16",
    (20, 10, 5, 3, 2, 1): "from_stride_16",
}


class SingleShotDetector(nn.Module):
    """Maps images to what is said about every anchor, in one tensor.

    Args:
        features: Turns images [B, C, H, W] into a list of maps, the finest first.
        head: Turns the maps into `cls_logits` [B, A, num_classes + 1] and `bbox_regression` [B, A, 4], as
            torchvision's heads do.
    """

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Maps images [B, C, H, W] to [B, A, num_classes + 5]: logits, background first, then four offsets."""
        said = self.head(self.features(images))
        return torch.cat([said["cls_logits"], said["bbox_regression"]], dim=2)


class MapChain(nn.Module):
    """Runs stages one after the other and returns what each makes.

    Args:
        stages: Every one but the first takes what the one before it makes.
    """

    def __init__(self, stages: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Maps images [B, C, H, W] to maps, [B, C', H', W'] each."""
        maps, current = [], images
        for stage in self.stages:
            current = stage(current)
            maps.append(current)
        return maps


def fitting_maps(
    network: str, anchors: AnchorGrid, takes: Sequence[Maps] = ("from_stride_8", "from_stride_16")
) -> Maps:
    """Returns which maps a network has to make for some anchors.

    Args:
        network: Its name, for messages.
        anchors: What it is to label and move.
        takes: The maps that it can make.

    Raises:
        ValueError: The anchors lie on cells that the network has no maps for.
    """
    maps = _FITTING.get(anchors.map_sizes)
    if maps is None or maps not in takes:
        names = {"from_stride_8": "ssd300", "from_stride_16": "ssdlite300, ssdlite320"}
        raise ValueError(
            f"{network} has no maps for the anchors {anchors.name!r} (cells {list(anchors.map_sizes)}); "
            f"set dataset.anchors to one of {', '.join(names[each] for each in takes)}"
        )
    return maps
