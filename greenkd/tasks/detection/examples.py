"""A few test pictures with what networks find in them, for people to look at."""

import base64
import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from greenkd.data import DetectionImages
from greenkd.records.examples import Box, ExamplePicture, Examples, FoundBox, TrueBox
from greenkd.tasks.detection.post_processing import Detections

PICTURES = 8
LEAST_SCORE = 0.4
_QUALITY = 90


def make_examples(images: DetectionImages, class_names: Sequence[str], found: Mapping[str, Detections]) -> Examples:
    """Puts pictures, their boxes and detections together.

    Args:
        images: The pictures, on any device.
        class_names: Of the data set.
        found: Detections in them, on the CPU, by network.
    """
    pictures = []
    for number in range(len(images)):
        detections = {network: _found(all_found, number) for network, all_found in found.items()}
        pictures.append(ExamplePicture(_jpeg(images.images[number].cpu()), _true(images, number), detections))
    return Examples(class_names=tuple(class_names), least_score=LEAST_SCORE, pictures=tuple(pictures))


def _jpeg(picture: Tensor) -> str:
    """Returns a picture uint8 [C, H, W] as a JPEG file in base64."""
    array = np.ascontiguousarray(picture.permute(1, 2, 0).squeeze(-1).numpy())
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", quality=_QUALITY)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _true(images: DetectionImages, number: int) -> tuple[TrueBox, ...]:
    boxes, labels = (images.boxes[number] / images.size).cpu(), images.labels[number].tolist()
    difficult = images.difficult[number].tolist()
    return tuple(
        TrueBox(_box(box), label, hard) for box, label, hard in zip(boxes, labels, difficult, strict=True) if label >= 0
    )


def _found(found: Detections, number: int) -> tuple[FoundBox, ...]:
    rows = ((found.images == number) & (found.scores >= LEAST_SCORE)).nonzero().squeeze(1)
    return tuple(
        FoundBox(_box(box), label, round(score, 4))
        for box, label, score in zip(
            found.boxes[rows], found.labels[rows].tolist(), found.scores[rows].tolist(), strict=True
        )
    )


def _box(box: Tensor) -> Box:
    left, top, right, bottom = (round(value, 4) for value in box.tolist())
    return left, top, right, bottom
