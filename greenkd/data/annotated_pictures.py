"""Picture files with boxes, of any layout, to bytes and boxes in memory."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from greenkd.data.annotation_problems import (
    NO_AREA,
    OUTSIDE,
    OVER_THE_EDGE,
    UNREADABLE,
    WITHOUT_FILE,
    AnnotationProblems,
)
from greenkd.data.detection import PADDING, DetectionImages
from greenkd.data.pictures import MalformedError, read_picture, to_pixels
from greenkd.errors import DataError

_Corners = tuple[float, float, float, float]
_LEEWAY = 1.0  # pixels that a box may reach over the edge without being spoken of: tools round
_LEAST_SIDE = 1e-3  # pixels


@dataclasses.dataclass(frozen=True)
class AnnotatedBox:
    """One box as an annotation gives it.

    Attributes:
        label: Class number, from 0.
        corners: Left, top, right, bottom, in pixels of the picture's file, or in shares of its sides.
        difficult: Whether the metric passes over the box.
    """

    label: int
    corners: _Corners
    difficult: bool = False


@dataclasses.dataclass(frozen=True)
class AnnotatedPicture:
    """One picture's file and boxes.

    Attributes:
        path: The file.
        boxes: May be empty.
        in_pixels: Whether corners are pixels; else shares of the sides.
        size: Width and height that the annotation names; None where it names none.
    """

    path: Path
    boxes: tuple[AnnotatedBox, ...]
    in_pixels: bool
    size: tuple[int, int] | None = None


def read_annotated(
    pictures: Sequence[AnnotatedPicture],
    problems: AnnotationProblems,
    *,
    where: Path | str,
    store_size: int,
    in_channels: int,
    unusable: int,
    max_bad_share: float,
) -> DetectionImages:
    """Reads all pictures of a part and squeezes each into a square, with its boxes.

    Pictures are turned upright as their Exif data say and resized bilinearly with antialiasing. Boxes are cut to their
    pictures; those of no area or outside are left out. A picture without boxes stays, as background.

    Args:
        pictures: In the order in which they are kept.
        problems: Takes what cannot be used; holds what the reader of the annotations found.
        where: The part, for messages.
        store_size: Pixels per side of the squares.
        in_channels: 1 turns everything to grey, 3 to RGB.
        unusable: Pictures that the reader of the annotations has already given up.
        max_bad_share: Largest share of bad pictures, and of bad boxes, that is left out instead of refused.

    Raises:
        DataError: More than that share is bad, or no picture or box is left.
    """
    pixels = np.empty((len(pictures), in_channels, store_size, store_size), np.uint8)
    kept: list[list[AnnotatedBox]] = []
    total_boxes = problems.boxes

    for picture in pictures:
        total_boxes += len(picture.boxes)
        try:
            decoded = read_picture(picture.path, in_channels)
            _check_size(picture, decoded)
        except MalformedError as error:
            if picture.path.is_file():
                problems.add_picture(UNREADABLE, f"{picture.path}: {error}")
            else:
                problems.add_picture(WITHOUT_FILE, picture.path)
            continue

        square = decoded.resize((store_size, store_size), Image.Resampling.BILINEAR)
        pixels[len(kept)] = to_pixels(square)
        kept.append(_usable(picture, decoded.size, problems))

    problems.judge(pictures=len(pictures) + unusable, boxes=total_boxes, max_bad_share=max_bad_share)
    if not any(kept):
        raise DataError(f"{where}: no box in any of {len(kept)} pictures; unpack the data set there")
    return _to_tensors(pixels[: len(kept)], kept, store_size)


def _check_size(picture: AnnotatedPicture, decoded: Image.Image) -> None:
    if picture.size is not None and picture.size != decoded.size:
        stated, found = (f"{width}×{height}" for width, height in (picture.size, decoded.size))
        raise MalformedError(f"it has {found} pixels, its annotation is for {stated}")


def _usable(picture: AnnotatedPicture, size: tuple[int, int], problems: AnnotationProblems) -> list[AnnotatedBox]:
    """Returns the boxes of one picture in shares of its sides, cut to 0 … 1; notes what is left out or cut.

    Args:
        picture: Its annotation.
        size: Width and height of the file, in pixels.
        problems: Takes what is not as it should be.
    """
    boxes = []
    for box in picture.boxes:
        scale = np.tile(size, 2).astype(np.float64)
        places = np.array(box.corners, np.float64)  # in pixels
        if not picture.in_pixels:
            places *= scale

        if not all(map(math.isfinite, box.corners)) or (places[2:] - places[:2] < _LEAST_SIDE).any():
            problems.add_box(NO_AREA, picture.path)
            continue

        cut = places.clip(0, scale)
        if (cut[2:] - cut[:2] < _LEAST_SIDE).any():
            problems.add_box(OUTSIDE, picture.path)
            continue

        if max(-places.min(), (places - scale).max()) > _LEEWAY:
            problems.add_box(OVER_THE_EDGE, picture.path)
        left, top, right, bottom = (cut / scale).tolist()
        boxes.append(AnnotatedBox(box.label, (left, top, right, bottom), box.difficult))

    return boxes


def _to_tensors(
    pixels: np.typing.NDArray[np.uint8], kept: Sequence[Sequence[AnnotatedBox]], store_size: int
) -> DetectionImages:
    """Puts boxes in shares into tensors with as many places as the fullest picture has."""
    places = max(map(len, kept))
    boxes = torch.zeros(len(kept), places, 4)
    labels = torch.full((len(kept), places), PADDING)
    difficult = torch.zeros(len(kept), places, dtype=torch.bool)

    for row, entries in enumerate(kept):
        for place, entry in enumerate(entries):
            boxes[row, place] = torch.tensor(entry.corners)
            labels[row, place] = entry.label
            difficult[row, place] = entry.difficult

    return DetectionImages(torch.from_numpy(pixels), boxes * store_size, labels, difficult)
