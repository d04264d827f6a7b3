"""Scenes of one to three of scikit-learn's handwritten digits on a noisy canvas: boxes without a download."""

from typing import Annotated, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from greenkd.anchors import AnchorGrid
from greenkd.data.base import Images
from greenkd.data.detection import PADDING, DetectionDataset, DetectionImages
from greenkd.data.digits import load_digits
from greenkd.errors import ConfigError
from greenkd.streams import numpy_stream

SIZE = 48
MOST_DIGITS = 3
_SIDES = (10, 20)  # pixels of a digit's box
_NOISE = 96  # grey values of the canvas lie below
_TRIES = 20  # of finding a place that touches no other digit
_UNIT = 256  # weights of the interpolation are whole multiples of 1/256

Count = Annotated[int, Field(ge=20)]
_Bytes = NDArray[np.uint8]


class _Digit(NamedTuple):
    """A digit's place in its scene, in pixels."""

    left: int
    top: int
    side: int


def load_digit_scenes(
    *, anchors: AnchorGrid, train_scenes: Count = 1000, test_scenes: Count = 300, seed: int = 0
) -> DetectionDataset:
    """Makes scenes of 48×48 pixels, one channel, ten classes.

    Every scene has one to three digits of 10 to 20 pixels, which do not touch each other. Training scenes show digits
    of the digits' training part, test scenes those of the test part. Everything is drawn from the stream "inputs" and
    worked out in integers, so that the same arguments make the same bytes on every machine.

    Args:
        anchors: Of the data set; for pictures of 48×48 pixels.
        train_scenes: Scenes of the training part, from which validation is cut.
        test_scenes: Scenes of the test part.
        seed: Seed of the scenes; the same for all seeds of a sweep.

    Raises:
        ConfigError: The anchors are for pictures of another size.
    """
    if anchors.image_size != SIZE:
        raise ConfigError(
            f"dataset.anchors={anchors.name}: is for pictures of {anchors.image_size} pixels, and these have {SIZE}; "
            "take digit_scenes"
        )

    digits = load_digits()
    train = _part(digits.train, train_scenes, numpy_stream(seed, "inputs", 1))
    test = _part(digits.test, test_scenes, numpy_stream(seed, "inputs", 2))
    return DetectionDataset(train, test, digits.class_names, anchors)


def _part(digits: Images, scenes: int, rng: np.random.Generator) -> DetectionImages:
    """Makes some scenes of some digits."""
    pixels, classes = digits.images[:, 0].numpy(), digits.labels.numpy()
    images = rng.integers(0, _NOISE, (scenes, 1, SIZE, SIZE), np.uint8)
    boxes = np.zeros((scenes, MOST_DIGITS, 4), np.float32)
    labels = np.full((scenes, MOST_DIGITS), PADDING, np.int64)

    for scene in range(scenes):
        for place, digit in enumerate(_places(rng)):
            chosen = int(rng.integers(len(pixels)))
            ink = enlarge(pixels[chosen], digit.side)

            # The brighter of canvas and ink is seen.
            rows, columns = slice(digit.top, digit.top + digit.side), slice(digit.left, digit.left + digit.side)
            images[scene, 0, rows, columns] = np.maximum(images[scene, 0, rows, columns], ink)
            boxes[scene, place] = (columns.start, rows.start, columns.stop, rows.stop)
            labels[scene, place] = classes[chosen]

    difficult = np.zeros(labels.shape, bool)
    return DetectionImages(*(torch.from_numpy(array) for array in (images, boxes, labels, difficult)))


def _places(rng: np.random.Generator) -> list[_Digit]:
    """Draws where the digits of one scene are: one at least, and no two that touch."""
    places: list[_Digit] = []
    for _ in range(int(rng.integers(1, MOST_DIGITS + 1))):
        for _ in range(_TRIES):
            side = int(rng.integers(_SIDES[0], _SIDES[1] + 1))
            left, top = (int(rng.integers(SIZE - side + 1)) for _ in range(2))
            digit = _Digit(left, top, side)
            if not any(_touch(digit, other) for other in places):
                places.append(digit)
                break
    return places


def _touch(first: _Digit, second: _Digit) -> bool:
    beside = first.left + first.side <= second.left or second.left + second.side <= first.left
    above = first.top + first.side <= second.top or second.top + second.side <= first.top
    return not (beside or above)


def enlarge(pixels: _Bytes, side: int) -> _Bytes:
    """Enlarges a square picture bilinearly, in integers.

    Args:
        pixels: uint8 [n, n].
        side: Pixels per side of the result, at least n.
    """
    # Where every output pixel's centre lies between two input pixels, in units of 1/(2·side)
    count = len(pixels)
    places = np.clip((2 * np.arange(side) + 1) * count - side, 0, 2 * side * (count - 1))
    lower = places // (2 * side)
    share = (places - lower * 2 * side) * _UNIT // (2 * side)
    upper = np.minimum(lower + 1, count - 1)

    values = pixels.astype(np.int64)
    rows = values[lower] * (_UNIT - share)[:, None] + values[upper] * share[:, None]
    both = rows[:, lower] * (_UNIT - share) + rows[:, upper] * share
    return np.asarray((both + _UNIT * _UNIT // 2) // (_UNIT * _UNIT), dtype=np.uint8)
