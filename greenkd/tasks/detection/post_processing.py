"""From what a network says of its anchors to detections: boxes with a class and a score, the same thing found once."""

from typing import NamedTuple

import torch
from torch import Tensor

from greenkd.anchors import decode_boxes
from greenkd.late_packages import torchvision
from greenkd.objectives.multibox import predicted

# Those of the figures that detectors are compared by on VOC (77.43 of SSD300, 68.6 of MobileNetV2-SSDLite).
LEAST_SCORE = 0.01
LARGEST_OVERLAP = 0.45
MOST_DETECTIONS = 200
_MOST_CANDIDATES = 400  # of an image and a class, by score


class Detections(NamedTuple):
    """What was found in some images, in order of falling score within each image."""

    images: Tensor  # int64 [D], positions of the images, ascending
    boxes: Tensor  # float32 [D, 4], left, top, right, bottom in units of the picture's side, 0 … 1
    labels: Tensor  # int64 [D], class numbers from 0
    scores: Tensor  # float32 [D]

    def cpu(self) -> "Detections":
        """Returns the same detections on the CPU."""
        return Detections(*(tensor.cpu() for tensor in self))


def detect(outputs: Tensor, anchors: Tensor) -> Detections:
    """Turns a network's outputs into detections: softmax, decoding, and non-maximum suppression class by class.

    A detection's score is its class's probability, at least 0.01. Of those of one image and class that overlap by more
    than 0.45 the best stays, and of an image the best 200.

    Args:
        outputs: [B, A, K+1+4].
        anchors: [A, 4], centre x, centre y, width, height.
    """
    logits, offsets = predicted(outputs)
    probabilities = logits.transpose(1, 2).contiguous().softmax(dim=1)[:, 1:]  # [B, K, A]

    # Candidates: the best of each image and class
    likely = probabilities > LEAST_SCORE
    if probabilities.shape[2] > _MOST_CANDIDATES:
        least = probabilities.topk(_MOST_CANDIDATES, dim=2).values[..., -1:]
        likely &= probabilities >= least
    images, labels, places = likely.nonzero(as_tuple=True)
    scores = probabilities[images, labels, places]
    boxes = decode_boxes(offsets[images, places], anchors[places]).clamp(0, 1)

    # One box for one thing; the result is in order of falling score over all images
    kept = torchvision.ops.batched_nms(boxes, scores, images * probabilities.shape[1] + labels, LARGEST_OVERLAP)
    kept = kept[images[kept].argsort(stable=True)]
    kept = kept[_ranks(images[kept]) < MOST_DETECTIONS]
    return Detections(images[kept], boxes[kept], labels[kept], scores[kept])


def join(batches: list[Detections], sizes: list[int]) -> Detections:
    """Puts the detections of consecutive batches together; `sizes` are their numbers of images."""
    starts = torch.tensor([0, *sizes]).cumsum(0)[:-1].tolist()
    images = [batch.images + start for batch, start in zip(batches, starts, strict=True)]
    rest = [torch.cat(parts) for parts in zip(*(batch[1:] for batch in batches), strict=True)]
    return Detections(torch.cat(images), *rest)


def _ranks(groups: Tensor) -> Tensor:
    """Returns the place of every entry within its group; equal entries of `groups` [D] follow each other."""
    places = torch.arange(len(groups), device=groups.device)
    is_first = torch.ones_like(groups, dtype=torch.bool)
    is_first[1:] = groups[1:] != groups[:-1]
    return places - torch.where(is_first, places, 0).cummax(dim=0).values
