"""Which anchor has which box: the targets of a batch, worked out on the device."""

import torch
from torch import Tensor

from greenkd.anchors import AnchorGrid, encode_boxes, iou
from greenkd.tasks.base import Targets

# From this overlap on an anchor has the box.
LEAST_OVERLAP = 0.5


class Matcher:
    """Gives every anchor a class and the offsets to its box, the background and zeros where it has none.

    An anchor has the box that it overlaps most, from an IoU of 0.5 on. And every box has the anchor that overlaps it
    most, whatever the IoU; of several boxes with the same best anchor it has the last.

    Args:
        anchors: Of the data set.
        device: Where batches lie.

    Source: Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, section 2.2, as torchvision's `SSDMatcher`.
    """

    def __init__(self, anchors: AnchorGrid, device: torch.device) -> None:
        self._centres, self._corners = anchors.boxes.to(device), anchors.corners.to(device)

    def match(self, boxes: Tensor, labels: Tensor) -> Targets:
        """Returns the targets of a batch.

        Args:
            boxes: [B, M, 4], left, top, right, bottom in units of the picture's side.
            labels: int64 [B, M], class numbers from 0; below 0 where there is no box.

        Returns:
            Labels [B, A], 0 for the background and else 1 more than the class's number, and offsets [B, A, 4].
        """
        present = labels >= 0
        overlaps = iou(boxes, self._corners).masked_fill(~present.unsqueeze(-1), -1.0)  # [B, M, A]

        # By overlap, and the best anchor of every box
        largest, matched = overlaps.max(dim=1)
        places = torch.arange(labels.shape[1], device=labels.device).view(1, -1, 1)
        best = overlaps.argmax(dim=2, keepdim=True) == torch.arange(overlaps.shape[2], device=labels.device)
        forced = torch.where(best & present.unsqueeze(-1), places, -1).amax(dim=1)

        matched = torch.where(forced >= 0, forced, matched)
        has_box = (largest >= LEAST_OVERLAP) | (forced >= 0)

        # Targets; a box of no area stands for none, and its logarithm is not taken
        classes = torch.where(has_box, labels.gather(1, matched) + 1, 0)
        targets = boxes.gather(1, matched.unsqueeze(-1).expand(-1, -1, 4))
        targets = torch.where(has_box.unsqueeze(-1), targets, self._corners)
        return Targets(classes, encode_boxes(targets, self._centres) * has_box.unsqueeze(-1))
