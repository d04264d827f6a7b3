"""The part of a detecting teacher's outputs that is small enough to be stored: the anchors it has most to say about.

Of each picture the anchors with a box are kept, and of the background those with the largest cross-entropy by the
teacher. No student has a say in it, so that what is kept is the same for all trials.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from greenkd.objectives.multibox import Anchors, cross_entropies, predicted

# An anchor's number is written as two, each of which half precision holds exactly.
_BASE = 1024
_NUMBERS = 2


class KeptOutputs(NamedTuple):
    """What is kept of a teacher's outputs, k anchors of each picture."""

    outputs: Tensor  # [B, k, K+1+4]
    numbers: Tensor  # [B, k] int64, which of the A anchors these are


def kept_shape(output_shape: tuple[int, ...], count: int | None) -> tuple[int, ...]:
    """Returns the shape of what is kept of one picture.

    Args:
        output_shape: Of what the teacher says about one picture.
        count: Anchors to keep; None: all that it says.
    """
    if count is None:
        return output_shape
    anchors, values = output_shape
    return min(count, anchors), values + _NUMBERS


def keep_anchors(outputs: Tensor, labels: Tensor, count: int) -> Tensor:
    """Keeps some anchors of each picture: those with a box first, then the background; the least certain first.

    Args:
        outputs: Of the teacher, [B, A, K+1+4].
        labels: int64 [B, A], 0 for the background.
        count: Anchors to keep; all where there are fewer.

    Returns:
        [B, k, K+1+4+2], in that order; the last two columns hold the anchor's number.
    """
    entropies = cross_entropies(predicted(outputs).logits, labels)
    hardest = entropies.argsort(dim=1, descending=True, stable=True)
    has_box = (labels > 0).gather(1, hardest)
    first = has_box.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :count]

    numbers = hardest.gather(1, first)
    columns = torch.stack([numbers // _BASE, numbers % _BASE], dim=-1).to(outputs.dtype)
    return torch.cat([at_anchors(outputs, numbers), columns], dim=-1)


def kept_outputs(kept: Tensor) -> KeptOutputs:
    """Parts what `keep_anchors` returned into outputs and numbers of anchors."""
    high, low = kept[..., -_NUMBERS:].long().unbind(-1)
    return KeptOutputs(kept[..., :-_NUMBERS], high * _BASE + low)


def at_anchors(values: Tensor, numbers: Tensor) -> Tensor:
    """Returns the values [B, A] or [B, A, n] of some anchors of each picture, [B, k] or [B, k, n].

    Args:
        values: Of all anchors.
        numbers: int64 [B, k].
    """
    if values.dim() > numbers.dim():
        numbers = numbers.unsqueeze(-1).expand(-1, -1, values.shape[-1])
    return values.gather(1, numbers)


def choose_kept(labels: Tensor, numbers: Tensor, negatives: float) -> Anchors:
    """Chooses the kept anchors that count, as many as `choose_anchors` would as far as they were kept.

    Args:
        labels: int64 [B, A], of all anchors.
        numbers: int64 [B, k], the kept ones in the order of `keep_anchors`.
        negatives: Most negatives for each positive of a picture.
    """
    boxes = (labels > 0).sum(dim=1, keepdim=True)
    places = torch.arange(numbers.shape[1], device=numbers.device)
    return Anchors(at_anchors(labels, numbers) > 0, places < boxes + negatives * boxes)
