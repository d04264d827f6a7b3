"""What a student says about pictures."""

from typing import NamedTuple

from torch import Tensor


class Classes(NamedTuple):
    """The classes of N pictures, K to choose from."""

    labels: Tensor  # int64 [N], the most probable class of each
    names: tuple[str, ...]  # their names
    probabilities: Tensor  # float32 [N, K], softmax at τ = 1
    logits: Tensor  # float32 [N, K]


class Found(NamedTuple):
    """What was found in one picture, the surest first."""

    boxes: Tensor  # float32 [D, 4], left, top, right, bottom in pixels of the picture as it was given
    labels: Tensor  # int64 [D]
    names: tuple[str, ...]  # of the labels
    scores: Tensor  # float32 [D], 0 … 1
