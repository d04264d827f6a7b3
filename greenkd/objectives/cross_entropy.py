"""Base training: cross-entropy with the labels, no teacher."""

from torch import Tensor

from greenkd.objectives.base import NO_MATRIX_PRODUCTS, NO_TEMPERATURE, LossFlops, LossInputs, Objective
from greenkd.objectives.divergence import cross_entropy


class CrossEntropy(Objective):
    """CE = −mean over the batch of log softmax(z)_y, with student logits z [B, K] and labels y [B].

    The student trained this way is the "base" row of every distillation table. τ has no meaning here.
    """

    refuses_rules = NO_TEMPERATURE

    def flops(self) -> LossFlops:
        """States none: there is no matrix product in the loss."""
        return NO_MATRIX_PRODUCTS

    def forward(self, batch: LossInputs) -> Tensor:
        """Returns the loss, 0-dim."""
        return cross_entropy(batch.student_logits, batch.labels)
