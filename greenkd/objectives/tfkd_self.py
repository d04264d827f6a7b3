"""Teacher-free distillation from the student's own pretrained copy (Tf-KD_self)."""

from torch import Tensor

from greenkd.objectives.base import NO_MATRIX_PRODUCTS, LossFlops, LossInputs, Objective, present
from greenkd.objectives.divergence import Fraction, Reduction, Weight, cross_entropy, softened_kl


class TfKDSelf(Objective):
    """(1−α)·CE + α·m·τ²·KL(softmax(t/τ) ‖ softmax(z/τ)), t [B, K] from the student's own copy trained before.

    The copy is trained by plain cross-entropy and kept fixed; its training is recorded as teacher training. With
    different temperatures for copy and student, τ² means τ_student·τ_teacher.

    Args:
        alpha: Weight α of the distillation term, 0…1.
        multiplier: Factor m of the divergence; the source uses 1, 50 or 100, found by trial per network.
        reduction: `element_mean` (default) divides by the number of classes as the source's code does, for which its
            α, τ and m were chosen; `batchmean` does not.

    Source: Yuan et al., "Revisiting Knowledge Distillation via Label Smoothing Regularization", CVPR 2020, and the
    function `loss_kd_self` of its code.
    """

    teacher = "student"
    uses_temperature = True
    refuses_rules = None

    def __init__(
        self, *, alpha: Fraction = 0.95, multiplier: Weight = 1.0, reduction: Reduction = "element_mean"
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.multiplier = multiplier
        self.reduction: Reduction = reduction

    def flops(self) -> LossFlops:
        """States none: there is no matrix product in the loss."""
        return NO_MATRIX_PRODUCTS

    def forward(self, batch: LossInputs) -> Tensor:
        """Returns the loss, 0-dim."""
        divergence = softened_kl(
            batch.student_logits,
            present(batch.teacher_logits, "teacher_logits"),
            *self.soften(batch),
            reduction=self.reduction,
        )

        hard = cross_entropy(batch.student_logits, batch.labels)
        return (1 - self.alpha) * hard + self.alpha * self.multiplier * divergence
