"""What losses of single-shot detectors have in common: which anchors count, and how far boxes are off.

A network says K+1 class logits (background first) and four offsets for each of A anchors: one tensor [B, A, K+1+4].
Sums run over all images of a batch and are divided by N, the number of anchors that have a box, at least 1.
"""

from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from greenkd.objectives.base import LossInputs, present
from greenkd.objectives.divergence import full_precision

OFFSETS = 4
"""How many of the numbers that a network says of an anchor are offsets: the last ones."""

Negatives = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Prediction(NamedTuple):
    """What a network says, in at least float32."""

    logits: Tensor  # [B, A, K+1]
    offsets: Tensor  # [B, A, 4]


class Anchors(NamedTuple):
    """Which anchors count in a batch, as a network that learns on it sees them; no gradient."""

    positive: Tensor  # [B, A] bool, have a box
    chosen: Tensor  # [B, A] bool, have a box or are among the hard negatives

    @property
    def number(self) -> Tensor:
        """N, 0-dim."""
        return self.positive.sum().clamp(min=1)


def predicted(outputs: Tensor) -> Prediction:
    """Parts a network's output [B, A, K+1+4] into class logits and offsets."""
    values = full_precision(outputs)
    return Prediction(values[..., :-OFFSETS], values[..., -OFFSETS:])


def cross_entropies(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns the cross-entropy of every anchor, [B, A], of logits [B, A, K+1] with labels [B, A]."""
    return F.cross_entropy(logits.transpose(1, 2).contiguous(), labels, reduction="none")


def log_probabilities(logits: Tensor) -> Tensor:
    """Returns the log-softmax of logits [n, K+1] over the classes.

    PyTorch's kernel is ten times as quick over numbers that lie far apart as over short rows of neighbours.
    """
    return F.log_softmax(logits.t().contiguous(), dim=0).t()


def choose_anchors(entropies: Tensor, labels: Tensor, negatives: float) -> Anchors:
    """Chooses the anchors that count: those with a box, and in each image the background that is least seen as such.

    Args:
        entropies: [B, A], cross-entropy of each anchor.
        labels: [B, A], 0 for the background.
        negatives: Most negatives for each positive of an image; an image without boxes has none.
    """
    positive = labels > 0
    wanted = negatives * positive.sum(dim=1, keepdim=True)

    # The rank of every negative among its image's; a positive comes after all of them.
    hardness = entropies.detach().masked_fill(positive, -torch.inf)
    order = hardness.argsort(dim=1, descending=True, stable=True)
    places = torch.arange(labels.shape[1], device=labels.device).expand_as(order)
    ranks = torch.empty_like(order).scatter_(1, order, places)
    hard = (ranks < wanted) & ~positive

    return Anchors(positive, positive | hard)


def true_offsets(batch: LossInputs, like: Tensor) -> Tensor:
    """Returns the offsets that are to be predicted, [B, A, 4], in the precision of `like`."""
    return present(batch.offsets, "offsets").to(like.dtype)


def localisation(offsets: Tensor, targets: Tensor, positive: Tensor) -> Tensor:
    """Returns the smooth L1 distance of offsets [B, A, 4], summed over the positive anchors [B, A], 0-dim."""
    distances = F.smooth_l1_loss(offsets, targets, reduction="none").sum(dim=-1)
    return (distances * positive).sum()
