"""SSD's random crop: a part of the picture that holds the centre of a box and overlaps a box by a drawn least share.

As torchvision's v2.RandomIoUCrop does it: one of seven least overlaps is drawn (1 leaves the picture whole), then up to
40 crops are tried; where none will do, another overlap is drawn. Liu et al., "SSD: Single Shot MultiBox Detector",
ECCV 2016, section 2.2.
"""

from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Whole = np.ndarray[Any, np.dtype[np.int64]]
Truths = np.ndarray[Any, np.dtype[np.bool_]]

_OVERLAPS = np.array([0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
_TRIES = 40
_SCALE = (0.3, 1.0)
_RATIO = (0.5, 2.0)
_ROUNDS = 50  # of drawing an overlap; one picture in 2,000 at most is left whole by the limit alone


def search_crops(rng: np.random.Generator, boxes: Floats, present: Truths, sides: Whole) -> Whole:
    """Finds a crop for every picture; one without boxes stays whole.

    A picture takes its numbers from the stream wherever the others' searches end, so its crop is a function of the
    generator's state, its position and its own boxes.

    Args:
        rng: Where the numbers come from.
        boxes: [N, M, 4], left, top, right, bottom in pixels.
        present: [N, M], whether a place holds a box.
        sides: [N], pixels per side of the square pictures.

    Returns:
        [N, 4]: left, top, width, height in pixels.
    """
    crops = np.stack([np.zeros_like(sides), np.zeros_like(sides), sides, sides], axis=1)
    pending = np.flatnonzero(present.any(axis=1))

    for _ in range(_ROUNDS):
        if len(pending) == 0:
            break

        uniform = rng.random((len(sides), 1 + 4 * _TRIES))
        overlaps = _OVERLAPS[(uniform[:, 0] * len(_OVERLAPS)).astype(np.int64)]
        pending = pending[overlaps[pending] < 1]

        for attempt in range(_TRIES):
            numbers = uniform[pending, 1 + 4 * attempt : 5 + 4 * attempt]
            tried = _crops(numbers, sides[pending])
            accepted = _accepts(tried, boxes[pending], present[pending], overlaps[pending])
            crops[pending[accepted]] = tried[accepted]
            pending = pending[~accepted]

    return crops


def _crops(uniform: Floats, sides: Whole) -> Whole:
    """Turns four uniform numbers each into left, top, width and height."""
    low, high = _SCALE
    sizes = (sides[:, None] * (low + (high - low) * uniform[:, :2])).astype(np.int64)
    corners = ((sides[:, None] - sizes) * uniform[:, 2:]).astype(np.int64)
    return np.concatenate([corners, sizes], axis=1)


def _accepts(crops: Whole, boxes: Floats, present: Truths, overlaps: Floats) -> Truths:
    """Tells which crops, [N, 4], have a usable shape, hold a centre, and overlap a box that has its centre there."""
    corner, sizes = crops[:, None, :2], crops[:, None, 2:]
    width, height = crops[:, 2], crops[:, 3]
    shaped = (width > 0) & (height > 0)
    shaped &= (width >= _RATIO[0] * height) & (width <= _RATIO[1] * height)

    centres = (boxes[..., :2] + boxes[..., 2:]) / 2
    inside = present & (corner < centres).all(axis=2) & (centres < corner + sizes).all(axis=2)

    common = np.minimum(boxes[..., 2:], corner + sizes) - np.maximum(boxes[..., :2], corner)
    intersections = common.clip(min=0).prod(axis=2)
    unions = (boxes[..., 2:] - boxes[..., :2]).prod(axis=2) + (width * height)[:, None] - intersections
    shares = np.divide(intersections, unions, out=np.zeros_like(unions), where=inside & (unions > 0))
    enough = (shares >= overlaps[:, None]) & inside

    accepted: Truths = shaped & enough.any(axis=1)
    return accepted
