"""Average precision by the rule of PASCAL VOC, all classes of a split at once.

Each detection, in order of falling score, looks at the box of its class and image that it overlaps most. If the IoU is
above 0.5 it is right, unless a better detection has had that box: then it is wrong, as one without such a box is. A
detection whose box is difficult counts as neither, and difficult boxes are not among those to be found.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from greenkd.anchors import iou
from greenkd.tasks.detection.post_processing import Detections

_OVERLAP = 0.5
_RECALLS = 11


class AveragePrecision(NamedTuple):
    """Average precision of every class, NaN where a class has no box that counts.

    `eleven_points`: the mean over the recalls 0, 0.1 … 1 of the largest precision at that recall or above, as VOC has
    it up to 2009 and as detectors are compared by. `area`: the area below that precision as a function of recall, as
    VOC has it from 2010 on.
    """

    eleven_points: Tensor  # float64 [K]
    area: Tensor  # float64 [K]


class TrueBoxes(NamedTuple):
    """The boxes of a split's images, padded to M for each."""

    boxes: Tensor  # [N, M, 4], in the unit of the detections
    labels: Tensor  # int64 [N, M], below 0 where there is no box
    difficult: Tensor  # bool [N, M]


def average_precision(detections: Detections, truth: TrueBoxes, num_classes: int) -> AveragePrecision:
    """Works out every class's average precision.

    Args:
        detections: Of all images of a split, on the CPU.
        truth: The split's boxes, on the CPU.
        num_classes: K.

    Source: Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 2010, section 4.2, without the
    devkit's counting of pixels from 1.
    """
    to_find = torch.bincount(truth.labels[(truth.labels >= 0) & ~truth.difficult], minlength=num_classes)
    right, counted = _judge(detections, truth)

    eleven_points = torch.full((num_classes,), torch.nan, dtype=torch.float64)
    area = eleven_points.clone()
    order = detections.scores.argsort(descending=True, stable=True)
    order = order[counted[order]]
    labels = detections.labels[order]
    for number in to_find.nonzero().squeeze(1).tolist():
        hits = right[order[labels == number]].double().cumsum(dim=0)
        recall = hits / to_find[number]
        precision = hits / torch.arange(1, len(hits) + 1)
        eleven_points[number], area[number] = _eleven_points(recall, precision), _area(recall, precision)
    return AveragePrecision(eleven_points, area)


def mean_over_classes(values: Tensor) -> float:
    """Returns the mean over the classes that have boxes; 0 where none has."""
    mean = values.nanmean()
    return 0.0 if mean.isnan() else float(mean)


def _judge(detections: Detections, truth: TrueBoxes) -> tuple[Tensor, Tensor]:
    """Returns which detections are right, and which count at all, bool [D] each."""
    boxes, labels = truth.boxes[detections.images], truth.labels[detections.images]  # [D, M, 4], [D, M]
    overlaps = iou(detections.boxes.unsqueeze(1), boxes).squeeze(1)
    overlaps = overlaps.masked_fill(labels != detections.labels.unsqueeze(1), -1.0)

    largest, place = overlaps.max(dim=1)
    has_box = largest > _OVERLAP
    difficult = has_box & truth.difficult[detections.images, place]

    # Of all that have the same box the first in order of score is right.
    order = detections.scores.argsort(descending=True, stable=True)
    box = (detections.images * truth.labels.shape[1] + place)[order]
    has_easy_box = (has_box & ~difficult)[order]
    ranks = torch.arange(len(order))
    first = torch.full((truth.labels.numel(),), len(order))
    first = first.scatter_reduce(0, box[has_easy_box], ranks[has_easy_box], reduce="amin")

    right = torch.empty_like(has_box)
    right[order] = has_easy_box & (first[box] == ranks)
    return right, ~difficult


def _eleven_points(recall: Tensor, precision: Tensor) -> float:
    """Returns the mean of the largest precision at each of 11 recalls or above; 0 where that recall is not reached."""
    # A recall of k/10 is reached by counts, not by roundings: 3/10 of 10 boxes is 0.3 in any arithmetic.
    points = torch.arange(_RECALLS, dtype=torch.float64) / (_RECALLS - 1)
    reached = recall >= points.unsqueeze(1) - 1e-12
    best = torch.where(reached, precision, 0.0).amax(dim=1) if len(recall) else torch.zeros(_RECALLS)
    return float(best.mean())


def _area(recall: Tensor, precision: Tensor) -> float:
    """Returns the area below the precision's envelope."""
    if len(recall) == 0:
        return 0.0
    envelope = precision.flip(0).cummax(dim=0).values.flip(0)
    steps = torch.diff(recall, prepend=recall.new_zeros(1))
    return float((steps * envelope).sum())
