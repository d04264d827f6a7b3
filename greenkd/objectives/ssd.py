"""Base training of a detector: the MultiBox loss of SSD, no teacher."""

from torch import Tensor

from greenkd.objectives.base import NO_MATRIX_PRODUCTS, NO_TEMPERATURE, LossFlops, LossInputs, Objective, present
from greenkd.objectives.divergence import Weight
from greenkd.objectives.multibox import Negatives, choose_anchors, cross_entropies, localisation, predicted


class SSD(Objective):
    """(H + λ·R)/N: classes of the anchors that count, and offsets of those that have a box.

    H is the cross-entropy, summed over the N anchors that have a box and, in each image, the hard negatives: those
    `negatives` times as many anchors of the background whose cross-entropy is largest. R is the smooth L1 distance of
    the four offsets, summed over the anchors that have a box. N is the batch's, at least 1. τ has no meaning here.

    Args:
        localisation_weight: λ.
        negatives: Hard negatives for each positive of an image.

    Source: Liu et al., "SSD: Single Shot MultiBox Detector", ECCV 2016, section 2.2, as torchvision has it.
    """

    task = "detection"
    refuses_rules = NO_TEMPERATURE

    def __init__(self, *, localisation_weight: Weight = 1.0, negatives: Negatives = 3.0) -> None:
        super().__init__()
        self.localisation_weight = localisation_weight
        self.negatives = negatives

    def flops(self) -> LossFlops:
        """States none: there is no matrix product in the loss."""
        return NO_MATRIX_PRODUCTS

    def forward(self, batch: LossInputs) -> Tensor:
        """Returns the loss, 0-dim."""
        total, positives = self.sums(batch.student_logits, batch.labels, present(batch.offsets, "offsets"))
        return total / positives.clamp(min=1)

    def sums(self, outputs: Tensor, labels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Returns H + λ·R and the number of anchors that have a box, 0-dim each: what batches can be added up by.

        Args:
            outputs: [B, A, K+1+4].
            labels: int64 [B, A].
            targets: [B, A, 4].
        """
        logits, offsets = predicted(outputs)
        entropies = cross_entropies(logits, labels)
        positive, chosen = choose_anchors(entropies, labels, self.negatives)

        hard = (entropies * chosen).sum()
        boxes = localisation(offsets, targets.to(offsets.dtype), positive)
        return hard + self.localisation_weight * boxes, positive.sum()
